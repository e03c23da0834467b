import { MigrateError } from '../../model/errors.ts';
import type { CollectionFacts } from '../../stores/qdrant/collection-facts.ts';
import type { QdrantWriter } from '../../stores/qdrant/qdrant-reader.ts';
import type { ApplyContext, Checkpoint } from '../stage.ts';
import { AS_NUMBER, AS_TEXT, matchOf } from './field-forms.ts';
import { endUndoNamed, isNamed, NamedMemory, undoNamed } from './named/undo-named.ts';
import type { QdrantPlan } from './qdrant-plan.ts';
import { ReIdUndo } from './re-id/take-back.ts';
import { besideCopies } from './shards/shard-copy.ts';
import { loggedCopies, undoShards } from './shards/undo-shards.ts';
import { giveBackArrays, giveBackInArrays } from './undo-arrays.ts';
import { type ArraysEntry, type PointsEntry, type ShardEntry, type UndoEntry, undoEntry } from './undo-entry.ts';

/** What an undo remembers of the collections it came by. */
interface Memory {
  /** Collections that are no more, with the error that said so. */
  readonly gone: Map<string, MigrateError>;
  /** Indexes to remove at the end: collection → field and the batch that names it. */
  readonly indexes: Map<string, { readonly field: string; readonly batch: number }>;
  readonly seen: Map<string, CollectionFacts>;
  readonly named: NamedMemory;
}

/**
 * Gives the logged points back to their source where they still are the target's, newest batch first, and then
 * removes the indexes that we made. A write of ours that is still queued cannot overtake: the server applies the
 * writes of a shard in the order of its log.
 */
export async function* undo(
  { moves }: Pick<QdrantPlan, 'moves'>,
  whole: ApplyContext<QdrantWriter>,
): AsyncGenerator<Checkpoint> {
  const shards = await loggedCopies(whole);
  yield* undoShards(shards, whole);
  // Points that the application has put into a target's shard since are not the move's.
  const ctx = { ...whole, store: await besideCopies(shards, whole.store) };
  const memory: Memory = { gone: new Map(), indexes: new Map(), seen: new Map(), named: new NamedMemory() };
  const reId = new ReIdUndo(ctx);
  for await (const { id: batch, entries } of ctx.undo.read()) {
    const sums = { moved: 0, vanished: 0, failed: 0 };
    for (const entry of entries.map(undoEntry)) {
      if (isNamed(entry)) {
        sums.moved += await undoNamed(entry, batch, memory.named, ctx);
        continue;
      }
      if (isOfShards(entry)) continue;
      if (entry.kind === 'copied') {
        reId.confirm(entry);
        continue;
      }
      const { collection, field } = entry;
      if (entry.kind === 'index') memory.indexes.set(collection, { field, batch });
      else if (entry.kind === 'points' || entry.kind === 'arrays') {
        const count = await unlessGone(memory, collection, () => giveBack(entry, batch, memory, ctx));
        // Points of a copied collection were counted when they came back.
        if (!memory.named.isCopied(collection)) sums.moved += count ?? 0;
      } else {
        const work = () => (entry.kind === 'remove' ? reId.rebuild(entry) : reId.takeBack(entry, batch));
        const done = await unlessGone(memory, collection, work);
        sums.moved += done?.moved ?? 0;
        sums.vanished += done?.vanished ?? 0;
        sums.failed += done?.failed ?? 0;
      }
    }
    yield { batch, ...sums };
  }
  yield* await endUndoNamed(memory.named, moves, ctx);
  for (const [collection, { field, batch }] of memory.indexes) {
    await ctx.permit(0);
    await unlessGone(memory, collection, () => ctx.store.deleteIndex(collection, field));
    yield { batch, moved: 0 };
  }
  // What could be given back has been; only now tell of what could not.
  if (memory.gone.size + memory.named.lost.length > 0) {
    throw new AggregateError(
      [...memory.gone.values(), ...memory.named.lost],
      'points of deleted collections cannot be given back',
    );
  }
}

/** Taken back before all others. */
function isOfShards(entry: UndoEntry): entry is ShardEntry {
  return entry.kind === 'shard-begun' || entry.kind === 'shard-copied' || entry.kind === 'shard-dropped';
}

/** Gives back those of the points that still are the target's, and says how many. */
async function giveBack(
  entry: PointsEntry | ArraysEntry,
  batch: number,
  memory: Memory,
  ctx: ApplyContext<QdrantWriter>,
): Promise<number> {
  const { collection, field, number, ids, move } = entry;
  await ctx.permit(ids.length);
  const facts = await factsOf(entry, batch, memory, ctx);
  if (entry.kind === 'arrays') return giveBackArrays(entry, facts, ctx);
  const match = matchOf(field, move.target, number ? AS_NUMBER : AS_TEXT);
  const inArrays = new Set(await giveBackInArrays(entry, facts, ctx));
  const single = inArrays.size === 0 ? ids : ids.filter((id) => !inArrays.has(id));
  if (single.length === 0) return inArrays.size;
  const count = await ctx.store.count({ collection, ids: single, match });
  // Counted or not: a write of ours that is still queued would not be seen yet.
  await ctx.store.setField({ collection, ids: single, match, to: move.source, shardKeys: facts.shardKeys });
  return count + inArrays.size;
}

/** What the collection is like, with an index where no filter is let in without one. */
async function factsOf(
  { collection, field, number }: PointsEntry | ArraysEntry,
  batch: number,
  { seen, indexes }: Memory,
  ctx: ApplyContext<QdrantWriter>,
): Promise<CollectionFacts> {
  const known = seen.get(collection);
  if (known !== undefined) return known;
  const facts = await ctx.store.collection(collection);
  seen.set(collection, facts);
  const { limits } = facts;
  if ((limits.writeNeedsIndex || limits.readNeedsIndex) && !facts.indexes.has(field)) {
    // An earlier undo has removed our index already and was stopped after it: without one no filter is let in.
    await ctx.store.createTenantIndex(collection, field, number);
    indexes.set(collection, { field, batch });
  }
  return facts;
}

/** The work's result, or undefined where the collection is no more. */
async function unlessGone<T>({ gone }: Memory, collection: string, work: () => Promise<T>): Promise<T | undefined> {
  if (gone.has(collection)) return undefined;
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MigrateError) || error.code !== 'missing') throw error;
    gone.set(collection, error);
    return undefined;
  }
}

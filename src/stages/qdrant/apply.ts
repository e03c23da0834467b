import pMap from 'p-map';
import { errorText, MigrateError } from '../../model/errors.ts';
import { grouped } from '../../model/grouped.ts';
import type { CollectionFacts } from '../../stores/qdrant/collection-facts.ts';
import type { QdrantWriter } from '../../stores/qdrant/qdrant-reader.ts';
import { limitOf } from '../adaptive-limit.ts';
import { withinRate } from '../batch-size.ts';
import { inFlight } from '../in-flight.ts';
import type { ApplyContext, Checkpoint } from '../stage.ts';
import { type ArrayGroup, mayAskForArrays, splitPages } from './arrays.ts';
import { knowsInsertOnly } from './copy-points.ts';
import { matchOf, mayFilter, movedElements, tokenOf } from './field-forms.ts';
import { applyNamed } from './named/apply-named.ts';
import { idPageSize, writeBatchSize } from './page-sizes.ts';
import type { CollectionPlan, QdrantPlan } from './qdrant-plan.ts';
import { BatchSizer } from './re-id/batch-sizer.ts';
import { type CopyWork, copyBatchSize, copyPairs } from './re-id/copy-pairs.ts';
import { type IdPair, type NewIds, newIdsOf } from './re-id/new-ids.ts';
import { newIdsFor } from './re-id/new-ids-for.ts';
import { type End, type ToldApart, toldApart } from './re-id/pairs.ts';
import { type Disputed, settleDisputed } from './re-id/settle-disputed.ts';
import { applyShards } from './shards/apply-shards.ts';
import { besideCopies } from './shards/shard-copy.ts';
import { COLLECTIONS_AT_ONCE } from './survey.ts';
import { arraysEntry, pointsEntry } from './undo-entry.ts';

/** Writes under way at first: a shard applies them one by one, so more than this only hide long round trips. */
const WRITES_AT_ONCE = 4;
/** Points that are copied stand in memory as text, a few megabytes a batch. */
const MOST_AT_ONCE = 16;

/** One collection's part of the work, and how far it is. */
interface Part extends CollectionPlan {
  readonly facts: CollectionFacts;
  /** Points of the source when this pass began. */
  readonly left: number;
  moved: number;
  /** The whole collection gets another name: its points are counted there. */
  readonly isWhole: boolean;
  /** Those of them that stand under new ids. */
  renamed: number;
  /** Batches that were begun and are not done; 1 more while the ids are still being read. */
  open: number;
}

/** A batch that may be sent now. */
type Batch = () => Promise<readonly Checkpoint[]>;

/** What one pass works with. */
interface Pass {
  readonly ctx: ApplyContext<QdrantWriter>;
  readonly field: string;
  /** Undefined where no point gets a new id. */
  readonly newIds: NewIds | undefined;
  readonly insertOnly: boolean;
  /** Pairs of points that differ, to be looked at when the rest is done. */
  readonly disputed: Disputed[];
}

/**
 * Sets the field of the points of the sources that keep their ids, and copies the others to their new ids, batch by
 * batch, each logged before it is sent.
 */
export async function* apply(plan: QdrantPlan, whole: ApplyContext<QdrantWriter>): AsyncGenerator<Checkpoint> {
  const shards = plan.shards ?? [];
  const ctx = { ...whole, store: await besideCopies(shards, whole.store) };
  const parts = (
    await pMap(plan.collections, (one) => openPart(one, plan, ctx), { concurrency: COLLECTIONS_AT_ONCE })
  ).filter(({ left }) => left > 0);
  const newIds = newIdsOf(ctx.profile, plan.mode);
  const insertOnly = newIds !== undefined && knowsInsertOnly(await ctx.store.version());
  const pass: Pass = { ctx, field: plan.field, newIds, insertOnly, disputed: [] };
  const own = parts.filter(({ isWhole }) => !isWhole);
  const total = [
    ...own.map(({ left }) => left),
    ...plan.named.collections.map(({ points }) => points),
    ...shards.map(({ late }) => late),
  ].reduce((sum, points) => sum + points, plan.named.aliases.length);
  ctx.emit({ type: 'total', stage: 'qdrant', total, unit: plan.unit });
  let done = 0;
  const count = (checkpoint: Checkpoint): Checkpoint => {
    done += checkpoint.moved + (checkpoint.skipped ?? 0);
    ctx.emit({ type: 'progress', stage: 'qdrant', done, total: Math.max(total, done) });
    return checkpoint;
  };
  // Under a rate limit several writes at once would only refuse each other.
  const limited = parts.filter(({ facts }) => facts.limits.writeRateLimit !== undefined);
  const free = parts.filter((part) => !limited.includes(part));
  for (const [group, atOnce] of [
    [free, limitOf(ctx.options.concurrency, { start: WRITES_AT_ONCE, most: MOST_AT_ONCE })],
    [limited, 1],
  ] as const) {
    try {
      for await (const checkpoints of inFlight(batches(group, pass), atOnce, (batch) => batch())) {
        for (const checkpoint of checkpoints) yield count(checkpoint);
      }
    } catch (error) {
      throw sameFailure(error);
    }
  }
  yield* settleDisputed(pass.disputed, ctx);
  for await (const checkpoint of applyShards(shards, plan.field, whole)) yield count(checkpoint);
  for await (const checkpoint of applyNamed(plan.named, ctx)) yield count(checkpoint);
}

/** Batches under way together fail together, of one cause: that is told once. */
function sameFailure(error: unknown): unknown {
  if (!(error instanceof AggregateError)) return error;
  const [first, ...others] = error.errors as readonly unknown[];
  return others.every((other) => isSameCause(first, other)) ? first : error;
}

/** What an error is about differs from batch to batch; one of the same kind with the same way out is the same. */
function isSameCause(first: unknown, other: unknown): boolean {
  if (!(first instanceof MigrateError) || !(other instanceof MigrateError))
    return errorText(first) === errorText(other);
  return first.code === other.code && first.next === other.next;
}

async function openPart(one: CollectionPlan, plan: QdrantPlan, ctx: ApplyContext<QdrantWriter>): Promise<Part> {
  const facts = await ctx.store.collection(one.collection);
  // Where only an index allows counting, the plan's count must do until the index is made.
  const countable = !facts.limits.readNeedsIndex || mayFilter(facts, plan.field, { ...one, value: one.move.source });
  const match = matchOf(plan.field, one.move.source, one);
  const left = countable ? await ctx.store.count({ collection: one.collection, match }) : one.source;
  const isWhole = plan.named.collections.some(({ from }) => from === one.collection);
  return { ...one, facts, left: left + (one.reId?.repair ?? 0), isWhole, moved: 0, renamed: 0, open: 1 };
}

/**
 * The batches of all parts in order. Ids come in ascending pages that begin where the last ended,
 * so that moving the points of one page takes none out of the next.
 */
async function* batches(parts: readonly Part[], pass: Pass): AsyncGenerator<Batch> {
  const { field, ctx } = pass;
  const indexed = new Set(parts.filter(({ facts }) => facts.indexes.has(field)).map(({ collection }) => collection));
  for (const part of parts) {
    if (!indexed.has(part.collection)) {
      indexed.add(part.collection);
      const checkpoint = await makeIndex(part, field, ctx);
      yield () => Promise.resolve([checkpoint]);
    }
    const sizer = new BatchSizer(copyBatchSize(part.facts.limits, ctx.options.batchSize), part.reId?.textBytes);
    for await (const { kept, pairs, groups } of idPages(part, 'source', pass)) {
      yield* keptBatches(part, kept, pass);
      yield* pairBatches(part, pairs, { end: 'source', sizer }, pass);
      for (const group of groups ?? []) yield* arrayBatches(part, group, pass);
    }
    if ((part.reId?.repair ?? 0) > 0) {
      for await (const { pairs } of idPages(part, 'target', pass))
        yield* pairBatches(part, pairs, { end: 'target', sizer }, pass);
    }
    close(part, ctx);
  }
}

/** Points of one page: also those that hold one and the same array. */
interface IdPage extends ToldApart {
  readonly groups?: readonly ArrayGroup[];
}

/** The ids of one end. Where no point gets a new id, as far as the plan knows, and none holds an array, without reading anything that could tell. */
async function* idPages(part: Part, end: End, { field, newIds, ctx }: Pass): AsyncGenerator<IdPage> {
  const { collection, move, facts, arrays, judged } = part;
  const { limits } = facts;
  const own = newIdsFor(newIds, part, ctx.profile);
  const match = matchOf(field, move[end], part);
  if (own !== undefined)
    yield* toldApart(ctx.store, own, { collection, field, move, end, limits }, end === 'source' ? judged : []);
  else if (arrays !== undefined) {
    for await (const { single, groups } of splitPages({ facts, match }, ctx)) yield { kept: single, pairs: [], groups };
  } else {
    for await (const kept of ctx.store.scrollIds({ collection, match, pageSize: idPageSize(limits) }))
      yield { kept, pairs: [] };
  }
}

async function* arrayBatches(part: Part, { ids, elements }: ArrayGroup, { field, ctx }: Pass): AsyncGenerator<Batch> {
  const size = writeBatchSize(part.facts.limits, ctx.options.batchSize);
  for (let at = 0; at < ids.length; ) {
    const some = ids.slice(at, at + withinRate(ctx, size));
    at += some.length;
    await ctx.permit(some.length);
    part.open += 1;
    yield async () => [await moveArrays(part, { ids: some, elements }, field, ctx)];
  }
}

async function* keptBatches(part: Part, kept: readonly string[], { field, ctx }: Pass): AsyncGenerator<Batch> {
  const size = writeBatchSize(part.facts.limits, ctx.options.batchSize);
  for (let at = 0; at < kept.length; ) {
    const ids = kept.slice(at, at + withinRate(ctx, size));
    at += ids.length;
    await ctx.permit(ids.length);
    part.open += 1;
    yield async () => [await movePoints(part, ids, field, ctx)];
  }
}

async function* pairBatches(
  part: Part,
  pairs: readonly IdPair[],
  { end, sizer }: { readonly end: End; readonly sizer: BatchSizer },
  pass: Pass,
): AsyncGenerator<Batch> {
  const { newIds, insertOnly, field, ctx } = pass;
  if (newIds === undefined) return;
  const { collection, move, facts } = part;
  const work: CopyWork = { collection, field, move, end, limits: facts.limits, newIds, insertOnly, sizer };
  for (let at = 0; at < pairs.length; ) {
    const some = pairs.slice(at, at + withinRate(ctx, sizer.size));
    at += some.length;
    await ctx.permit(some.length);
    part.open += 1;
    yield async () => {
      const { checkpoints, disputed } = await copyPairs(work, some, ctx);
      if (disputed.length > 0) pass.disputed.push({ of: work, pairs: disputed });
      const moved = checkpoints.reduce((sum, checkpoint) => sum + checkpoint.moved, 0);
      part.moved += moved;
      part.renamed += moved;
      close(part, ctx);
      return checkpoints;
    };
  }
}

async function makeIndex(
  { collection, number }: Part,
  field: string,
  ctx: ApplyContext<QdrantWriter>,
): Promise<Checkpoint> {
  await ctx.permit(0);
  const batch = await ctx.undo.append([{ kind: 'index', collection, field }]);
  await ctx.store.createTenantIndex(collection, field, number);
  return { batch, moved: 0 };
}

async function movePoints(
  part: Part,
  ids: readonly string[],
  field: string,
  ctx: ApplyContext<QdrantWriter>,
): Promise<Checkpoint> {
  const { collection, move, number, facts } = part;
  const batch = await ctx.undo.append([pointsEntry({ move, collection, field, ...(number ? { number } : {}), ids })]);
  const match = matchOf(field, move.source, part);
  // A point that became an array meanwhile would lose what else the array holds.
  const notInArrays = part.arrays !== undefined && mayAskForArrays(facts);
  await ctx.store.setField({ collection, ids, match, to: move.target, notInArrays, shardKeys: facts.shardKeys });
  part.moved += ids.length;
  close(part, ctx);
  return { batch, moved: part.isWhole ? 0 : ids.length };
}

/** Replaces the source in arrays that are all alike; one that changed meanwhile stays, and is found by verify. */
async function moveArrays(
  part: Part,
  { ids, elements: from }: ArrayGroup,
  field: string,
  ctx: ApplyContext<QdrantWriter>,
): Promise<Checkpoint> {
  const { collection, move, number, facts } = part;
  const to = movedElements(from, { source: tokenOf(move.source, part), target: tokenOf(move.target, part) });
  const logged = { move, collection, field, ...(number ? { number } : {}), from, to, ids };
  const batch = await ctx.undo.append([arraysEntry(logged)]);
  const unordered = !mayAskForArrays(facts);
  await ctx.store.setArray({ collection, ids, field, from, to, unordered, shardKeys: facts.shardKeys });
  part.moved += ids.length;
  close(part, ctx);
  return { batch, moved: part.isWhole ? 0 : ids.length };
}

/** Tells of a collection once its last batch is done. */
function close(part: Part, ctx: ApplyContext<QdrantWriter>): void {
  part.open -= 1;
  if (part.open > 0) return;
  const renamed = part.renamed === 0 ? '' : `, ${grouped(part.renamed)} of them to new ids`;
  ctx.emit({ type: 'note', stage: 'qdrant', text: `Collection: ${part.collection}` });
  ctx.emit({ type: 'note', stage: 'qdrant', text: `  Migrated: ${grouped(part.moved)} points${renamed}` });
}

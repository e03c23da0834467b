import pMap from 'p-map';
import { errorText, MigrateError } from '../../model/errors.ts';
import type { CollectionFacts } from '../../stores/qdrant/collection-facts.ts';
import type { QdrantWriter } from '../../stores/qdrant/qdrant-reader.ts';
import { inFlight } from '../in-flight.ts';
import type { ApplyContext, Checkpoint } from '../stage.ts';
import { idPageSize, writeBatchSize } from './page-sizes.ts';
import type { CollectionPlan, QdrantPlan } from './qdrant-plan.ts';
import { COLLECTIONS_AT_ONCE } from './survey.ts';
import { pointsEntry } from './undo-entry.ts';

/** Writes under way: a shard applies them one by one, so this only hides round trips. */
const WRITES_AT_ONCE = 4;

/** One collection's part of the work, and how far it is. */
interface Part extends CollectionPlan {
  readonly facts: CollectionFacts;
  /** Points of the source when this pass began. */
  readonly left: number;
  moved: number;
  /** Batches that were begun and are not done; 1 more while the ids are still being read. */
  open: number;
}

/** A batch that may be sent now. */
type Batch = () => Promise<Checkpoint>;

/** Sets the field of all points of the sources, batch by batch, each logged before it is sent. */
export async function* apply(plan: QdrantPlan, ctx: ApplyContext<QdrantWriter>): AsyncGenerator<Checkpoint> {
  const parts = (
    await pMap(plan.collections, (one) => openPart(one, plan, ctx), { concurrency: COLLECTIONS_AT_ONCE })
  ).filter(({ left }) => left > 0);
  const total = parts.reduce((sum, { left }) => sum + left, 0);
  ctx.emit({ type: 'total', stage: 'qdrant', total, unit: plan.unit });
  let done = 0;
  // Under a rate limit several writes at once would only refuse each other.
  const limited = parts.filter(({ facts }) => facts.limits.writeRateLimit !== undefined);
  const free = parts.filter((part) => !limited.includes(part));
  for (const [group, atOnce] of [
    [free, WRITES_AT_ONCE],
    [limited, 1],
  ] as const) {
    try {
      for await (const checkpoint of inFlight(batches(group, plan.field, ctx), atOnce, (batch) => batch())) {
        done += checkpoint.moved;
        ctx.emit({ type: 'progress', stage: 'qdrant', done, total: Math.max(total, done) });
        yield checkpoint;
      }
    } catch (error) {
      throw sameFailure(error);
    }
  }
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
  const countable = !facts.limits.readNeedsIndex || facts.indexes.has(plan.field);
  const match = { field: plan.field, value: one.move.source };
  const left = countable ? await ctx.store.count({ collection: one.collection, match }) : one.source;
  return { ...one, facts, left, moved: 0, open: 1 };
}

/**
 * The batches of all parts in order. Ids come in ascending pages that begin where the last ended,
 * so that moving the points of one page takes none out of the next.
 */
async function* batches(parts: readonly Part[], field: string, ctx: ApplyContext<QdrantWriter>): AsyncGenerator<Batch> {
  const indexed = new Set(parts.filter(({ facts }) => facts.indexes.has(field)).map(({ collection }) => collection));
  for (const part of parts) {
    if (!indexed.has(part.collection)) {
      indexed.add(part.collection);
      const checkpoint = await makeIndex(part.collection, field, ctx);
      yield () => Promise.resolve(checkpoint);
    }
    const { limits } = part.facts;
    const size = writeBatchSize(limits, ctx.options.batchSize);
    const match = { field, value: part.move.source };
    for await (const page of ctx.store.scrollIds({
      collection: part.collection,
      match,
      pageSize: idPageSize(limits),
    })) {
      for (let at = 0; at < page.length; at += size) {
        const ids = page.slice(at, at + size);
        await ctx.permit(ids.length);
        part.open += 1;
        yield () => movePoints(part, ids, field, ctx);
      }
    }
    close(part, ctx);
  }
}

async function makeIndex(collection: string, field: string, ctx: ApplyContext<QdrantWriter>): Promise<Checkpoint> {
  await ctx.permit(0);
  const batch = await ctx.undo.append([{ kind: 'index', collection, field }]);
  await ctx.store.createTenantIndex(collection, field);
  return { batch, moved: 0 };
}

async function movePoints(
  part: Part,
  ids: readonly string[],
  field: string,
  ctx: ApplyContext<QdrantWriter>,
): Promise<Checkpoint> {
  const { collection, move } = part;
  const batch = await ctx.undo.append([pointsEntry({ move, collection, field, ids })]);
  await ctx.store.setField({ collection, ids, match: { field, value: move.source }, to: move.target });
  part.moved += ids.length;
  close(part, ctx);
  return { batch, moved: ids.length };
}

/** Tells of a collection once its last batch is done. */
function close(part: Part, ctx: ApplyContext<QdrantWriter>): void {
  part.open -= 1;
  if (part.open > 0) return;
  ctx.emit({ type: 'note', stage: 'qdrant', text: `Collection: ${part.collection}` });
  ctx.emit({ type: 'note', stage: 'qdrant', text: `  Migrated: ${part.moved} points` });
}

import { idOfPoint, type PointText, payloadOf } from '../../../model/point-text.ts';
import { rawMembers } from '../../../model/raw-json.ts';
import type { QdrantReader } from '../../../stores/qdrant/qdrant-reader.ts';
import type { PlanContext } from '../../stage.ts';
import type { CollectionEnds } from '../inspect.ts';
import type { ReIdPlan } from '../qdrant-plan.ts';
import type { IdPair, NewIds } from './new-ids.ts';
import { asNew } from './old-points.ts';
import { type EndOf, samplePairs, toldApart } from './pairs.ts';

/** What a plan learns about the ids of one move in one collection. */
export interface Look {
  /** Undefined where no id that was looked at derives from the source. */
  readonly plan: ReIdPlan | undefined;
  /** New ids that are taken already. */
  readonly taken: ReadonlySet<string>;
  /** Of the taken ones that were compared, those that hold other content. */
  readonly conflicts: number;
  /** Ids of the source that were looked at. */
  readonly looked: number;
  /** Ids, old or new, that stand in another shard as well: which of the points is meant nobody can tell by id alone. */
  readonly ambiguous?: number;
}

/** Pairs of which the new id is taken that are compared number for number. */
const COMPARED = 500;
const COMPARED_AT_ONCE = 50;
/** Points of which the size is measured. */
const MEASURED = 16;
const LOOKED_UP_AT_ONCE = 1_000;

/**
 * Looks at a sample of the ids at both ends. Where some derive from the source, all of that end are counted, and it is
 * looked up which of the new ids are taken.
 */
export async function lookAtIds(ends: CollectionEnds, newIds: NewIds, ctx: PlanContext<QdrantReader>): Promise<Look> {
  const { facts, move, source, target } = ends;
  const of = { collection: facts.name, field: ctx.profile.qdrantField, move, limits: facts.limits };
  const found = new Found(newIds, ctx);
  const none = { pairs: [], looked: 0 };
  const sampled = {
    source: source > 0 ? await samplePairs(ctx.store, newIds, { ...of, end: 'source' }) : none,
    target: target > 0 ? await samplePairs(ctx.store, newIds, { ...of, end: 'target' }) : none,
  };
  if (sampled.source.pairs.length > 0) await found.count({ ...of, end: 'source' }, facts.customSharding);
  if (sampled.target.pairs.length > 0) await found.count({ ...of, end: 'target' }, facts.customSharding);
  const looked = sampled.source.looked;
  const { taken, conflicts, points } = found;
  if (points.source + points.target === 0) return { plan: undefined, taken, conflicts, looked };
  const ambiguous = facts.customSharding ? found.elsewhere : 0;
  const measured = [...sampled.source.pairs, ...sampled.target.pairs].slice(0, MEASURED).map(({ from }) => from);
  const sizes = sizesOf(await ctx.store.retrieveTexts(facts.name, measured));
  const counts = { points: points.source, repair: points.target, copied: taken.size };
  return { plan: { ...counts, ...sizes }, taken, conflicts, looked, ambiguous };
}

/** Counts what derives from the source. */
class Found {
  readonly taken = new Set<string>();
  readonly points = { source: 0, target: 0 };
  /** Old ids that stand in another shard as well, and new ids that are taken in another than that of the old point. */
  elsewhere = 0;
  conflicts = 0;
  #compared = 0;
  readonly #newIds: NewIds;
  readonly #ctx: PlanContext<QdrantReader>;

  constructor(newIds: NewIds, ctx: PlanContext<QdrantReader>) {
    this.#newIds = newIds;
    this.#ctx = ctx;
  }

  async count(of: EndOf, isSharded: boolean): Promise<void> {
    const { store, signal } = this.#ctx;
    for await (const { pairs } of toldApart(store, this.#newIds, of)) {
      signal.throwIfAborted();
      this.points[of.end] += pairs.length;
      for (let at = 0; at < pairs.length; at += LOOKED_UP_AT_ONCE) {
        const some = pairs.slice(at, at + LOOKED_UP_AT_ONCE);
        const ids = some.map(({ to }) => to);
        if (isSharded) this.elsewhere += await this.#twice(of, some);
        const present = await store.presentIds(of.collection, ids);
        for (const id of present) this.taken.add(id);
        const both = some.filter(({ to }) => present.has(to));
        await this.#compare(of, both.slice(0, COMPARED - this.#compared));
      }
    }
  }

  /** A page shows an id that stands in two shards once, a count counts both. */
  async #twice({ collection }: EndOf, pairs: readonly IdPair[]): Promise<number> {
    const count = await this.#ctx.store.count({ collection, ids: pairs.map(({ from }) => from) });
    return Math.max(0, count - pairs.length);
  }

  async #compare(of: EndOf, pairs: readonly IdPair[]): Promise<void> {
    this.#compared += pairs.length;
    for (let at = 0; at < pairs.length; at += COMPARED_AT_ONCE) {
      const some = pairs.slice(at, at + COMPARED_AT_ONCE);
      const { store } = this.#ctx;
      const olds = await store.retrieveTexts(
        of.collection,
        some.map(({ from }) => from),
      );
      const pairOf = new Map(some.map((pair) => [pair.from, pair]));
      const wanted = olds.flatMap((old) => {
        const pair = pairOf.get(idOfPoint(old));
        return pair === undefined ? [] : [asNew(old, pair, of.field, of.move)];
      });
      const standings = await store.standings(of.collection, wanted);
      // What is taken, but not in the old point's own shard.
      this.elsewhere += standings.filter((standing) => standing === 'absent').length;
      this.conflicts += standings.filter((standing) => standing === 'different').length;
    }
  }
}

function sizesOf(points: readonly PointText[]): Pick<ReIdPlan, 'textBytes' | 'diskBytes'> {
  const mean = (sizeOf: (point: PointText) => number) =>
    Math.ceil(points.reduce((sum, point) => sum + sizeOf(point), 0) / Math.max(1, points.length));
  return { textBytes: mean((point) => Buffer.byteLength(point)), diskBytes: mean(bytesOnDisk) };
}

/** A vector's numbers have 4 bytes each, and are about as many as its commas. */
function bytesOnDisk(point: PointText): number {
  const vector = rawMembers(point).get('vector') ?? '';
  return Buffer.byteLength(payloadOf(point)) + 4 * (vector.split(',').length || 1);
}

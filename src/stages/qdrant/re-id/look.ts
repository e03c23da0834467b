import { type PointText, payloadOf } from '../../../model/point-text.ts';
import { rawMembers } from '../../../model/raw-json.ts';
import type { QdrantReader } from '../../../stores/qdrant/qdrant-reader.ts';
import type { PlanContext } from '../../stage.ts';
import type { CollectionEnds } from '../inspect.ts';
import type { ReIdPlan } from '../qdrant-plan.ts';
import { FoundPairs } from './found-pairs.ts';
import type { NewIds } from './new-ids.ts';
import { samplePairs } from './pairs.ts';
import type { SourcePass } from './source-pass.ts';

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
  /** Digests of pages of ids of which none derives from the source; absent where not all were read. */
  readonly judged?: readonly string[];
}

/** Points of which the size is measured. */
const MEASURED = 16;

/**
 * Looks at the ids at both ends: at all of the source's where a pass has read them, else at a sample. Where some of a
 * sample derive from the source, all of that end are counted, and it is looked up which of the new ids are taken.
 */
export async function lookAtIds(
  ends: CollectionEnds,
  newIds: NewIds,
  pass: SourcePass | undefined,
  ctx: PlanContext<QdrantReader>,
): Promise<Look> {
  const { facts, move, source, target } = ends;
  const of = { collection: facts.name, field: ctx.profile.qdrantField, move, limits: facts.limits };
  const found = pass?.found ?? new FoundPairs(newIds, ctx);
  const none = { pairs: [], looked: 0 };
  const sampled = {
    source: pass ?? (source > 0 ? await samplePairs(ctx.store, newIds, { ...of, end: 'source' }) : none),
    target: target > 0 ? await samplePairs(ctx.store, newIds, { ...of, end: 'target' }) : none,
  };
  if (pass === undefined && sampled.source.pairs.length > 0)
    await found.count({ ...of, end: 'source' }, facts.customSharding);
  if (sampled.target.pairs.length > 0) await found.count({ ...of, end: 'target' }, facts.customSharding);
  const judged = pass === undefined ? {} : { judged: pass.judged };
  const { taken, conflicts, points } = found;
  const look = { taken, conflicts, looked: sampled.source.looked, ...judged };
  if (points.source + points.target === 0) return { plan: undefined, ...look };
  const ambiguous = facts.customSharding ? found.elsewhere : 0;
  const measured = [...sampled.source.pairs, ...sampled.target.pairs].slice(0, MEASURED).map(({ from }) => from);
  const sizes = sizesOf(await ctx.store.retrieveTexts(facts.name, measured));
  const counts = { points: points.source, repair: points.target, copied: taken.size };
  return { plan: { ...counts, ...sizes }, ...look, ambiguous };
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

import { contentOfPoint, type PointText, partsDigest, partsOf, shardKeyOf } from '../../../model/point-text.ts';
import { rawMembers } from '../../../model/raw-json.ts';
import type { StrictLimits } from '../../../stores/qdrant/collection-facts.ts';
import type { QdrantWriter } from '../../../stores/qdrant/qdrant-reader.ts';
import { withinRate } from '../../batch-size.ts';
import { inFlight } from '../../in-flight.ts';
import type { ApplyContext, Checkpoint } from '../../stage.ts';
import { idPageSize } from '../page-sizes.ts';
import type { QdrantPlan } from '../qdrant-plan.ts';
import { ifThere } from '../survey.ts';
import { tenantIn } from '../tenant-field.ts';
import { BatchSizer } from './batch-sizer.ts';
import { type ConfirmedCopies, confirmedCopies } from './confirmed-copies.ts';
import { copyBatchSize } from './copy-pairs.ts';
import { loggedDigests } from './logged-digests.ts';
import { type IdPair, type NewIds, newIdsOf } from './new-ids.ts';
import { type StandingPair, standingPairs } from './old-points.ts';
import { type EndOf, toldApart } from './pairs.ts';
import { removeEntry } from './re-id-entry.ts';
import { type Dispute, type Disputed, disputeOf, settleDisputed } from './settle-disputed.ts';

const REMOVED_AT_ONCE = 4;
const DISPUTED_AT_ONCE = 50;
/** Old points of which the log is read at once: some 30 MB. */
const REMEMBERED = 200_000;
/** The old point holds nothing that the new one does not, or nothing newer. */
const OVER: ReadonlySet<Dispute> = new Set(['equal', 'new-is-newer']);

/** What removing a batch of old points did. */
interface Removed {
  readonly checkpoints: readonly Checkpoint[];
  readonly disputed: Disputed;
}

/** An end to clear. */
interface Clearing extends EndOf {
  /** Of one of its points as text, where it was measured. */
  readonly textBytes: number | undefined;
  /** An id names one point only, so that new points can be counted by their ids. */
  readonly isCountable: boolean;
}

/** Old points that are looked at together, and what the log knows of their copies. */
interface Batch {
  readonly ids: readonly string[];
  readonly copies: ConfirmedCopies;
}

interface Work {
  readonly of: Clearing;
  readonly newIds: NewIds;
  readonly sizer: BatchSizer;
}

/**
 * Deletes the old points by id, each only after it was read again and is as it was copied and read back; where the log
 * does not know that, both points are compared. A point that was written since it was copied is copied again before; one
 * whose new point was written since goes, since that is newer.
 */
export async function* removeOld(plan: QdrantPlan, ctx: ApplyContext<QdrantWriter>): AsyncGenerator<Checkpoint> {
  const newIds = newIdsOf(ctx.profile, plan.mode);
  if (newIds === undefined) return;
  for (const of of await endsToClear(plan, ctx)) {
    const sizer = new BatchSizer(clearBatchSize(of.limits, ctx.options.batchSize), of.textBytes);
    const work = { of, newIds, sizer };
    const atOnce = of.limits.writeRateLimit === undefined ? (ctx.options.concurrency ?? REMOVED_AT_ONCE) : 1;
    const disputed: Disputed[] = [];
    for await (const removed of inFlight(batchesOf(work, ctx), atOnce, (batch) => removeCopied(work, batch, ctx))) {
      disputed.push(removed.disputed);
      yield* removed.checkpoints;
    }
    yield* removeDisputed(disputed, ctx);
  }
}

/** The ends at which old points may stand: the source's, and the target's where some were moved without a new id. */
async function endsToClear(plan: QdrantPlan, ctx: ApplyContext<QdrantWriter>): Promise<readonly Clearing[]> {
  const ends: Clearing[] = [];
  for (const { collection, move, reId } of plan.collections) {
    const facts = await ifThere(() => ctx.store.collection(collection));
    if (facts === undefined) continue;
    const { limits, customSharding } = facts;
    const about = { collection, field: plan.field, move, limits, textBytes: reId?.textBytes };
    const of = { ...about, isCountable: !customSharding };
    ends.push({ ...of, end: 'source' });
    if ((reId?.repair ?? 0) > 0) ends.push({ ...of, end: 'target' });
  }
  return ends;
}

/** As for copying; new points are counted by a filter that names them, too. */
function clearBatchSize(limits: StrictLimits, wanted: number | undefined): number {
  return Math.min(copyBatchSize(limits, wanted), limits.conditionMaxSize ?? Number.POSITIVE_INFINITY);
}

async function* batchesOf(work: Work, ctx: ApplyContext<QdrantWriter>): AsyncGenerator<Batch> {
  const { of, sizer } = work;
  for await (const ids of remembered(idPages(work, ctx))) {
    const copies = of.isCountable ? await confirmedCopies(ctx.undo, of.collection, new Set(ids)) : new Map();
    for (let at = 0; at < ids.length; ) {
      const some = ids.slice(at, at + withinRate(ctx, sizer.size));
      at += some.length;
      await ctx.permit(some.length);
      yield { ids: some, copies };
    }
  }
}

/** What is at the source still is old, or came since; under the target the ids must be told apart. */
async function* idPages(
  { of, newIds }: Work,
  { store }: ApplyContext<QdrantWriter>,
): AsyncGenerator<readonly string[]> {
  const { collection, field, move, end, limits } = of;
  const match = { field, value: move[end] };
  if (end === 'source') yield* store.scrollIds({ collection, match, pageSize: idPageSize(limits) });
  else for await (const { pairs } of toldApart(store, newIds, of)) yield pairs.map(({ from }) => from);
}

/** Pages joined to as many ids as the log is read for at once: that bounds the memory. */
async function* remembered(pages: AsyncIterable<readonly string[]>): AsyncGenerator<readonly string[]> {
  let ids: string[] = [];
  for await (const page of pages) {
    ids = ids.concat(page);
    if (ids.length < REMEMBERED) continue;
    yield ids;
    ids = [];
  }
  if (ids.length > 0) yield ids;
}

async function removeCopied(
  { of, newIds, sizer }: Work,
  { ids, copies }: Batch,
  ctx: ApplyContext<QdrantWriter>,
): Promise<Removed> {
  const olds = await ctx.store.retrieveTexts(of.collection, ids);
  sizer.learn(
    olds.length,
    olds.reduce((sum, text) => sum + text.length, 0),
  );
  const [known, doubtful]: [OldPoint[], OldPoint[]] = [[], []];
  for (const text of olds) {
    const old = oldPoint(text, of, newIds);
    if (old !== undefined) (copies.get(old.from) === old.digest ? known : doubtful).push(old);
  }
  // What was deleted under its new id, or taken over by another tenant, is no copy any more.
  const sure = known.length > 0 && (await areThere(known, of, ctx)) ? known : [];
  const standing = await standingPairs(ctx.store, of, sure === known ? doubtful : [...known, ...doubtful]);
  const both = standing.filter((pair) => pair.old !== undefined && pair.new !== undefined);
  const equal = both.filter((pair) => isEqual(pair, of.field));
  return {
    checkpoints: await remove(of, [...sure, ...equal], ctx),
    disputed: { of, pairs: both.filter((pair) => !equal.includes(pair)) },
  };
}

/** An old point as it stands now. */
interface OldPoint extends IdPair {
  readonly old: PointText;
  readonly digest: string;
}

/** Undefined where the point is another tenant's by now, or its id derives from the source no more. */
function oldPoint(old: PointText, { field, move, end }: EndOf, newIds: NewIds): OldPoint | undefined {
  const { id, payload, vector } = partsOf(old);
  const members = rawMembers(payload);
  const pair = tenantIn(members, field) === move[end] ? newIds.pairOfMembers(id, members, move) : undefined;
  return pair && { ...pair, old, digest: partsDigest(members, vector, field) };
}

/** Whether all of the new points are the target's, whatever they hold by now. */
async function areThere(
  pairs: readonly IdPair[],
  { collection, field, move }: EndOf,
  { store }: ApplyContext<QdrantWriter>,
): Promise<boolean> {
  const ids = pairs.map(({ to }) => to);
  return (await store.count({ collection, ids, match: { field, value: move.target } })) === pairs.length;
}

function isEqual(pair: StandingPair, field: string): boolean {
  return contentOfPoint(pair.old ?? '{}', field) === contentOfPoint(pair.new ?? '{}', field);
}

/** What was written since it was copied is copied again first; then what is equal, or older than its new point, goes. */
async function* removeDisputed(all: readonly Disputed[], ctx: ApplyContext<QdrantWriter>): AsyncGenerator<Checkpoint> {
  const wanted = all.flatMap(({ of, pairs }) => pairs.map(({ to }) => ({ collection: of.collection, to })));
  if (wanted.length === 0) return;
  yield* settleDisputed(all, ctx);
  const logged = await loggedDigests(ctx.undo, wanted);
  for (const { of, pairs } of all) {
    for (let at = 0; at < pairs.length; at += DISPUTED_AT_ONCE) {
      const some = pairs.slice(at, at + DISPUTED_AT_ONCE);
      await ctx.permit(some.length);
      const standing = await standingPairs(ctx.store, of, some);
      const over = standing.filter((pair) => OVER.has(disputeOf(pair, of, logged)));
      yield* await remove(of, over, ctx);
    }
  }
}

async function remove(
  of: EndOf,
  pairs: readonly Pick<StandingPair, 'from' | 'to' | 'old'>[],
  ctx: ApplyContext<QdrantWriter>,
): Promise<readonly Checkpoint[]> {
  if (pairs.length === 0) return [];
  const batch = await ctx.undo.append([removeEntry(of, pairs)]);
  const places = pairs.map((pair) => ({ id: pair.from, shardKey: shardKeyOf(pair.old ?? '{}') }));
  await ctx.store.deletePoints(of.collection, places);
  return [{ batch, moved: 0 }];
}

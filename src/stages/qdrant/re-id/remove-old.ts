import { contentOfPoint, shardKeyOf } from '../../../model/point-text.ts';
import type { QdrantWriter } from '../../../stores/qdrant/qdrant-reader.ts';
import { withinRate } from '../../batch-size.ts';
import { inFlight } from '../../in-flight.ts';
import type { ApplyContext, Checkpoint } from '../../stage.ts';
import type { QdrantPlan } from '../qdrant-plan.ts';
import { ifThere } from '../survey.ts';
import { BatchSizer } from './batch-sizer.ts';
import { copyBatchSize } from './copy-pairs.ts';
import { loggedDigests } from './logged-digests.ts';
import { type IdPair, type NewIds, newIdsOf } from './new-ids.ts';
import { type StandingPair, standingPairs } from './old-points.ts';
import { type EndOf, toldApart } from './pairs.ts';
import { removeEntry } from './re-id-entry.ts';
import { type Dispute, type Disputed, disputeOf, settleDisputed } from './settle-disputed.ts';

const REMOVED_AT_ONCE = 4;
const DISPUTED_AT_ONCE = 50;
/** The old point holds nothing that the new one does not, or nothing newer. */
const OVER: ReadonlySet<Dispute> = new Set(['equal', 'new-is-newer']);

/** What removing a batch of old points did. */
interface Removed {
  readonly checkpoints: readonly Checkpoint[];
  readonly disputed: Disputed;
}

/**
 * Deletes the old points by id, each only after both points were read again and found equal. A point that was written
 * since it was copied is copied again before; one whose new point was written since goes, since that is newer.
 */
export async function* removeOld(plan: QdrantPlan, ctx: ApplyContext<QdrantWriter>): AsyncGenerator<Checkpoint> {
  const newIds = newIdsOf(ctx.profile, plan.mode);
  if (newIds === undefined) return;
  for (const of of await endsToClear(plan, ctx)) {
    const sizer = new BatchSizer(copyBatchSize(of.limits, ctx.options.batchSize));
    const atOnce = of.limits.writeRateLimit === undefined ? (ctx.options.concurrency ?? REMOVED_AT_ONCE) : 1;
    const disputed: Disputed[] = [];
    const work = (pairs: readonly IdPair[]) => removeEqual(of, pairs, sizer, ctx);
    for await (const removed of inFlight(pairsOf(of, newIds, sizer, ctx), atOnce, work)) {
      disputed.push(removed.disputed);
      yield* removed.checkpoints;
    }
    yield* removeDisputed(disputed, ctx);
  }
}

/** The ends at which old points may stand: the source's, and the target's where some were moved without a new id. */
async function endsToClear(plan: QdrantPlan, ctx: ApplyContext<QdrantWriter>): Promise<readonly EndOf[]> {
  const ends: EndOf[] = [];
  for (const { collection, move, reId } of plan.collections) {
    const facts = await ifThere(() => ctx.store.collection(collection));
    if (facts === undefined) continue;
    const of = { collection, field: plan.field, move, limits: facts.limits };
    ends.push({ ...of, end: 'source' });
    if ((reId?.repair ?? 0) > 0) ends.push({ ...of, end: 'target' });
  }
  return ends;
}

async function* pairsOf(
  of: EndOf,
  newIds: NewIds,
  sizer: BatchSizer,
  ctx: ApplyContext<QdrantWriter>,
): AsyncGenerator<readonly IdPair[]> {
  for await (const { pairs } of toldApart(ctx.store, newIds, of)) {
    for (let at = 0; at < pairs.length; ) {
      // Both points of each pair are read.
      const some = pairs.slice(at, at + withinRate(ctx, Math.ceil(sizer.size / 2)));
      at += some.length;
      await ctx.permit(some.length);
      yield some;
    }
  }
}

async function removeEqual(
  of: EndOf,
  pairs: readonly IdPair[],
  sizer: BatchSizer,
  ctx: ApplyContext<QdrantWriter>,
): Promise<Removed> {
  const standing = await standingPairs(ctx.store, of, pairs);
  const texts = standing.flatMap((pair) => [pair.old ?? '', pair.new ?? '']);
  sizer.learn(
    texts.length,
    texts.reduce((sum, text) => sum + text.length, 0),
  );
  const both = standing.filter((pair) => pair.old !== undefined && pair.new !== undefined);
  const equal = both.filter((pair) => isEqual(pair, of.field));
  return {
    checkpoints: await remove(of, equal, ctx),
    disputed: { of, pairs: both.filter((pair) => !equal.includes(pair)) },
  };
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
  pairs: readonly StandingPair[],
  ctx: ApplyContext<QdrantWriter>,
): Promise<readonly Checkpoint[]> {
  if (pairs.length === 0) return [];
  const batch = await ctx.undo.append([removeEntry(of, pairs)]);
  const places = pairs.map((pair) => ({ id: pair.from, shardKey: shardKeyOf(pair.old ?? '{}') }));
  await ctx.store.deletePoints(of.collection, places);
  return [{ batch, moved: 0 }];
}

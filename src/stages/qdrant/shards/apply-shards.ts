import { idOfPoint, type PointText } from '../../../model/point-text.ts';
import type { CollectionFacts, ShardLayout } from '../../../stores/qdrant/collection-facts.ts';
import type { QdrantWriter } from '../../../stores/qdrant/qdrant-reader.ts';
import { withinRate } from '../../batch-size.ts';
import { inFlight } from '../../in-flight.ts';
import type { ApplyContext, Checkpoint } from '../../stage.ts';
import { areAlike, copyPoints, knowsInsertOnly } from '../copy-points.ts';
import { insertBatchSize } from '../page-sizes.ts';
import { ifThere } from '../survey.ts';
import { matchesOf, placedIn, type ShardCopy, type ShardPlace } from './shard-copy.ts';

/** Pages of points under way: each is read, inserted, read back and compared. */
const PAGES_AT_ONCE = 3;
const POINTS_IN_A_PAGE = 1_000;
const ONE_SHARD: ShardLayout = { shards: 1, replicas: 1, peers: [] };

/**
 * Copies the points that hold the target from the source's shard to the target's, which is made for that. A point never
 * changes its shard, so this comes after all that is done in place; the source's shard stays until finalize.
 */
export async function* applyShards(
  copies: readonly ShardCopy[],
  field: string,
  ctx: ApplyContext<QdrantWriter>,
): AsyncGenerator<Checkpoint> {
  for (const copy of copies) {
    const facts = await ifThere(() => ctx.store.collection(copy.collection));
    // Gone, or deleted by a finalize that was interrupted.
    if (facts?.shardKeys.includes(copy.from) !== true) continue;
    yield await begin(copy, facts, ctx);
    yield* copyShard(copy, { facts, field }, ctx);
  }
}

async function begin(
  { collection, from, to }: ShardCopy,
  { shards, shardKeys }: CollectionFacts,
  ctx: ApplyContext<QdrantWriter>,
): Promise<Checkpoint> {
  await ctx.permit(0);
  const layout = shards.get(from) ?? ONE_SHARD;
  const made = !shardKeys.includes(to);
  const batch = await ctx.undo.append([{ kind: 'shard-begun', collection, from, to, made, layout }]);
  await ctx.store.createShardKey(collection, to, layout);
  return { batch, moved: 0 };
}

async function* copyShard(
  copy: ShardCopy,
  { facts, field }: { readonly facts: CollectionFacts; readonly field: string },
  ctx: ApplyContext<QdrantWriter>,
): AsyncGenerator<Checkpoint> {
  const insertOnly = knowsInsertOnly(await ctx.store.version());
  const mostAtOnce = insertBatchSize(facts.limits);
  let [inserted, counted] = [0, 0];
  const copying = (points: readonly PointText[]) => copyPage(copy, points, { insertOnly, mostAtOnce }, ctx);
  for await (const checkpoint of inFlight(
    pages(copy, facts, field, ctx),
    ctx.options.concurrency ?? PAGES_AT_ONCE,
    copying,
  )) {
    if (checkpoint === undefined) continue;
    inserted += checkpoint.moved;
    // The others were counted when their field was set.
    const moved = Math.min(checkpoint.moved, copy.late - counted);
    counted += moved;
    yield { ...checkpoint, moved };
  }
  const text = `Shard key of ${copy.collection}: ${copy.from} → ${copy.to}, ${inserted} points copied`;
  ctx.emit({ type: 'note', stage: 'qdrant', text });
}

async function* pages(
  { collection, from, move }: ShardCopy,
  facts: CollectionFacts,
  field: string,
  ctx: ApplyContext<QdrantWriter>,
): AsyncGenerator<readonly PointText[]> {
  const pageSize = withinRate(ctx, Math.min(POINTS_IN_A_PAGE, facts.limits.maxQueryLimit ?? POINTS_IN_A_PAGE));
  for (const match of matchesOf(facts, field, move.target)) {
    for await (const points of ctx.store.scrollTexts({ collection, shardKeys: [from], match, pageSize })) {
      await ctx.permit(points.length);
      yield points;
    }
  }
}

/** Undefined where all of the page stands there already. */
async function copyPage(
  place: ShardPlace,
  points: readonly PointText[],
  how: { readonly insertOnly: boolean; readonly mostAtOnce: number },
  ctx: ApplyContext<QdrantWriter>,
): Promise<Checkpoint | undefined> {
  const { collection, from, to } = place;
  const wanted = points.map((point) => placedIn(point, to));
  let batch: number | undefined;
  const standings = await copyPoints(ctx.store, {
    ...{ collection, points: wanted, ...how },
    before: async (absent) => {
      batch = await ctx.undo.append([{ kind: 'shard-copied', collection, from, to, ids: absent.map(idOfPoint) }]);
    },
  });
  const doubtful = wanted.filter((_, at) => standings[at] === 'taken' || standings[at] === 'overtaken');
  const differing = await notAlike(ctx.store, collection, doubtful);
  for (const point of differing) {
    const reason = `stands in shard key ${JSON.stringify(to)} with other content`;
    ctx.emit({ type: 'record-failed', stage: 'qdrant', record: `${collection} ${idOfPoint(point)}`, reason });
  }
  if (batch === undefined && differing.length === 0) return undefined;
  batch ??= await ctx.undo.append([{ kind: 'shard-copied', collection, from, to, ids: [] }]);
  const moved = standings.filter((standing) => standing === 'inserted').length;
  return { batch, moved, ...(differing.length > 0 ? { conflicts: differing.length } : {}) };
}

/** Those of the points that do not stand in their shards as they are here, but for what the server does to vectors. */
export async function notAlike(
  store: Pick<QdrantWriter, 'textsOf'>,
  collection: string,
  points: readonly PointText[],
): Promise<readonly PointText[]> {
  const differing: PointText[] = [];
  for (let at = 0; at < points.length; at += COMPARED_AT_ONCE) {
    const some = points.slice(at, at + COMPARED_AT_ONCE);
    const there = await store.textsOf(collection, some);
    differing.push(...some.filter((point, index) => !areAlike(there[index], point)));
  }
  return differing;
}

const COMPARED_AT_ONCE = 200;

import { MigrateError } from '../../../model/errors.ts';
import type { PointText } from '../../../model/point-text.ts';
import type { CollectionFacts, ShardLayout } from '../../../stores/qdrant/collection-facts.ts';
import type { QdrantWriter } from '../../../stores/qdrant/qdrant-reader.ts';
import type { ApplyContext, BatchId, Checkpoint } from '../../stage.ts';
import { bodies } from '../copy-points.ts';
import { insertBatchSize } from '../page-sizes.ts';
import { ifThere } from '../survey.ts';
import { type ShardCopiedEntry, undoEntry } from '../undo-entry.ts';
import { notAlike } from './apply-shards.ts';
import { placedIn, placeOf, placeText, type ShardPlace } from './shard-copy.ts';

const BROUGHT_AT_ONCE = 200;

/** A copy that the log tells of. */
interface LoggedCopy extends ShardPlace {
  readonly layout: ShardLayout;
  /** The target's shard was not there before. */
  readonly made: boolean;
  readonly batch: BatchId;
}

/** The copies of shards that a run has begun. */
export async function loggedCopies(ctx: Pick<ApplyContext<QdrantWriter>, 'undo'>): Promise<readonly LoggedCopy[]> {
  const copies = new Map<string, LoggedCopy>();
  for await (const { id, entries } of ctx.undo.read()) {
    for (const entry of entries.map(undoEntry)) {
      if (entry.kind !== 'shard-begun') continue;
      const { collection, from, to, layout, made } = entry;
      const key = JSON.stringify([collection, from, to]);
      const later = copies.get(key);
      copies.set(key, { collection, from, to, layout, made: made || later?.made === true, batch: id });
    }
  }
  return [...copies.values()];
}

/**
 * The first thing of an undo, as copying shards was the last of an apply: the source's shard is made again where it is
 * gone, the points come back as they are now, and the target's shard goes where it was ours and nothing else is in it.
 */
export async function* undoShards(
  copies: readonly LoggedCopy[],
  ctx: ApplyContext<QdrantWriter>,
): AsyncGenerator<Checkpoint> {
  for (const copy of copies) {
    const { collection, from, to } = copy;
    const facts = await ifThere(() => ctx.store.collection(collection));
    // What else the log says of a deleted collection tells of it.
    if (facts === undefined) continue;
    const keys = facts.shardKeys;
    if (!keys.includes(to)) {
      if (!keys.includes(from)) throw lost(copy, ctx);
      // An earlier undo has come to its end.
      continue;
    }
    await ctx.permit(0);
    await ctx.store.createShardKey(collection, from, copy.layout);
    for await (const { entries } of ctx.undo.read()) {
      for (const entry of entries.map(undoEntry)) {
        if (entry.kind !== 'shard-copied' || entry.collection !== collection) continue;
        if (entry.from === from && entry.to === to) await bringBack(entry, facts, ctx);
      }
    }
    await end(copy, facts, ctx);
    yield { batch: copy.batch, moved: 0 };
  }
}

/** A copy goes only once its point stands in the source's shard as the copy is now. */
async function bringBack(
  { collection, from, to, ids }: ShardCopiedEntry,
  { limits }: CollectionFacts,
  { store, permit }: ApplyContext<QdrantWriter>,
): Promise<void> {
  for (let at = 0; at < ids.length; at += BROUGHT_AT_ONCE) {
    const some = ids.slice(at, at + BROUGHT_AT_ONCE);
    await permit(some.length);
    const copies = (
      await store.textsOf(
        collection,
        some.map((id) => placeText(id, to)),
      )
    ).filter(isThere);
    const wanted = copies.map((text) => placedIn(text, from));
    const changed = await notAlike(store, collection, wanted);
    for (const body of bodies(changed, insertBatchSize(limits))) await store.replacePoints(collection, body);
    const missing = new Set((await notAlike(store, collection, changed)).map((text) => placeOf(text).id));
    const back = wanted.map((text) => placeOf(placedIn(text, to))).filter(({ id }) => !missing.has(id));
    if (back.length > 0) await store.deletePoints(collection, back);
  }
}

function isThere(text: PointText | undefined): text is PointText {
  return text !== undefined;
}

async function end(
  { collection, to, made }: LoggedCopy,
  { replicas }: CollectionFacts,
  ctx: ApplyContext<QdrantWriter>,
): Promise<void> {
  const others = await ctx.store.count({ collection, shardKeys: [to], allReplicas: replicas > 1 });
  if (made && others === 0) await ctx.store.deleteShardKey(collection, to);
  if (others === 0) return;
  const text = `Shard key ${JSON.stringify(to)} of ${collection} stays: it has ${others} points that are not the move's`;
  ctx.emit({ type: 'note', stage: 'qdrant', text });
}

function lost({ collection, from, to }: LoggedCopy, { store }: ApplyContext<QdrantWriter>): MigrateError {
  const text = `the points of shard key ${JSON.stringify(from)} of ${collection} stood in ${JSON.stringify(to)}, and both are gone from Qdrant at ${store.url}`;
  return new MigrateError('missing', text, { stage: 'qdrant', store: store.url, next: 'restore them from a backup' });
}

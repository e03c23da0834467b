import { MigrateError } from '../../../model/errors.ts';
import type { QdrantWriter } from '../../../stores/qdrant/qdrant-reader.ts';
import type { ApplyContext, Checkpoint } from '../../stage.ts';
import { ifThere } from '../survey.ts';
import { notAlike } from './apply-shards.ts';
import { placedIn, type ShardCopy } from './shard-copy.ts';

const COMPARED_AT_ONCE = 1_000;

/** Deletes the source's shards, each after every point in it was found once more in the target's. */
export async function* finalizeShards(
  copies: readonly ShardCopy[],
  ctx: ApplyContext<QdrantWriter>,
): AsyncGenerator<Checkpoint> {
  for (const copy of copies) yield* drop(copy, ctx);
}

async function* drop({ collection, from, to }: ShardCopy, ctx: ApplyContext<QdrantWriter>): AsyncGenerator<Checkpoint> {
  const facts = await ifThere(() => ctx.store.collection(collection));
  const layout = facts?.shards.get(from);
  if (facts === undefined || layout === undefined) return;
  const pageSize = Math.min(COMPARED_AT_ONCE, facts.limits.maxQueryLimit ?? COMPARED_AT_ONCE);
  for await (const points of ctx.store.scrollTexts({ collection, shardKeys: [from], pageSize })) {
    ctx.signal.throwIfAborted();
    const wanted = points.map((point) => placedIn(point, to));
    const differing = await notAlike(ctx.store, collection, wanted);
    if (differing.length > 0)
      throw notEqual(
        `${collection}: ${differing.length} points of ${nameOf(from)} are not in ${nameOf(to)} as they are now`,
        ctx,
      );
  }
  await ctx.permit(0);
  const batch = await ctx.undo.append([{ kind: 'shard-dropped', collection, from, to, layout }]);
  await ctx.store.deleteShardKey(collection, from);
  yield { batch, moved: 0 };
}

function nameOf(key: string | number): string {
  return `shard key ${JSON.stringify(key)}`;
}

function notEqual(what: string, { store }: ApplyContext<QdrantWriter>): MigrateError {
  return new MigrateError('conflict', `${what}: somebody still writes there; nothing of it was deleted`, {
    stage: 'qdrant',
    store: store.url,
    next: 'stop the writers, then tenant-migrate resume; or tenant-migrate rollback',
  });
}

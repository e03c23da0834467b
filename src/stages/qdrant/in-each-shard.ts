import type { ShardKey } from '../../stores/qdrant/qdrant-reader.ts';

/**
 * Reads shard by shard where the application named the shards: an id that stands in two of them names two points, and a
 * page over all shards shows only one.
 */
export async function* inEachShard<T>(
  shardKeys: readonly ShardKey[] | undefined,
  read: (shardKeys: readonly ShardKey[] | undefined) => AsyncIterable<T>,
): AsyncGenerator<T> {
  if (shardKeys === undefined || shardKeys.length === 0) yield* read(undefined);
  else for (const key of shardKeys) yield* read([key]);
}

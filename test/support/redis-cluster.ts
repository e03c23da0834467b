import { type RedisCluster, startRedisCluster } from '../../scripts/services/redis-cluster.ts';

/**
 * A cluster of three masters for one test file, in about a second; `args` as redis-server takes them.
 * Ends with the process that runs the tests, or with `stop()`.
 */
export function freshCluster(args: readonly string[] = []): Promise<RedisCluster> {
  return startRedisCluster({ args });
}

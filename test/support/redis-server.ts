import { type RedisServer, startRedis } from '../../scripts/services/redis.ts';
import { redisBinary } from '../../scripts/services/redis-binary.ts';
import { notRunHere } from './not-run-here.ts';

let binary: string | undefined;

/** From now on {@link freshRedis} starts this program in this file's tests: another product that speaks the same. */
export function serveWith(path: string): void {
  binary = path;
}

/**
 * An empty Redis for one test file, in about 30 ms; `args` as redis-server takes them (`['--requirepass', 'x']`).
 * Ends with the process that runs the tests, or with `stop()`.
 */
export async function freshRedis(args: readonly string[] = []): Promise<RedisServer> {
  return startRedis({ args, binary: binary ?? (await installedRedis()) });
}

async function installedRedis(): Promise<string> {
  try {
    return await redisBinary();
  } catch (error) {
    throw notRunHere('redis', `no redis-server here (Debian: redis-server): ${String(error)}`);
  }
}

import { freePort } from './free-port.ts';
import { redisBinary } from './redis-binary.ts';
import { serverFolder, startServerProcess } from './server-process.ts';
import type { Lifetime, Log, RunningServer } from './service.ts';

export interface RedisServer extends RunningServer {
  readonly port: number;
  /** Such as `7.0.15`. */
  readonly version: string;
}

export interface RedisOptions {
  /** More of redis-server's arguments, such as `['--requirepass', 'secret']`. They win over the defaults. */
  readonly args?: readonly string[];
  /** Default: `with-parent`. */
  readonly lifetime?: Lifetime;
  /** A server other than the one that `redisBinary` finds. */
  readonly binary?: string;
  readonly log?: Log;
}

/** Starts an empty Redis that keeps nothing on disk, on a free port of 127.0.0.1, in about 30 ms. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const binary = options.binary ?? (await redisBinary(options.log));
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    try {
      return await startOn(port, binary, options);
    } catch (error) {
      if (attempt === 3 || !String(error).includes('Address already in use')) throw error;
    }
  }
}

async function startOn(port: number, binary: string, options: RedisOptions): Promise<RedisServer> {
  const dir = await serverFolder('redis');
  const base = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no'];
  const server = await startServerProcess({
    name: 'redis-server',
    command: binary,
    args: [...base, ...(options.args ?? [])],
    dir,
    lifetime: options.lifetime ?? 'with-parent',
    // Its own words, not a PING: on that port another server could answer.
    ready: /version=(\d[\w.]*)[\s\S]*Ready to accept connections/,
    timeout: 10_000,
  });
  const { pid, stop, said } = server;
  return { url: `redis://127.0.0.1:${port}`, port, pid, dir, version: said[1] ?? '', stop };
}

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from '../../scripts/services/free-port.ts';
import type { RedisServer } from '../../scripts/services/redis.ts';
import { redisBinary } from '../../scripts/services/redis-binary.ts';
import { serverFolder, startServerProcess } from '../../scripts/services/server-process.ts';
import { freshRedis } from './redis-server.ts';
import { startTcpProxy } from './tcp-proxy.ts';

const NAME = 'mymaster';

export type RedisWithSentinel = Awaited<ReturnType<typeof startWithSentinel>>;

/** A master with one replica behind a proxy, and a sentinel that makes the replica the master within about a second. */
export async function startWithSentinel() {
  const master = await freshRedis(['--repl-diskless-sync-delay', '0']);
  const link = await startTcpProxy({ target: { host: '127.0.0.1', port: master.port } });
  const replica = await freshRedis(['--replicaof', '127.0.0.1', String(link.port)]);
  const [first, second] = [plain(master), plain(replica)];
  await until(async () => (await second.info('replication')).includes('master_link_status:up'));
  const sentinel = await startSentinel(master.port);
  const asked = new Redis({ port: sentinel.port, protocol: 2 });
  await until(
    async () => ((await asked.call('SENTINEL', 'REPLICAS', NAME)) as string[][])[0]?.includes('slave') ?? false,
  );
  return {
    master,
    replica,
    /** Clients of the two servers, whatever their parts are now. */
    first,
    second,
    asked,
    /** Between the two: what does not pass it is lost in a failover. */
    link,
    sentinelPort: sentinel.port,
    flags: ['--only', 'redis', '--redis-sentinel', `127.0.0.1:${sentinel.port}`],
    /** Ends the master as a power cut does, and waits until the sentinel names the replica in its place. */
    async failOver(): Promise<void> {
      process.kill(master.pid, 'SIGKILL');
      const named = async () => String(await asked.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME));
      await until(async () => (await named()).endsWith(`,${replica.port}`));
    },
    async stop(): Promise<void> {
      for (const redis of [first, second, asked]) redis.disconnect();
      await Promise.all([sentinel.stop(), link.close(), master.stop(), replica.stop()]);
    },
  };
}

async function startSentinel(masterPort: number) {
  const [dir, port] = [await serverFolder('sentinel'), await freePort()];
  const file = join(dir, 'sentinel.conf');
  const monitored = `sentinel monitor ${NAME} 127.0.0.1 ${masterPort} 1`;
  const soon = [`sentinel down-after-milliseconds ${NAME} 400`, `sentinel failover-timeout ${NAME} 2000`];
  await writeFile(file, [`port ${port}`, 'bind 127.0.0.1', `dir ${dir}`, monitored, ...soon, ''].join('\n'));
  const command = await redisBinary();
  const args = [file, '--sentinel'];
  const ready = /Sentinel ID is/;
  const server = {
    name: 'redis-sentinel',
    command,
    args,
    dir,
    lifetime: 'with-parent',
    ready,
    timeout: 10_000,
  } as const;
  return { port, stop: (await startServerProcess(server)).stop };
}

function plain({ port }: RedisServer): Redis {
  const redis = new Redis({ port, protocol: 2, retryStrategy: () => 100 });
  // It is killed on purpose.
  redis.on('error', () => undefined);
  return redis;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 15_000; Date.now() < end; await sleep(20)) if (await holds()) return;
  throw new Error('the sentinel did not do its part within 15 s');
}

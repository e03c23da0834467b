import { Cluster, Redis } from 'ioredis';
import { type RedisServer, startRedis } from '../../../scripts/services/redis.ts';
import { startRedisCluster } from '../../../scripts/services/redis-cluster.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { fillRedis } from './fill-stores.ts';
import { severalProxies } from './several-proxies.ts';
import type { SmallWorld } from './small-world.ts';

/** One server, or a cluster of three masters. */
export type RedisForm = 'server' | 'cluster';

/** The Redis of a slot, behind its proxy. */
export interface RedisPlace {
  readonly servers: readonly RedisServer[];
  /** A connection to each of them beside the proxy. */
  readonly admins: readonly Redis[];
  /** Finds each key's server by itself, beside the proxy. */
  readonly client: Redis | Cluster;
  readonly proxy: FaultProxy;
  readonly flags: readonly string[];
  fill(world: SmallWorld): Promise<void>;
  heal(): Promise<void>;
  stop(): Promise<void>;
}

const ARGS = ['--enable-debug-command', 'yes', '--enable-protected-configs', 'yes'];

export async function startRedisPlace(form: RedisForm): Promise<RedisPlace> {
  if (form === 'cluster') return startClusterPlace();
  const server = await startRedis({ args: ARGS });
  const admin = adminOf(server.url);
  const proxy = await startFaultProxy({ host: '127.0.0.1', port: server.port });
  return {
    servers: [server],
    admins: [admin],
    client: admin,
    proxy,
    flags: ['--redis-url', `redis://127.0.0.1:${proxy.port}`],
    fill: (world) => fillRedis(admin, world),
    heal: async () => {
      await admin.call('REPLICAOF', 'NO', 'ONE');
      await healServer(admin, server);
    },
    stop: async () => {
      admin.disconnect();
      await server.stop();
    },
  };
}

async function startClusterPlace(): Promise<RedisPlace> {
  const cluster = await startRedisCluster({ args: ARGS });
  const servers = cluster.nodes;
  const admins = servers.map(({ url }) => adminOf(url));
  const proxies = await Promise.all(servers.map(({ port }) => startFaultProxy({ host: '127.0.0.1', port })));
  const maps = servers.map(({ port }, index) => `127.0.0.1:${port}=127.0.0.1:${proxies[index]?.port}`);
  const client = new Cluster([{ host: '127.0.0.1', port: cluster.port }], { redisOptions: { protocol: 2 } });
  client.on('error', () => undefined);
  return {
    servers,
    admins,
    client,
    proxy: severalProxies(proxies),
    flags: [
      ...['--redis-url', `redis://127.0.0.1:${proxies[0]?.port}`],
      ...maps.flatMap((map) => ['--redis-node-map', map]),
    ],
    fill: async (world) => {
      await Promise.all(admins.map((admin) => admin.flushall()));
      // Those of one key go to one master in their order. Two keep their slot when they are renamed.
      const tagged = [
        ['RPUSH', `${world.source}:{doc}1`, 'a'],
        ['SET', `task:${world.source}:{doc}2`, JSON.stringify({ tenant_id: world.source })],
      ] as const;
      for (const [name, ...rest] of [...world.redis, ...tagged])
        await client.call(name.toLowerCase(), ...rest.map(asText));
    },
    heal: async () => {
      await Promise.all(admins.map((admin, index) => healServer(admin, servers[index])));
      for (const admin of admins)
        while (!/cluster_state:ok/.test(String(await admin.call('CLUSTER', 'INFO')))) await pause();
    },
    stop: async () => {
      client.disconnect();
      for (const admin of admins) admin.disconnect();
      await cluster.stop();
    },
  };
}

const asText = (part: string | number | Buffer): string | Buffer => (typeof part === 'number' ? String(part) : part);

const pause = () => new Promise((resolve) => setTimeout(resolve, 20));

function adminOf(url: string): Redis {
  const admin = new Redis(url, { protocol: 2, maxRetriesPerRequest: null, retryStrategy: () => 30 });
  admin.on('error', () => undefined);
  return admin;
}

async function healServer(admin: Redis, server: RedisServer | undefined): Promise<void> {
  await admin.call('CONFIG', 'SET', 'maxmemory', '0', 'min-replicas-to-write', '0', 'requirepass', '');
  await admin.call('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no', 'save', '', 'dir', server?.dir ?? '.');
  await admin.call('ACL', 'SETUSER', 'default', 'on', 'nopass', '+@all', '~*', '&*');
}

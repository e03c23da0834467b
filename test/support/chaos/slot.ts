import { Redis } from 'ioredis';
import neo4j from 'neo4j-driver';
import { type RedisServer, startRedis } from '../../../scripts/services/redis.ts';
import { type ConfigApiStandIn, type StoredConfig, startConfigApiStandIn } from '../config-api-stand-in.ts';
import { type QdrantStandIn, startQdrantStandIn } from '../qdrant-stand-in.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { clearGraph, fillGraph, fillQdrant, fillRedis } from './fill-stores.ts';
import { type Loaded, loaded } from './loaded.ts';
import type { SmallWorld } from './small-world.ts';

export type ProxyName = 'redis' | 'qdrant' | 'api' | 'graph';

/** Servers of one place where schedules run one after another; each server stands behind a proxy of its own. */
export interface Slot {
  readonly redis: RedisServer;
  /** A connection to Redis beside the proxy. */
  readonly admin: Redis;
  readonly qdrant: QdrantStandIn;
  readonly api: ConfigApiStandIn;
  readonly proxies: Readonly<Record<Exclude<ProxyName, 'graph'>, FaultProxy>> & { readonly graph?: FaultProxy };
  /** Puts this world in place of everything that was there, and heals everything. */
  load(world: SmallWorld, options?: { readonly graph?: boolean }): Promise<Loaded>;
  /** Takes away all that was made to go wrong. */
  heal(): Promise<void>;
  stop(): Promise<void>;
}

export async function startSlot(graphUrl: string | undefined): Promise<Slot> {
  const redis = await startRedis({ args: ['--enable-debug-command', 'yes', '--enable-protected-configs', 'yes'] });
  const qdrant = await startQdrantStandIn();
  const api = await startConfigApiStandIn({ redisUrl: redis.url });
  const behind = (url: string) => startFaultProxy({ host: new URL(url).hostname, port: Number(new URL(url).port) });
  const proxies = {
    redis: await behind(redis.url),
    qdrant: await behind(qdrant.url),
    api: await behind(api.url),
    ...(graphUrl === undefined ? {} : { graph: await behind(graphUrl) }),
  };
  const admin = adminOf(redis.url);
  const driver =
    graphUrl === undefined ? undefined : neo4j.driver(graphUrl, undefined, { disableLosslessIntegers: true });

  const heal = async (): Promise<void> => {
    qdrant.setFaults(undefined);
    for (const standIn of [qdrant, api]) {
      standIn.clearFailures();
      standIn.setLatency(0);
    }
    await Promise.all(Object.values(proxies).map((proxy) => proxy.reset()));
    await healRedis(admin, redis.dir);
  };

  return {
    redis,
    admin,
    qdrant,
    api,
    proxies,
    heal,
    load: async (world, { graph = false } = {}) => {
      await heal();
      qdrant.reset();
      api.reset();
      api.keepInRedis(world.kept);
      await fillRedis(admin, world);
      await fillQdrant(qdrant.url, world);
      for (const { tenant, sections } of world.configs) {
        api.seed(tenant, sections);
        if (world.kept) await keepConfig(admin, tenant, api.stored(tenant));
      }
      if (graph && driver !== undefined) await fillGraph(driver, world);
      const urls = {
        redisUrl: redis.url,
        qdrantUrl: qdrant.url,
        apiUrl: api.url,
        tenants: world.tenants,
        ...(graph ? { graphUrl } : {}),
      };
      return loaded({
        world,
        urls,
        api,
        admin,
        flags: flagsOf(proxies, graph),
        dispose: graph ? () => clearGraph(driver, world) : undefined,
      });
    },
    stop: async () => {
      admin.disconnect();
      await driver?.close();
      await Promise.all(Object.values(proxies).map((proxy) => proxy.close()));
      await Promise.all([redis.stop(), qdrant.close(), api.close()]);
    },
  };
}

async function keepConfig(admin: Redis, tenant: string, stored: StoredConfig | undefined): Promise<void> {
  const { sections, ...times } = stored ?? {};
  await admin.set(`tenant:config:${tenant}`, JSON.stringify({ tenant_id: tenant, ...sections, ...times }));
}

function flagsOf(proxies: Slot['proxies'], graph: boolean): readonly string[] {
  const at = (name: ProxyName, scheme: string) => `${scheme}://127.0.0.1:${proxies[name]?.port ?? 1}`;
  return [
    ...['--redis-url', at('redis', 'redis'), '--qdrant-url', at('qdrant', 'http'), '--api-url', at('api', 'http')],
    ...(graph ? ['--graph-url', at('graph', 'bolt')] : ['--skip-graph']),
  ];
}

function adminOf(url: string): Redis {
  const admin = new Redis(url, { protocol: 2, maxRetriesPerRequest: null, retryStrategy: () => 30 });
  admin.on('error', () => undefined);
  return admin;
}

async function healRedis(admin: Redis, dir: string): Promise<void> {
  await admin.call('REPLICAOF', 'NO', 'ONE');
  await admin.call('CONFIG', 'SET', 'maxmemory', '0', 'min-replicas-to-write', '0', 'requirepass', '');
  await admin.call('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no', 'save', '', 'dir', dir);
  await admin.call('ACL', 'SETUSER', 'default', 'on', 'nopass', '+@all', '~*', '&*');
}

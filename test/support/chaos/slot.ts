import type { Cluster, Redis } from 'ioredis';
import neo4j from 'neo4j-driver';
import type { RedisServer } from '../../../scripts/services/redis.ts';
import { type ConfigApiStandIn, type StoredConfig, startConfigApiStandIn } from '../config-api-stand-in.ts';
import { type QdrantStandIn, startQdrantStandIn } from '../qdrant-stand-in.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { clearGraph, fillGraph, fillQdrant } from './fill-stores.ts';
import { type Loaded, loaded } from './loaded.ts';
import { type RedisForm, startRedisPlace } from './redis-place.ts';
import type { SmallWorld } from './small-world.ts';

export type ProxyName = 'redis' | 'qdrant' | 'api' | 'graph';

/** Servers of one place where schedules run one after another; each server stands behind a proxy of its own. */
export interface Slot {
  /** The server, or the master of a cluster whose turn it is in this world. */
  readonly redis: RedisServer;
  readonly form: RedisForm;
  /** A connection to that Redis beside the proxy. */
  readonly admin: Redis;
  readonly qdrant: QdrantStandIn;
  readonly api: ConfigApiStandIn;
  readonly proxies: Readonly<Record<Exclude<ProxyName, 'graph'>, FaultProxy>> & { readonly graph?: FaultProxy };
  /** Puts this world in place of everything that was there, and heals everything. */
  load(world: SmallWorld, options?: LoadOptions): Promise<Loaded>;
  /** Takes away all that was made to go wrong. */
  heal(): Promise<void>;
  stop(): Promise<void>;
}

interface LoadOptions {
  readonly graph?: boolean;
  /** Whether keys are copied that a rename would do for; in a cluster most are in any case. */
  readonly copies?: boolean;
}

export async function startSlot(graphUrl: string | undefined, form: RedisForm = 'server'): Promise<Slot> {
  const redis = await startRedisPlace(form);
  let turn = 0;
  const inTurn = <T>(all: readonly T[]): T => all[turn % all.length] as T;
  const qdrant = await startQdrantStandIn();
  const api = await startConfigApiStandIn({
    redisUrl: redis.servers[0]?.url ?? '',
    redisCluster: form === 'cluster',
  });
  const behind = (url: string) => startFaultProxy({ host: new URL(url).hostname, port: Number(new URL(url).port) });
  const proxies = {
    redis: redis.proxy,
    qdrant: await behind(qdrant.url),
    api: await behind(api.url),
    ...(graphUrl === undefined ? {} : { graph: await behind(graphUrl) }),
  };
  const driver =
    graphUrl === undefined ? undefined : neo4j.driver(graphUrl, undefined, { disableLosslessIntegers: true });

  const heal = async (): Promise<void> => {
    qdrant.setFaults(undefined);
    for (const standIn of [qdrant, api]) {
      standIn.clearFailures();
      standIn.setLatency(0);
    }
    await Promise.all(Object.values(proxies).map((proxy) => proxy.reset()));
    await redis.heal();
  };

  return {
    form,
    get redis() {
      return inTurn(redis.servers);
    },
    get admin() {
      return inTurn(redis.admins);
    },
    qdrant,
    api,
    proxies,
    heal,
    load: async (world, { graph = false, copies = false } = {}) => {
      turn += 1;
      await heal();
      qdrant.reset();
      api.reset();
      api.keepInRedis(world.kept);
      await redis.fill(world);
      await fillQdrant(qdrant.url, world);
      for (const { tenant, sections } of world.configs) {
        api.seed(tenant, sections);
        if (world.kept) await keepConfig(redis.client, tenant, api.stored(tenant));
      }
      if (graph && driver !== undefined) await fillGraph(driver, world);
      const urls = {
        redisUrl: redis.servers.map(({ url }) => url).join(' '),
        qdrantUrl: qdrant.url,
        apiUrl: api.url,
        tenants: world.tenants,
        ...(graph ? { graphUrl } : {}),
      };
      return loaded({
        world,
        urls,
        api,
        admins: redis.admins,
        flags: [...redis.flags, ...flagsOf(proxies, graph)],
        copies: copies || form === 'cluster',
        moveFlags: copies ? ['--redis-mode', 'copy'] : [],
        dispose: graph ? () => clearGraph(driver, world) : undefined,
      });
    },
    stop: async () => {
      await driver?.close();
      await Promise.all(Object.values(proxies).map((proxy) => proxy.close()));
      await Promise.all([redis.stop(), qdrant.close(), api.close()]);
    },
  };
}

async function keepConfig(client: Redis | Cluster, tenant: string, stored: StoredConfig | undefined): Promise<void> {
  const { sections, ...times } = stored ?? {};
  await client.set(`tenant:config:${tenant}`, JSON.stringify({ tenant_id: tenant, ...sections, ...times }));
}

function flagsOf(proxies: Slot['proxies'], graph: boolean): readonly string[] {
  const at = (name: ProxyName, scheme: string) => `${scheme}://127.0.0.1:${proxies[name]?.port ?? 1}`;
  return [
    ...['--qdrant-url', at('qdrant', 'http'), '--api-url', at('api', 'http')],
    ...(graph ? ['--graph-url', at('graph', 'bolt')] : ['--skip-graph']),
  ];
}

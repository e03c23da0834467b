import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import neo4j, { type Driver } from 'neo4j-driver';
import { request } from 'undici';
import { type RedisServer, startRedis } from '../../../scripts/services/redis.ts';
import { type ConfigApiStandIn, startConfigApiStandIn } from '../config-api-stand-in.ts';
import { type QdrantStandIn, startQdrantStandIn } from '../qdrant-stand-in.ts';
import { movedWorld, readWorld, type World, worldDifferences } from '../world.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
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

/** A world in a slot, as it stood at the start, and what may come of it. */
export interface Loaded {
  readonly world: SmallWorld;
  /** An empty folder for the runs of this schedule. */
  readonly stateDir: string;
  readonly start: World;
  readonly hasGraph: boolean;
  /** Flags that lead to the slot's proxies. */
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Differences from the start; none where nothing was written or all was taken back. */
  fromStart(): Promise<readonly string[]>;
  /** Differences from the whole move. */
  fromMoved(): Promise<readonly string[]>;
  /** Takes away the locks of a run in this process that could not: with a process of its own they were nobody's now. */
  forgetLocks(): Promise<void>;
  dispose(): Promise<void>;
}

export async function startSlot(graphUrl: string | undefined): Promise<Slot> {
  const redis = await startRedis({ args: ['--enable-debug-command', 'yes', '--enable-protected-configs', 'yes'] });
  const qdrant = await startQdrantStandIn();
  const api = await startConfigApiStandIn();
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
      await fillRedis(admin, world);
      await fillQdrant(qdrant.url, world);
      for (const { tenant, sections } of world.configs) api.seed(tenant, sections);
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

async function loaded({
  world,
  urls,
  api,
  admin,
  flags,
  dispose,
}: {
  world: SmallWorld;
  urls: Parameters<typeof readWorld>[0];
  api: ConfigApiStandIn;
  admin: Redis;
  flags: readonly string[];
  dispose: (() => Promise<void>) | undefined;
}): Promise<Loaded> {
  const { source, target } = world;
  const stateDir = mkdtempSync(join(tmpdir(), 'tenant-migrate-chaos-'));
  const start = await readWorld(urls);
  const sections = JSON.stringify(api.stored(source)?.sections);
  const fromStart = async () => {
    const differences = worldDifferences(start, await readWithoutLeases(urls));
    const secrets = JSON.stringify(api.stored(source)?.sections) === sections ? [] : ['changed: secrets of the source'];
    return [...differences, ...secrets];
  };
  return {
    world,
    stateDir,
    start,
    hasGraph: urls.graphUrl !== undefined,
    flags,
    forgetLocks: async () => {
      const own = (text: string | null) => text?.includes(`"pid":${process.pid},`) === true;
      for (const key of await admin.keys('?tenant-migrate?lock?*')) if (own(await admin.get(key))) await admin.del(key);
      const folder = join(stateDir, 'locks');
      if (!existsSync(folder)) return;
      for (const name of readdirSync(folder)) {
        if (own(readFileSync(join(folder, name), 'utf8'))) rmSync(join(folder, name));
      }
    },
    env: { TENANT_MIGRATE_CONFIG_SECRETS: world.secrets, TENANT_MIGRATE_STATE_DIR: stateDir },
    fromStart,
    fromMoved: async () => {
      const after = await readWithoutLeases(urls);
      const expected = new Map(movedWorld(start, source, target));
      // The API dates what it creates; what it keeps is compared unmasked.
      const [record, now] = [`config ${target}`, after.get(`config ${target}`) ?? ''];
      if (sections !== undefined) expected.set(record, now.startsWith('200 ') ? now : '200 …');
      const kept = JSON.stringify(api.stored(target)?.sections);
      const secrets =
        kept === sections ? [] : [`changed: the config of the target is ${kept === undefined ? 'missing' : 'another'}`];
      return [...worldDifferences(expected, after), ...secrets];
    },
    dispose: async () => {
      rmSync(stateDir, { recursive: true, force: true });
      await dispose?.();
    },
  };
}

/** How the keys of locks begin. One that could not be removed ends by itself, and is nobody's data. */
const LOCK_KEYS = '\\tenant-migrate\\lock\\';

async function readWithoutLeases(urls: Parameters<typeof readWorld>[0]): Promise<World> {
  const isLease = ([name, text]: readonly [string, string]) =>
    name.startsWith(`redis ${LOCK_KEYS}`) && !text.includes('"expiresAt":-1');
  return new Map([...(await readWorld(urls))].filter((entry) => !isLease(entry)));
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

async function fillRedis(admin: Redis, world: SmallWorld): Promise<void> {
  await admin.flushall();
  const replies = await admin.pipeline(world.redis.map(([name, ...rest]) => [name.toLowerCase(), ...rest])).exec();
  for (const [error] of replies ?? []) if (error) throw error;
}

async function fillQdrant(url: string, { collections }: SmallWorld): Promise<void> {
  for (const { name, points } of collections) {
    const path = `${url}/collections/${name}`;
    await put(path, { vectors: { size: 4, distance: 'Dot' }, hnsw_config: { m: 0, payload_m: 16 } });
    await put(`${path}/index?wait=true`, {
      field_name: 'workspace_id',
      field_schema: { type: 'keyword', is_tenant: true },
    });
    await put(`${path}/points?wait=true`, { points });
  }
}

async function put(url: string, body: object): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const reply = await request(url, { method: 'PUT', headers, body: JSON.stringify(body) });
  const said = await reply.body.text();
  if (reply.statusCode !== 200) throw new Error(`PUT ${url}: ${reply.statusCode} ${said}`);
}

async function fillGraph(driver: Driver, { graph }: SmallWorld): Promise<void> {
  for (const { label, nodes, relationships } of graph) {
    const rows = nodes.map(({ properties }, at) => ({ properties, person: nodes[at]?.labels.length === 1 }));
    await driver.executeQuery(
      `UNWIND $rows AS row CREATE (n:\`${label}\`) SET n = row.properties
       FOREACH (_ IN CASE WHEN row.person THEN [1] ELSE [] END | SET n:Person)`,
      { rows },
    );
    await driver.executeQuery(
      `UNWIND $rows AS row MATCH (a:\`${label}\` {rank: row.from}) MATCH (b:\`${label}\` {rank: row.to})
       CREATE (a)-[:DIRECTED {weight: row.weight}]->(b)`,
      { rows: relationships },
    );
  }
}

async function clearGraph(driver: Driver | undefined, { tenants }: SmallWorld): Promise<void> {
  await driver?.executeQuery('MATCH (n) WHERE any(label IN labels(n) WHERE label IN $tenants) DETACH DELETE n', {
    tenants,
  });
}

import { type Compose, dockerCompose } from './compose.ts';
import { startNeo4j } from './neo4j.ts';
import { ping } from './ping.ts';
import { startRedis } from './redis.ts';
import type { Lifetime, Log, RunningServer, Service, StoreName } from './service.ts';
import { hasStandIn, startStandIn } from './stand-ins.ts';
import { readState } from './state.ts';

export interface StartOptions {
  readonly stores: readonly StoreName[];
  /** `detached` servers stay until they are stopped by pid; the caller keeps their `servers`. */
  readonly lifetime: Lifetime;
  /** Default: true. False leaves a store without a real server at `simulated`, with no process and no URL. */
  readonly standIns?: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
}

export interface StartedServices {
  /** One for each store asked for, in the order asked. */
  readonly services: readonly Service[];
  /** The processes that this call started. */
  readonly servers: ReadonlyMap<StoreName, RunningServer>;
  /** Stops what this call started, and nothing else. */
  stop(): Promise<void>;
}

/**
 * Finds or starts a server for each store: a URL in the environment, one that `services up` left running, a container,
 * a native server, a stand-in. Never rejects for a store that cannot be run here: that one says why.
 */
export async function startServices(options: StartOptions): Promise<StartedServices> {
  const servers = new Map<StoreName, RunningServer>();
  const compose = dockerCompose(options.log);
  const ways = waysToAServer(options, compose, servers);
  const find = (store: StoreName) => findService(store, ways, async () => absence(store, await compose.absent()));
  const [first, ...rest] = options.stores;
  // The first alone, since two may install packages and only one can at a time.
  const services = first ? [await find(first), ...(await Promise.all(rest.map(find)))] : [];
  const stop = async (): Promise<void> => {
    await Promise.all([compose.remove(), ...[...servers.values()].map((server) => server.stop())]);
  };
  return { services, servers, stop };
}

type Found = Pick<Service, 'how' | 'url' | 'auth' | 'pid'>;

/** A way to a store's server, or undefined where it does not lead to this store. */
type Way = (store: StoreName) => Promise<Found | undefined>;

function waysToAServer(
  options: StartOptions,
  compose: Compose,
  servers: Map<StoreName, RunningServer>,
): readonly Way[] {
  const { env, lifetime, log } = options;
  const keep = (store: StoreName, how: 'native' | 'simulated', server: RunningServer): Found => {
    servers.set(store, server);
    return { how, url: server.url, pid: server.pid };
  };
  return [
    async (store) => fromEnvironment(store, env),
    (store) => stillUp(store, log),
    async (store) => {
      const url = (await compose.absent()) ? undefined : await compose.up(store);
      return url ? { how: 'docker', url } : undefined;
    },
    async (store) => {
      const say = (line: string) => log(`${store}: ${line}`);
      if (store === 'redis') return keep(store, 'native', await startRedis({ lifetime, log: say }));
      if (store === 'graph') return keep(store, 'native', await startNeo4j({ lifetime, log: say }));
      return undefined;
    },
    async (store) => {
      if (!hasStandIn(store)) return undefined;
      if (options.standIns === false) return { how: 'simulated' };
      return keep(store, 'simulated', await startStandIn(store, lifetime));
    },
  ];
}

/** Goes the ways in their order until one leads to a server that answers. */
async function findService(store: StoreName, ways: readonly Way[], absent: () => Promise<string>): Promise<Service> {
  const begun = performance.now();
  const ms = () => Math.round(performance.now() - begun);
  const reasons: string[] = [];
  for (const way of ways) {
    try {
      const found = await way(store);
      if (!found) continue;
      const { url } = found;
      const version = url && (await ping({ ...found, store, url }));
      return { store, ...found, ...(version && { version }), ms: ms() };
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error));
      if (way === ways[0]) break; // a server that the environment names is never replaced by another
    }
  }
  return { store, how: 'not run here', reason: reasons.join('; ') || (await absent()), ms: ms() };
}

/** The environment variables that name a store's server. */
const variables: Record<StoreName, string> = {
  redis: 'TEST_REDIS_URL',
  qdrant: 'TEST_QDRANT_URL',
  graph: 'TEST_GRAPH_URL',
  api: 'TEST_API_URL',
  dragonfly: 'TEST_DRAGONFLY_URL',
  memgraph: 'TEST_MEMGRAPH_URL',
};

function absence(store: StoreName, noDocker: string | undefined): string {
  return `${noDocker ?? 'no container answers'}, and ${variables[store]} is not set`;
}

function fromEnvironment(store: StoreName, env: NodeJS.ProcessEnv): Found | undefined {
  const url = env[variables[store]];
  if (!url) return undefined;
  const username = env.TEST_GRAPH_USERNAME;
  if (store !== 'graph' || !username) return { how: 'environment', url };
  return { how: 'environment', url, auth: { username, password: env.TEST_GRAPH_PASSWORD ?? '' } };
}

/** What `services up` left running, if it still answers. */
async function stillUp(store: StoreName, log: Log): Promise<Found | undefined> {
  const kept = (await readState()).find((service) => service.store === store);
  if (!kept) return undefined;
  try {
    await ping(kept);
    return kept;
  } catch (error) {
    log(`${store}: the server that was up does not answer (${String(error)}), so another is started`);
    return undefined;
  }
}

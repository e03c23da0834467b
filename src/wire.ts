import type { Settings } from './cli/settings.ts';
import { MapFolder } from './journal/map-folder.ts';
import { RunFolder } from './journal/run-folder.ts';
import { type BoundStage, bindStage } from './orchestrator/bound-stage.ts';
import type { MapFolders } from './orchestrator/map-input.ts';
import { mapState } from './orchestrator/map-state.ts';
import type { OpenMap, RunFolders } from './orchestrator/run-input.ts';
import type { Profile } from './profiles/profile.ts';
import type { RunEvent } from './report/event.ts';
import type { ConfigSecrets } from './stages/config/config-secrets.ts';
import { configStage } from './stages/config.ts';
import { graphStage } from './stages/graph.ts';
import { stageOrder } from './stages/index.ts';
import { qdrantStage } from './stages/qdrant.ts';
import { redisDatabasesStage } from './stages/redis/databases.ts';
import { redisStage } from './stages/redis.ts';
import type { StageName } from './stages/stage.ts';
import { openConfigReader, openConfigWriter } from './stores/config-api/config-api.ts';
import { openGraphReader, openGraphWriter } from './stores/graph/graph-store.ts';
import { Outage } from './stores/outage.ts';
import { openQdrantReader, openQdrantWriter } from './stores/qdrant/qdrant-store.ts';
import type { RedisSettings } from './stores/redis/redis-connection.ts';
import { openDatabases } from './stores/redis/redis-databases.ts';
import { openRedisReader, openRedisWriter } from './stores/redis/redis-store.ts';
import type { RetryRule } from './stores/retry-rule.ts';
import { connectTimeout } from './wire/connect-timeout.ts';
import { addressThrough, farEnds, graphThrough, httpThrough } from './wire/far-ends.ts';
import { RedisRecords } from './wire/redis-records.ts';
import { redisDatabases, redisStoreAddress } from './wire/redis-settings.ts';

/** What a server's operator sees in its list of clients; a writer's has the run's id behind it. */
const CLIENT_NAME = 'tenant-migrate';

/** What the stages are built from. */
export interface Wiring {
  readonly settings: Settings;
  readonly profile: Profile;
  readonly secrets: ConfigSecrets | undefined;
  readonly emit: (event: RunEvent) => void;
}

const WIRES: Readonly<Record<StageName, (wiring: Wiring, skipped: readonly StageName[]) => BoundStage>> = {
  config: wireConfig,
  redis: wireRedis,
  qdrant: wireQdrant,
  graph: wireGraph,
};

/** The stages with their stores, in their order, without those that are left out. Nothing is connected yet. */
export function wireStages(wiring: Wiring, skipped: readonly StageName[]): readonly BoundStage[] {
  return stageOrder.filter((name) => !skipped.includes(name)).map((name) => WIRES[name](wiring, skipped));
}

/** Opens a store; behind a tunnel again, where that drops at this moment. */
function open<T>({ tunnel }: Settings, how: () => Promise<T>): Promise<T> {
  return tunnel === undefined ? how() : tunnel.overDrops(how);
}

/** The state folder's runs. */
export function wireFolders(stateDir: string): RunFolders {
  return {
    newId: (startedAt) => RunFolder.newId(startedAt),
    create: (run) => RunFolder.create(stateDir, run),
    unfinished: () => RunFolder.unfinished(stateDir),
    all: () => RunFolder.all(stateDir),
    unfinishedMaps: () => unfinishedMaps(stateDir),
  };
}

/** The state folder's maps. */
export function wireMaps(stateDir: string): MapFolders {
  return {
    newId: (startedAt) => `map-${RunFolder.newId(startedAt)}`,
    create: (map) => MapFolder.create(stateDir, map),
    all: () => MapFolder.all(stateDir),
  };
}

async function unfinishedMaps(stateDir: string): Promise<readonly OpenMap[]> {
  const maps = await MapFolder.all(stateDir);
  const runs = maps.length === 0 ? [] : await RunFolder.all(stateDir);
  const open: OpenMap[] = [];
  for (const folder of maps) {
    if ((await mapState(folder, runs)).state !== 'unfinished') continue;
    const { id, waves, stores } = folder.record;
    open.push({ id, tenants: waves.flat().flatMap(({ source, target }) => [source, target]), stores });
  }
  return open;
}

/** The redis stage's databases, for the leases; undefined where the stage is left out. */
export function wireRedisSettings(
  settings: Settings,
  skipped: readonly StageName[],
): readonly RedisSettings[] | undefined {
  if (skipped.includes('redis')) return undefined;
  // A lease runs out: it is asked for again by a rule of its own.
  return redisDatabases(settings, { clientName: CLIENT_NAME });
}

/** How the config API is reached. */
export function configSettings({ settings, profile, emit }: Pick<Wiring, 'settings' | 'profile' | 'emit'>) {
  return {
    url: withoutCredentials(settings['api-url']),
    through: httpThrough(settings, settings['api-url']),
    path: profile.config.path,
    refreshPath: profile.config.refreshPath,
    method: settings['api-method'],
    timeoutMs: Math.min(settings['request-timeout'], 60_000),
    retry: retryRule(settings),
    onRetry: retryEvents('config', emit),
    ...given({ token: settings.secrets.API_TOKEN }),
  };
}

function wireConfig(wiring: Wiring, skipped: readonly StageName[]): BoundStage {
  const { settings, profile, secrets, emit } = wiring;
  const store = configSettings(wiring);
  const records = skipped.includes('redis') ? undefined : redisRecords(settings, profile, emit);
  const known = { encryptionKey: settings.secrets.ENCRYPTION_KEY, ...(records === undefined ? {} : { records }) };
  const bound = bindStage(configStage(secrets, known), {
    address: addressThrough(settings, store.url),
    openReader: () => openConfigReader(store),
    openWriter: () => openConfigWriter(store),
  });
  const close = async () => {
    await records?.close();
    await bound.close();
  };
  return { ...bound, close };
}

function wireRedis({ settings, emit }: Wiring): BoundStage {
  const databases = redisSettings(settings, emit);
  const [store] = databases;
  const address = addressThrough(settings, redisStoreAddress(databases));
  if (store === undefined || databases.length > 1) {
    return bindStage(redisDatabasesStage, {
      address,
      openReader: () => open(settings, () => openDatabases(databases, openRedisReader)),
      openWriter: (runId) => open(settings, () => openDatabases(databases, openRedisWriter, `${CLIENT_NAME}:${runId}`)),
    });
  }
  return bindStage(redisStage, {
    address,
    openReader: () => open(settings, () => openRedisReader(store)),
    openWriter: (runId) => open(settings, () => openRedisWriter({ ...store, clientName: `${CLIENT_NAME}:${runId}` })),
  });
}

function redisRecords(settings: Settings, profile: Profile, emit: Wiring['emit']): RedisRecords | undefined {
  if (profile.configKeyTemplates.length === 0) return undefined;
  const tell = (text: string) => emit({ type: 'note', stage: 'config', text });
  const open = () =>
    openDatabases(
      redisSettings(settings, () => undefined),
      openRedisReader,
    );
  return new RedisRecords(profile.configKeyTemplates, open, tell);
}

function redisSettings(settings: Settings, emit: Wiring['emit']): readonly RedisSettings[] {
  const retry = retryRule(settings);
  return redisDatabases(settings, { clientName: CLIENT_NAME, retry, onRetry: retryEvents('redis', emit) });
}

/** How Qdrant is reached. */
export function qdrantSettings({ settings, emit }: Pick<Wiring, 'settings' | 'emit'>) {
  return {
    url: withoutCredentials(settings['qdrant-url']),
    through: httpThrough(settings, settings['qdrant-url']),
    timeoutMs: settings['request-timeout'],
    retry: retryRule(settings),
    onRetry: retryEvents('qdrant', emit),
    ...given({ apiKey: settings.secrets.QDRANT_API_KEY }),
  };
}

function wireQdrant(wiring: Wiring): BoundStage {
  const store = qdrantSettings(wiring);
  return bindStage(qdrantStage, {
    address: addressThrough(wiring.settings, store.url),
    openReader: () => openQdrantReader(store),
    openWriter: () => openQdrantWriter(store),
  });
}

/** How the graph is reached. */
export function graphSettings({ settings, emit }: Pick<Wiring, 'settings' | 'emit'>) {
  const url = graphUrlOf(settings);
  const { username, password } = urlLogin(url);
  return {
    url: withoutCredentials(url),
    through: graphThrough(settings, url),
    connectTimeoutMs: connectTimeout(settings),
    statementTimeoutMs: settings['request-timeout'],
    retry: retryRule(settings),
    onRetry: retryEvents('graph', emit),
    ...given({
      username: settings.secrets.GRAPH_USERNAME ?? username,
      password: settings.secrets.GRAPH_PASSWORD ?? password,
      database: settings['graph-database'],
    }),
  };
}

function wireGraph(wiring: Wiring): BoundStage {
  const { settings } = wiring;
  const store = graphSettings(wiring);
  return bindStage(graphStage(), {
    address: addressThrough(settings, [store.url, settings['graph-database'] ?? ''].join('/')),
    openReader: () => open(settings, () => openGraphReader(store)),
    openWriter: (runId) => open(settings, () => openGraphWriter({ ...store, runId })),
  });
}

/** The graph's address, as one of the two ways of setting it says. */
function graphUrlOf(settings: Settings): string {
  return settings['graph-url'] ?? `bolt://${bracketed(settings['memgraph-host'])}:${settings['memgraph-port']}`;
}

/** What a tunnel must lead to for these stages. Throws MigrateError where it cannot. */
export function wireFarEnds(settings: Settings, skipped: readonly StageName[]) {
  return farEnds(settings, { graphUrl: graphUrlOf(settings), skipped });
}

function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

function urlLogin(url: string): { username: string | undefined; password: string | undefined } {
  const { username, password } = new URL(url);
  return {
    username: username === '' ? undefined : decodeURIComponent(username),
    password: password === '' ? undefined : decodeURIComponent(password),
  };
}

function withoutCredentials(url: string): string {
  const parsed = new URL(url);
  if (parsed.username === '' && parsed.password === '') return url;
  parsed.username = '';
  parsed.password = '';
  return parsed.toString();
}

/** Leaves out what is undefined: an optional setting is absent, not undefined. */
function given<T extends Record<string, string | undefined>>(values: T): { [K in keyof T]?: string } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: string;
  };
}

function retryRule(settings: Settings): RetryRule {
  const { retries, 'retry-delay': delayMs, 'retry-backoff': backoff } = settings;
  return { retries, delayMs, backoff };
}

function retryEvents(stage: StageName, emit: (event: RunEvent) => void) {
  const outage = new Outage();
  return (retry: { attempt: number; delayMs: number; reason: string }) =>
    emit({ type: 'retry', stage, ...retry, since: outage.since({ ...retry, now: Date.now() }) });
}

import type { Settings } from '../cli/settings.ts';
import { type Node, parseNode, parseNodeMap } from '../stores/redis/node-map.ts';
import { redisAddress } from '../stores/redis/redis-address.ts';
import type { RedisSettings } from '../stores/redis/redis-connection.ts';
import type { RedisSentinel } from '../stores/redis/redis-sentinel.ts';
import type { RedisTls } from '../stores/redis/redis-tls.ts';
import { connectTimeout } from './connect-timeout.ts';

/** How each of the redis stage's databases is reached, in their order: at least one. */
export function redisDatabases(
  settings: Settings,
  more: Pick<RedisSettings, 'clientName' | 'retry' | 'onRetry'>,
): readonly RedisSettings[] {
  const { database, ...server } = serverOf(settings);
  const { tunnel } = settings;
  const common = {
    ...server,
    connectTimeoutMs: connectTimeout(settings),
    replyTimeoutMs: Math.max(Math.min(settings['request-timeout'], 60_000), tunnel ? connectTimeout(settings) : 0),
    ...(tunnel === undefined ? {} : { dial: (node: Node) => tunnel.reach(node) }),
    settleMs: settings.settle,
    tls: tlsOf(settings),
    sentinel: sentinelOf(settings),
    nodeMap: parseNodeMap(settings['redis-node-map']),
    ...more,
  };
  const databases = database === undefined ? settings['redis-db'] : [database];
  return databases.map((db) => ({ ...common, db }));
}

/** The server and its databases as a run's record names them. */
export function redisStoreAddress(databases: readonly RedisSettings[]): string {
  const [first] = databases;
  return first === undefined ? '' : `${redisAddress(first)}/${databases.map(({ db }) => db).join(',')}`;
}

interface Server extends Pick<RedisSettings, 'host' | 'port' | 'username' | 'password'> {
  /** The one that the address names. */
  readonly database: number | undefined;
}

function serverOf(settings: Settings): Server {
  const login = { username: settings.secrets.REDIS_USERNAME, password: settings.secrets.REDIS_PASSWORD };
  const url = settings['redis-url'];
  if (url === undefined)
    return {
      host: withoutBrackets(settings['redis-host']),
      port: settings['redis-port'],
      database: undefined,
      ...login,
    };
  const { hostname, port, pathname, username, password } = new URL(url);
  return {
    host: withoutBrackets(hostname),
    port: port === '' ? 6379 : Number(port),
    database: pathname.length > 1 ? Number(pathname.slice(1)) : undefined,
    username: login.username ?? (username === '' ? undefined : decodeURIComponent(username)),
    password: login.password ?? (password === '' ? undefined : decodeURIComponent(password)),
  };
}

/** Whoever names a certificate or an authority means TLS: without it they would be dropped in silence. */
function tlsOf(settings: Settings): RedisTls | undefined {
  const tls = {
    caFile: settings['redis-ca'],
    certFile: settings['redis-cert'],
    keyFile: settings['redis-key'],
    servername: settings['redis-tls-servername'],
  };
  const asked = settings['redis-tls'] || settings['redis-url']?.startsWith('rediss:') === true;
  if (!asked && Object.values(tls).every((value) => value === undefined)) return undefined;
  return { ...tls, passphrase: settings.secrets.REDIS_KEY_PASSPHRASE };
}

function sentinelOf(settings: Settings): RedisSentinel | undefined {
  if (settings['redis-sentinel'] === undefined) return undefined;
  const { REDIS_SENTINEL_USERNAME: username, REDIS_SENTINEL_PASSWORD: password } = settings.secrets;
  const nodes = settings['redis-sentinel'].split(',').map((text) => parseNode(text.trim(), DEFAULT_SENTINEL_PORT));
  return {
    name: settings['redis-sentinel-name'],
    nodes: nodes.filter((node) => node !== undefined),
    username,
    password,
  };
}

const DEFAULT_SENTINEL_PORT = 26_379;

/** An IPv6 address as a socket takes it; in a URL it stands in brackets. */
function withoutBrackets(host: string): string {
  return host.replace(/^\[|\]$/g, '');
}

import type { Redis } from 'ioredis';
import { MigrateError } from '../../model/errors.ts';
import { type Node, nodeText } from './node-map.ts';
import { redisAddress } from './redis-address.ts';
import type { RedisSettings } from './redis-connection.ts';
import { masterOf, sentinelSettings } from './redis-sentinel.ts';
import { diagnosed, namedAs, type RedisTls, tlsAdvice, tlsOptions } from './redis-tls.ts';

/** One connection as the driver makes it. */
export interface DriverConnection {
  readonly client: Redis;
  /** The server's number of the connection; undefined where this user may not ask for it. */
  readonly clientId: string | undefined;
  /** The server that was reached. */
  readonly node: Node;
}

/** What is asked of a connection beside that it stands. */
interface Wanted {
  readonly master: boolean;
  /** Where it was never made before, a failure is looked into. */
  readonly first: boolean;
}

/** Connects once: to the server that is set, or to the master that the sentinels name now. */
export async function openDriver(settings: RedisSettings, { first }: Pick<Wanted, 'first'>): Promise<DriverConnection> {
  if (settings.sentinel === undefined) {
    const node = { host: settings.host, port: settings.port };
    return { node, ...(await connect(settings, node, { first, master: false })) };
  }
  const asking = sentinelSettings(settings);
  const { node, announced } = await masterOf(
    settings,
    async (sentinel) => (await connect(asking, sentinel, { first, master: false })).client,
  );
  try {
    return { node, ...(await connect(settings, node, { first, master: true })) };
  } catch (error) {
    throw aboutMaster(error, { settings, node, announced });
  }
}

async function connect(
  settings: RedisSettings,
  node: Node,
  { master, first }: Wanted,
): Promise<Omit<DriverConnection, 'node'>> {
  const { Redis } = await import('ioredis');
  const { db, username, password, connectTimeoutMs, replyTimeoutMs, clientName } = settings;
  const at = (await settings.dial?.(node)) ?? node;
  const asked = settings.dial === undefined ? settings.tls : namedAs(node, settings.tls);
  const tls = asked && (await tlsOptions(asked));
  const client = new Redis({
    ...at,
    db,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
    connectTimeout: connectTimeoutMs,
    socketTimeout: replyTimeoutMs,
    connectionName: clientName,
    lazyConnect: true,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    protocol: 2,
  });
  // An 'error' event without a listener would end the process; every failure also reaches the awaiting call.
  let lastError: Error | undefined;
  client.on('error', (error: Error) => {
    lastError = error;
  });
  try {
    await client.connect();
    if (master) await requireMaster(client, node);
    return { client, clientId: await clientIdOf(client, db) };
  } catch (error) {
    endDriver(client);
    if (error instanceof MigrateError) throw error;
    const reason = lastError ?? error;
    // The login of a sentinel is another one than the master's.
    if (settings.sentinel !== undefined && !master && isLogin(reason)) throw sentinelLogin(settings, node, reason);
    throw connectError(settings, reason, await adviceAbout(reason, { node: at, tls: asked, first }));
  }
}

/** Ends a connection. One that has ended is left alone: the driver would wait two seconds for its end to come. */
export function endDriver(client: Redis): void {
  if (client.status !== 'end') client.disconnect();
}

/** While sentinels agree on a failover the one may still name a master that is a replica already. */
async function requireMaster(client: Redis, node: Node): Promise<void> {
  let role: unknown;
  try {
    [role] = (await client.call('ROLE')) as [unknown];
  } catch (error) {
    // A user without that right: then the refusal of the first write tells.
    if (firstWord(reasonOf(error)) === 'NOPERM') return;
    throw error;
  }
  if (String(role) === 'master') return;
  throw new MigrateError('unreachable', `${nodeText(node)}, which the sentinels name, is a ${String(role)}`, {
    retryable: true,
    next: 'wait until the failover is over, then type the same command again',
  });
}

/** Whether it was refused for who asks. */
function isLogin(error: unknown): boolean {
  return /^(NOAUTH|WRONGPASS|ERR (invalid (password|username)|AUTH|Client sent AUTH))/i.test(reasonOf(error));
}

function sentinelLogin(settings: RedisSettings, node: Node, error: unknown): MigrateError {
  return new MigrateError('unauthorised', `the sentinel at ${nodeText(node)} refused the login: ${reasonOf(error)}`, {
    store: redisAddress(settings),
    next: 'set REDIS_SENTINEL_PASSWORD (and REDIS_SENTINEL_USERNAME), or --skip-redis',
  });
}

function connectError(settings: RedisSettings, error: unknown, advice: string | undefined): MigrateError {
  const reason = reasonOf(error);
  const address = redisAddress(settings);
  if (isLogin(error)) {
    return new MigrateError('unauthorised', `Redis at ${address} refused the login: ${reason}`, {
      store: address,
      next: 'set REDIS_PASSWORD (and REDIS_USERNAME), or --skip-redis',
    });
  }
  if (/DB index|SELECT is not allowed/i.test(reason)) {
    return new MigrateError('unsupported', `Redis at ${address}: ${reason}`, {
      store: address,
      next: 'choose another --redis-db',
    });
  }
  // The driver's word for whatever is not Redis' protocol asks to report it.
  const isForeign = /Unknown RESP type/.test(reason);
  if (advice !== undefined || isForeign) {
    const said = isForeign ? 'what answers there does not speak Redis’ protocol' : reason;
    return new MigrateError('unreachable', `Redis at ${address} cannot be spoken to: ${said}`, {
      store: address,
      next: advice ?? 'give the port of Redis: --redis-port or --redis-url',
      cause: error,
    });
  }
  return new MigrateError('unreachable', `Redis at ${address} cannot be reached: ${reason}`, {
    store: address,
    retryable: true,
    next: settings.announced
      ? `the cluster announces this address: where it is reached at another one, add --redis-node-map '${address}=<host>:<port>'`
      : 'set --redis-host and --redis-port (or --redis-url), or leave it out with --skip-redis',
    cause: error,
  });
}

async function adviceAbout(
  error: unknown,
  { node, tls, first }: { node: Node; tls: RedisTls | undefined; first: boolean },
): Promise<string | undefined> {
  const known = tls && tlsAdvice(error, tls);
  if (known !== undefined || !first) return known;
  // Where TLS is spoken at one end only, or a certificate is refused, what is seen is often no more than this.
  return /ECONNRESET|EPIPE|ETIMEDOUT|closed|Protocol error|Unknown RESP type/.test(reasonOf(error))
    ? diagnosed(node, tls)
    : undefined;
}

/** With the address that the sentinels gave: it may not be one that leads anywhere from here. */
function aboutMaster(
  error: unknown,
  { settings, node, announced }: { settings: RedisSettings; node: Node; announced: Node },
): unknown {
  if (!(error instanceof MigrateError) || !error.retryable || error.cause === undefined) return error;
  const { name } = settings.sentinel ?? { name: '' };
  const via = nodeText(node) === nodeText(announced) ? '' : ` (here ${nodeText(node)})`;
  const reason = reasonOf(error.cause);
  const message = `the sentinels name ${nodeText(announced)}${via} as the master '${name}', which cannot be reached: ${reason}`;
  return new MigrateError('unreachable', message, {
    store: redisAddress(settings),
    retryable: true,
    next: `in a failover wait until it is over; where that address is another one from here: --redis-node-map ${nodeText(announced)}=<host:port>`,
    cause: error.cause,
  });
}

async function clientIdOf(client: Redis, db: number): Promise<string | undefined> {
  // The driver selects the database without waiting for the reply: ask again, so that a refusal is seen here.
  if (db !== 0) await client.call('SELECT', String(db));
  try {
    return String(await client.call('CLIENT', 'ID'));
  } catch (error) {
    const word = firstWord(reasonOf(error));
    // A user without CLIENT rights, or a server without CLIENT ID: then a lost connection is waited for instead.
    if (word === 'NOPERM' || word === 'ERR') return undefined;
    throw error;
  }
}

function firstWord(text: string): string {
  return text.split(' ', 1)[0] ?? '';
}

/** What an error of the driver says, in words. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // OpenSSL's text is its whole path to the error; this member says the same in words.
  if ('reason' in error && typeof error.reason === 'string' && error.reason !== '') return error.reason;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return error.message === '' ? code || error.name : error.message;
}

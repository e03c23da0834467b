import { setTimeout as sleep } from 'node:timers/promises';
import type { ChainableCommander, Redis } from 'ioredis';
import { MigrateError } from '../../model/errors.ts';

/** How to reach one Redis-compatible server. */
export interface RedisSettings {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Longest wait for a connection, ms. */
  readonly connectTimeoutMs: number;
  /** Longest silence on a connection with requests under way, ms; then it counts as lost. */
  readonly replyTimeoutMs: number;
  /** Shown in CLIENT LIST. */
  readonly clientName: string;
  /** How long a request of a lost connection may still be under way where CLIENT KILL is forbidden, ms; 5 s by default. */
  readonly settleMs?: number | undefined;
  readonly onRetry?: ((retry: { attempt: number; delayMs: number; reason: string }) => void) | undefined;
}

/** One command's reply: a value, or the server's refusal. */
export type Reply = { readonly value: unknown } | { readonly error: string };

/** One command with its arguments. */
export type Command = readonly [string, ...(string | Buffer)[]];

/** What is thrown where a connection ended before all replies were in: which commands ran is unknown. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/** Whether a request was not answered because the connection was lost or could not be made. */
export function isLost(error: unknown): error is Error {
  return error instanceof ConnectionLost || (error instanceof MigrateError && error.retryable);
}

const TRIES = 4;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;
const SETTLE_MS = 5_000;
/** Refusals that pass: the server is loading, running a script, or failing over. */
const PASSING = new Set(['LOADING', 'BUSY', 'TRYAGAIN', 'MASTERDOWN', 'CLUSTERDOWN']);

/**
 * One connection that never replays anything by itself: the driver's own re-sending and offline queue are off,
 * since a replayed rename reads as a missing key. What to do after a loss is decided by the caller, who can look.
 */
export class RedisConnection {
  readonly address: string;
  readonly #settings: RedisSettings;
  #connections = 0;
  #client: Redis | undefined;
  #opening: Promise<Redis> | undefined;
  #clientId: string | undefined;

  constructor(settings: RedisSettings) {
    this.#settings = settings;
    this.address = `${settings.host}:${settings.port}`;
  }

  /** Number of connections made so far: where it has grown, one was lost in between. */
  get connections(): number {
    return this.#connections;
  }

  /** The server's number of the connection that is made last; undefined where this user may not ask for it. */
  get clientId(): string | undefined {
    return this.#clientId;
  }

  /** The name that its connections have at the server. */
  get clientName(): string {
    return this.#settings.clientName;
  }

  /** Connects once. Throws MigrateError `unreachable` or `unauthorised`. */
  async open(): Promise<void> {
    await this.#ready();
  }

  /**
   * Sends the commands in one pipeline. A reply that is an error stands in the result, since it concerns one command.
   * Throws ConnectionLost where replies are missing.
   */
  async pipeline(build: (pipeline: ChainableCommander) => void): Promise<readonly Reply[]> {
    const client = await this.#ready();
    const pipeline = client.pipeline();
    build(pipeline);
    let results: Awaited<ReturnType<typeof pipeline.exec>>;
    try {
      results = await pipeline.exec();
    } catch (error) {
      throw new ConnectionLost(reasonOf(error));
    }
    if (results === null) throw new ConnectionLost('no reply');
    return results.map(([error, value]) => {
      if (error === null) return { value };
      if (error.name !== 'ReplyError') throw new ConnectionLost(reasonOf(error));
      return { error: error.message };
    });
  }

  /** Reads with {@link pipeline}, again after a loss or a passing refusal: reading twice changes nothing. */
  read(build: (pipeline: ChainableCommander) => void): Promise<readonly Reply[]> {
    return this.#readAgain(build, (reply) => isPassing(replyError(reply)));
  }

  /** As {@link read}, again after a loss only: that the server is not ready stands in the result. */
  readOnce(build: (pipeline: ChainableCommander) => void): Promise<readonly Reply[]> {
    return this.#readAgain(build, () => false);
  }

  async #readAgain(
    build: (pipeline: ChainableCommander) => void,
    passes: (reply: Reply) => boolean,
  ): Promise<readonly Reply[]> {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.#attempt(build, passes);
      if (outcome.replies !== undefined) return outcome.replies;
      if (attempt >= TRIES) throw this.#gaveUp(outcome.reason);
      await this.pauseBeforeRetry(attempt, outcome.reason);
    }
  }

  /**
   * After a loss: connects anew and makes sure that no request of the lost connection can still arrive,
   * by ending it at the server, or by waiting where that is forbidden.
   */
  async recover(attempt: number, reason: string): Promise<void> {
    if (attempt >= TRIES) throw this.#gaveUp(reason);
    const lostId = this.#clientId;
    const { settleMs = SETTLE_MS } = this.#settings;
    const client = await this.#reconnect(attempt, reason);
    // Unknown where the user may not ask for it: then nothing can be ended.
    if (lostId === undefined) return sleep(settleMs);
    if (lostId === this.#clientId) return;
    try {
      await client.call('CLIENT', 'KILL', 'ID', lostId);
    } catch (error) {
      if (/no such client/i.test(reasonOf(error))) return;
      await sleep(settleMs);
    }
  }

  /** Connects anew; a server that is away for a moment, as in a restart, is waited for. */
  async #reconnect(firstAttempt: number, reason: string): Promise<Redis> {
    let why = reason;
    for (let attempt = firstAttempt; ; attempt += 1) {
      await this.pauseBeforeRetry(attempt, why);
      try {
        return await this.#ready();
      } catch (error) {
        if (!isLost(error) || attempt + 1 >= TRIES) throw error;
        why = error.message;
      }
    }
  }

  async pauseBeforeRetry(attempt: number, reason: string): Promise<void> {
    const delayMs = Math.min(FIRST_DELAY_MS * 4 ** (attempt - 1), LONGEST_DELAY_MS) * (0.75 + Math.random() / 2);
    this.#settings.onRetry?.({ attempt, delayMs, reason });
    await sleep(delayMs);
  }

  async close(): Promise<void> {
    this.#client?.disconnect();
    this.#client = undefined;
  }

  async #attempt(
    build: (pipeline: ChainableCommander) => void,
    passes: (reply: Reply) => boolean,
  ): Promise<{ replies?: readonly Reply[]; reason: string }> {
    try {
      const replies = await this.pipeline(build);
      const passing = replies.find(passes);
      return passing === undefined ? { replies, reason: '' } : { reason: replyError(passing) };
    } catch (error) {
      if (isLost(error)) return { reason: error.message };
      throw error;
    }
  }

  async #ready(): Promise<Redis> {
    if (this.#client?.status === 'ready') return this.#client;
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #connect(): Promise<Redis> {
    // Once only: the driver adds a listener to the dead socket each time.
    this.#client?.disconnect();
    this.#client = undefined;
    const { Redis } = await import('ioredis');
    const { host, port, db, username, password, connectTimeoutMs, replyTimeoutMs, clientName } = this.#settings;
    const client = new Redis({
      host,
      port,
      db,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
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
      this.#clientId = await clientIdOf(client, db);
    } catch (error) {
      client.disconnect();
      throw this.#connectError(lastError ?? error);
    }
    this.#client = client;
    this.#connections += 1;
    return client;
  }

  #connectError(error: unknown): MigrateError {
    const reason = reasonOf(error);
    if (/^(NOAUTH|WRONGPASS|ERR (invalid (password|username)|AUTH|Client sent AUTH))/i.test(reason)) {
      return new MigrateError('unauthorised', `Redis at ${this.address} refused the login: ${reason}`, {
        store: this.address,
        next: 'set REDIS_PASSWORD (and REDIS_USERNAME), or --skip-redis',
      });
    }
    if (/DB index|SELECT is not allowed/i.test(reason)) {
      return new MigrateError('unsupported', `Redis at ${this.address}: ${reason}`, {
        store: this.address,
        next: 'choose another --redis-db',
      });
    }
    return new MigrateError('unreachable', `Redis at ${this.address} cannot be reached: ${reason}`, {
      store: this.address,
      retryable: true,
      next: 'set --redis-host and --redis-port (or --redis-url), or leave it out with --skip-redis',
      cause: error,
    });
  }

  #gaveUp(reason: string): MigrateError {
    return new MigrateError('store', `Redis at ${this.address} gave no answer after ${TRIES} tries: ${reason}`, {
      store: this.address,
      retryable: true,
      next: 'see that the server is up, then type the same command again',
    });
  }
}

/** True where the same command may succeed in a moment. */
export function isPassing(error: string): boolean {
  return PASSING.has(errorWord(error));
}

/** The first word of a server's refusal: its class. */
export function errorWord(error: string): string {
  return error.split(' ', 1)[0] ?? '';
}

export function replyError(reply: Reply): string {
  return 'error' in reply ? reply.error : '';
}

async function clientIdOf(client: Redis, db: number): Promise<string | undefined> {
  // The driver selects the database without waiting for the reply: ask again, so that a refusal is seen here.
  if (db !== 0) await client.call('SELECT', String(db));
  try {
    return String(await client.call('CLIENT', 'ID'));
  } catch (error) {
    const word = errorWord(reasonOf(error));
    // A user without CLIENT rights, or a server without CLIENT ID: then a lost connection is waited for instead.
    if (word === 'NOPERM' || word === 'ERR') return undefined;
    throw error;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return error.message === '' ? code || error.name : error.message;
}

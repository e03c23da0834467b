import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { MigrateError } from '../../model/errors.ts';
import { type RetryRule, retryDelayMs } from '../retry-rule.ts';
import { type Node, type NodeMap, nodeText } from './node-map.ts';
import type { CommandSink } from './recorded-commands.ts';
import { redisAddress } from './redis-address.ts';
import { type DriverConnection, endDriver, openDriver, reasonOf } from './redis-driver.ts';
import type { RedisSentinel } from './redis-sentinel.ts';
import type { RedisTls } from './redis-tls.ts';

/** How to reach one Redis-compatible server. */
export interface RedisSettings {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Every connection speaks TLS where given, those to sentinels too. */
  readonly tls?: RedisTls | undefined;
  /** Where given, these are asked for the master at each connection, and `host` and `port` are not used. */
  readonly sentinel?: RedisSentinel | undefined;
  /** For addresses that servers announce of each other. */
  readonly nodeMap?: NodeMap | undefined;
  /** Where each server is connected to, where it is not at its own address: the near end of a tunnel. */
  readonly dial?: ((node: Node) => Promise<Node>) | undefined;
  /** Longest wait for a connection, ms. */
  readonly connectTimeoutMs: number;
  /** Longest silence on a connection with requests under way, ms; then it counts as lost. */
  readonly replyTimeoutMs: number;
  /** Shown in CLIENT LIST. */
  readonly clientName: string;
  /** How long a request of a lost connection may still be under way where CLIENT KILL is forbidden, ms; 5 s by default. */
  readonly settleMs?: number | undefined;
  /** True where a cluster told this address, not the operator. */
  readonly announced?: boolean | undefined;
  /** How a lost connection is made again; three repetitions, soon, where absent. */
  readonly retry?: RetryRule | undefined;
  readonly onRetry?: ((retry: { attempt: number; delayMs: number; reason: string }) => void) | undefined;
}

/** How often something is tried on a connection that is lost. */
export function triesOf({ retry }: RedisSettings): number {
  return (retry?.retries ?? RETRIES) + 1;
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

const RETRIES = 3;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;
const SETTLE_MS = 5_000;
/** How long a failover is waited for: sentinels take half a minute to call a master down, unless told otherwise. */
const FAILOVER_MS = 60_000;
const LOOK_FOR_MASTER_MS = 1_000;
/** Refusals that pass: the server is loading, running a script, or failing over. */
const PASSING = new Set(['LOADING', 'BUSY', 'TRYAGAIN', 'MASTERDOWN', 'CLUSTERDOWN']);

/**
 * One connection that never replays anything by itself: the driver's own re-sending and offline queue are off,
 * since a replayed rename reads as a missing key. What to do after a loss is decided by the caller, who can look.
 */
export class RedisConnection {
  readonly address: string;
  readonly #settings: RedisSettings;
  readonly #tries: number;
  #connections = 0;
  #client: Redis | undefined;
  #opening: Promise<Redis> | undefined;
  #clientId: string | undefined;
  /** The server of the connection that was made last. */
  #node = '';
  /** Counts how often it was closed: what waits for a failover then ends. */
  #closings = 0;

  constructor(settings: RedisSettings) {
    this.#settings = settings;
    this.#tries = triesOf(settings);
    this.address = redisAddress(settings);
  }

  /** Whether another server may take over the master's part, with whatever of the last writes had reached it. */
  get mayFailOver(): boolean {
    return this.#settings.sentinel !== undefined;
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
  async pipeline(build: (pipeline: CommandSink) => void): Promise<readonly Reply[]> {
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
    if (this.mayFailOver) this.#refuseReplica(client, results);
    return results.map(([error, value]) => {
      if (error === null) return { value };
      if (error.name !== 'ReplyError') throw new ConnectionLost(reasonOf(error));
      return { error: error.message };
    });
  }

  /** A master that has just become a replica: what it did of this is looked up at the one that took over. */
  #refuseReplica(client: Redis, results: readonly (readonly [Error | null, unknown])[]): void {
    if (!results.some(([error]) => error !== null && errorWord(error.message) === 'READONLY')) return;
    client.disconnect();
    throw new ConnectionLost(`${this.#node} is no longer the master`);
  }

  /** Reads with {@link pipeline}, again after a loss or a passing refusal: reading twice changes nothing. */
  read(build: (pipeline: CommandSink) => void): Promise<readonly Reply[]> {
    return this.#readAgain(build, (reply) => isPassing(replyError(reply)));
  }

  /** As {@link read}, again after a loss only: that the server is not ready stands in the result. */
  readOnce(build: (pipeline: CommandSink) => void): Promise<readonly Reply[]> {
    return this.#readAgain(build, () => false);
  }

  async #readAgain(
    build: (pipeline: CommandSink) => void,
    passes: (reply: Reply) => boolean,
  ): Promise<readonly Reply[]> {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await this.#attempt(build, passes);
      if (outcome.replies !== undefined) return outcome.replies;
      if (attempt >= this.#tries) throw this.#gaveUp(outcome.reason);
      await this.pauseBeforeRetry(attempt, outcome.reason);
    }
  }

  /**
   * After a loss: connects anew and makes sure that no request of the lost connection can still arrive,
   * by ending it at the server, or by waiting where that is forbidden.
   */
  async recover(attempt: number, reason: string): Promise<void> {
    if (attempt >= this.#tries) throw this.#gaveUp(reason);
    const [lostId, lostNode] = [this.#clientId, this.#node];
    const { settleMs = SETTLE_MS } = this.#settings;
    const client = await this.#reconnect(attempt, reason);
    // What the one before has not yet read cannot reach this one; and here that number is somebody else's.
    if (lostNode !== this.#node) return;
    // Unknown where the user may not ask for it: then nothing can be ended.
    if (lostId === undefined) return sleep(settleMs);
    if (lostId === this.#clientId) return;
    try {
      const name = await nameOf(client, lostId);
      // A server that was started anew numbers its connections from one: then that number may be somebody else's.
      if (name === '') return sleep(settleMs);
      if (name !== undefined && name !== this.clientName) return;
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
        if (!isLost(error) || attempt + 1 >= this.#tries) throw error;
        why = error.message;
      }
    }
  }

  async pauseBeforeRetry(attempt: number, reason: string): Promise<void> {
    const { retry, onRetry } = this.#settings;
    const own = () => Math.min(FIRST_DELAY_MS * 4 ** (attempt - 1), LONGEST_DELAY_MS) * (0.75 + Math.random() / 2);
    const delayMs = retry === undefined ? own() : retryDelayMs(retry, attempt);
    onRetry?.({ attempt, delayMs, reason });
    await sleep(delayMs);
  }

  async close(): Promise<void> {
    this.#closings += 1;
    if (this.#client !== undefined) endDriver(this.#client);
    this.#client = undefined;
  }

  async #attempt(
    build: (pipeline: CommandSink) => void,
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
    if (this.#client !== undefined) endDriver(this.#client);
    this.#client = undefined;
    const closings = this.#closings;
    const { client, clientId, node } = await this.#openDriver();
    if (closings !== this.#closings) {
      client.disconnect();
      throw new ConnectionLost('the connection was closed meanwhile');
    }
    this.#clientId = clientId;
    this.#node = nodeText(node);
    this.#client = client;
    this.#connections += 1;
    return client;
  }

  /** Connects; where the server was there before and another may take over, that is waited for. */
  async #openDriver(): Promise<DriverConnection> {
    const closings = this.#closings;
    const start = performance.now();
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await openDriver(this.#settings, { first: this.#connections === 0 });
      } catch (error) {
        const waits = this.mayFailOver && this.#connections > 0 && closings === this.#closings;
        if (!waits || !isLost(error) || performance.now() - start > FAILOVER_MS) throw error;
        this.#settings.onRetry?.({ attempt, delayMs: LOOK_FOR_MASTER_MS, reason: error.message });
        await sleep(Math.min(LOOK_FOR_MASTER_MS, FIRST_DELAY_MS * attempt));
      }
    }
  }

  #gaveUp(reason: string): MigrateError {
    return new MigrateError('store', `Redis at ${this.address} gave no answer after ${this.#tries} tries: ${reason}`, {
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

/** The name of the connection with this number, empty where it has none; undefined where that is not told. */
async function nameOf(client: Redis, id: string): Promise<string | undefined> {
  try {
    return /\bname=(\S*)/.exec(String(await client.call('CLIENT', 'LIST', 'ID', id)))?.[1];
  } catch (error) {
    // Not known before Redis 6.2, or forbidden.
    if (/^(ERR|NOPERM)/.test(reasonOf(error))) return undefined;
    throw error;
  }
}

import { type ByteString, fromBytes, toArgument } from '../../model/byte-string.ts';
import { MigrateError } from '../../model/errors.ts';
import {
  ConnectionLost,
  errorWord,
  isPassing,
  RedisConnection,
  type RedisSettings,
  type Reply,
  replyError,
} from './redis-connection.ts';
import { type KeyFingerprint, readFingerprints } from './redis-content.ts';
import { parseServer, type RedisServer } from './redis-server.ts';

/** Reads of a Redis-compatible server. No method changes anything. Losses are retried here. */
export interface RedisReader {
  /** host:port, without credentials. */
  readonly address: string;
  /** What the server says about itself now. */
  server(): Promise<RedisServer>;
  /** Round trip of one small request, ms: the least of three. */
  roundTripMs(): Promise<number>;
  /** Time for the server to answer a pipeline of `size` look-ups of missing keys, ms. */
  probeMs(size: number): Promise<number>;
  /** All keys in pages of about `count`. A key may come twice, a page may be empty; keys are bytes. */
  scan(count: number): AsyncIterable<readonly ByteString[]>;
  /** Whether each key exists, in order. */
  exist(keys: readonly ByteString[]): Promise<readonly boolean[]>;
  /** Type, expiry and content digest of each key, in order; undefined where it is missing. */
  fingerprints(keys: readonly ByteString[]): Promise<readonly (KeyFingerprint | undefined)[]>;
  /** Whether two expiries are the same: exact where the server tells absolute times. */
  sameExpiry(a: number, b: number): boolean;
  /** Whether the user may rename `from` to `to`; unknown where the server does not tell. */
  mayRename(from: ByteString, to: ByteString): Promise<'yes' | 'no' | 'unknown'>;
  close(): Promise<void>;
}

/** Reads and writes. */
export interface RedisWriter extends RedisReader {
  /**
   * Renames each key whose target is free (RENAMENX: O(1), keeps type and expiry), in one pipeline.
   * After a lost connection the outcome is found by looking, never by sending the batch again blindly.
   */
  rename(pairs: readonly RenamePair[]): Promise<readonly RenameOutcome[]>;
  /** DUMP and expiry of each key, in order; undefined where it is missing. All payloads are in memory at once. */
  dumps(keys: readonly ByteString[]): Promise<readonly (DumpedKey | undefined)[]>;
  /** Removes keys (UNLINK) in one pipeline; says how many were there. */
  unlink(keys: readonly ByteString[]): Promise<number>;
  /** Makes each `to` from `from` as it is now, with its expiry. False where `to` exists or `from` does not. */
  copy(pairs: readonly RenamePair[]): Promise<readonly boolean[]>;
  /** Makes a key from its dump. False where it exists. */
  restore(key: ByteString, dumped: DumpedKey): Promise<boolean>;
}

export interface RenamePair {
  readonly from: ByteString;
  readonly to: ByteString;
}

/**
 * `moved`; `occupied`: both exist; `vanished`: neither exists; `already`: only the target exists, and this call
 * did not make it so; or the server's refusal.
 */
export type RenameOutcome = 'moved' | 'occupied' | 'vanished' | 'already' | { readonly failed: string };

export interface DumpedKey {
  /** The server's serialisation. */
  readonly payload: Buffer;
  /** Absolute ms, or -1. */
  readonly expiresAt: number;
}

/** Relative expiries are read with the delay of a round trip on either side. */
const RELATIVE_EXPIRY_TOLERANCE_MS = 5_000;
const READ_CHUNK = 500;
/** Refusals that concern the server, not one key: going on would fail the same way. */
const FATAL = new Set(['READONLY', 'MISCONF', 'NOAUTH', 'WRONGPASS', 'NOREPLICAS', 'OOM', 'CROSSSLOT', 'MOVED', 'ASK']);

/** Connects for reading. Throws MigrateError `unreachable`, `unauthorised` or `unsupported`. */
export function openRedisReader(settings: RedisSettings): Promise<RedisReader> {
  return RedisStore.open(settings);
}

/** Connects for reading and writing. Throws as {@link openRedisReader} does. */
export function openRedisWriter(settings: RedisSettings): Promise<RedisWriter> {
  return RedisStore.open(settings);
}

class RedisStore implements RedisWriter {
  readonly address: string;
  readonly #connection: RedisConnection;
  #expiry: 'absolute' | 'relative' = 'absolute';

  private constructor(connection: RedisConnection) {
    this.#connection = connection;
    this.address = connection.address;
  }

  static async open(settings: RedisSettings): Promise<RedisStore> {
    const connection = new RedisConnection(settings);
    await connection.open();
    const store = new RedisStore(connection);
    try {
      await store.#askForAbsoluteExpiry();
    } catch (error) {
      await connection.close();
      throw error;
    }
    return store;
  }

  async #askForAbsoluteExpiry(): Promise<void> {
    // Asked once: a server that is loading or has lost its slots is judged by the preflight, with its INFO.
    const [reply] = await this.#connection.pipeline((pipeline) => {
      pipeline.call('PEXPIRETIME', `tenant-migrate-absent-${Math.random()}`);
    });
    // PEXPIRETIME came with Redis 7.0.
    if (reply !== undefined && /unknown command/i.test(replyError(reply))) this.#expiry = 'relative';
  }

  async server(): Promise<RedisServer> {
    const [reply] = await this.#connection.read((pipeline) => {
      pipeline.call('INFO');
    });
    return parseServer(String(this.#value(reply)));
  }

  async roundTripMs(): Promise<number> {
    let least = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 3; round += 1) {
      const start = performance.now();
      await this.#connection.read((pipeline) => {
        pipeline.call('PING');
      });
      least = Math.min(least, performance.now() - start);
    }
    return least;
  }

  async probeMs(size: number): Promise<number> {
    const start = performance.now();
    await this.#connection.read((pipeline) => {
      for (let index = 0; index < size; index += 1) pipeline.call('EXISTS', `tenant-migrate-absent-${index}`);
    });
    return performance.now() - start;
  }

  async *scan(count: number): AsyncIterable<readonly ByteString[]> {
    let cursor = '0';
    let page = this.#scanPage(cursor, count);
    do {
      const { next, keys } = await page;
      cursor = next;
      // The next page is on its way while this one is worked on.
      if (cursor !== '0') {
        page = this.#scanPage(cursor, count);
        // Where the caller leaves early nobody awaits that page; a failure then concerns nobody.
        page.catch(() => undefined);
      }
      yield keys;
    } while (cursor !== '0');
  }

  async #scanPage(cursor: string, count: number): Promise<{ next: string; keys: ByteString[] }> {
    const [reply] = await this.#connection.read((pipeline) => {
      pipeline.callBuffer('SCAN', cursor, 'COUNT', String(count));
    });
    const [next, keys] = this.#value(reply) as [Buffer, Buffer[]];
    return { next: String(next), keys: keys.map(fromBytes) };
  }

  async exist(keys: readonly ByteString[]): Promise<readonly boolean[]> {
    if (keys.length === 0) return [];
    const replies = await this.#connection.read((pipeline) => {
      for (const key of keys) pipeline.call('EXISTS', toArgument(key));
    });
    return replies.map((reply) => this.#value(reply) === 1);
  }

  async fingerprints(keys: readonly ByteString[]): Promise<readonly (KeyFingerprint | undefined)[]> {
    const fingerprints: (KeyFingerprint | undefined)[] = [];
    for (let start = 0; start < keys.length; start += READ_CHUNK) {
      const chunk = keys.slice(start, start + READ_CHUNK);
      fingerprints.push(...(await readFingerprints(this.#connection, chunk, this.#expiry)));
    }
    return fingerprints;
  }

  sameExpiry(a: number, b: number): boolean {
    if (this.#expiry === 'absolute' || a < 0 || b < 0) return a === b;
    return Math.abs(a - b) <= RELATIVE_EXPIRY_TOLERANCE_MS;
  }

  async mayRename(from: ByteString, to: ByteString): Promise<'yes' | 'no' | 'unknown'> {
    const [who] = await this.#connection.read((pipeline) => {
      pipeline.call('ACL', 'WHOAMI');
    });
    if (who === undefined || 'error' in who) return 'unknown';
    const [reply] = await this.#connection.read((pipeline) => {
      pipeline.call('ACL', 'DRYRUN', String(who.value), 'RENAMENX', toArgument(from), toArgument(to));
    });
    if (reply === undefined || 'error' in reply) return 'unknown';
    return String(reply.value) === 'OK' ? 'yes' : 'no';
  }

  async rename(pairs: readonly RenamePair[]): Promise<readonly RenameOutcome[]> {
    const outcomes: (RenameOutcome | undefined)[] = pairs.map(() => undefined);
    for (let attempt = 1; ; attempt += 1) {
      const open = pairs.flatMap((pair, index) => (outcomes[index] === undefined ? [{ pair, index }] : []));
      try {
        await this.#renameOpen(open, outcomes);
        if (!outcomes.includes(undefined)) return outcomes as RenameOutcome[];
        await this.#connection.pauseBeforeRetry(attempt, 'the server is not ready');
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
        await this.#connection.recover(attempt, error.message);
        await this.#resolveByLooking(open, outcomes);
      }
      if (attempt >= 8)
        throw new MigrateError('store', `Redis at ${this.address} stays not ready`, { store: this.address });
    }
  }

  async #renameOpen(
    open: readonly { pair: RenamePair; index: number }[],
    outcomes: (RenameOutcome | undefined)[],
  ): Promise<void> {
    if (open.length === 0) return;
    const replies = await this.#connection.pipeline((pipeline) => {
      for (const { pair } of open) pipeline.call('RENAMENX', toArgument(pair.from), toArgument(pair.to));
    });
    const missing: { pair: RenamePair; index: number }[] = [];
    for (const [position, item] of open.entries()) {
      const reply = replies[position];
      if (reply === undefined) continue;
      if ('value' in reply) outcomes[item.index] = reply.value === 1 ? 'moved' : 'occupied';
      else if (/no such key/i.test(reply.error)) missing.push(item);
      else if (!isPassing(reply.error)) outcomes[item.index] = this.#refusal(reply.error);
    }
    await this.#classifyMissing(missing, outcomes);
  }

  /** A source that was not there: moved before (a scan may return a key twice), or gone for good. */
  async #classifyMissing(
    missing: readonly { pair: RenamePair; index: number }[],
    outcomes: (RenameOutcome | undefined)[],
  ): Promise<void> {
    const there = await this.exist(missing.map(({ pair }) => pair.to));
    for (const [position, { index }] of missing.entries()) outcomes[index] = there[position] ? 'already' : 'vanished';
  }

  async #resolveByLooking(
    open: readonly { pair: RenamePair; index: number }[],
    outcomes: (RenameOutcome | undefined)[],
  ): Promise<void> {
    const unknown = open.filter(({ index }) => outcomes[index] === undefined);
    const sources = await this.exist(unknown.map(({ pair }) => pair.from));
    const targets = await this.exist(unknown.map(({ pair }) => pair.to));
    for (const [position, { index }] of unknown.entries()) {
      if (sources[position]) {
        // Still at the source: to be sent again, unless the target is taken.
        if (targets[position]) outcomes[index] = 'occupied';
      } else outcomes[index] = targets[position] ? 'moved' : 'vanished';
    }
  }

  #refusal(error: string): RenameOutcome {
    if (!FATAL.has(errorWord(error))) return { failed: error };
    throw new MigrateError('store', `Redis at ${this.address} refuses to write: ${error}`, {
      store: this.address,
      next: 'see to the server, then type the same command again',
    });
  }

  async dumps(keys: readonly ByteString[]): Promise<readonly (DumpedKey | undefined)[]> {
    const expiryCommand = this.#expiry === 'absolute' ? 'PEXPIRETIME' : 'PTTL';
    const replies = await this.#connection.read((pipeline) => {
      for (const key of keys) pipeline.callBuffer('DUMP', toArgument(key)).call(expiryCommand, toArgument(key));
    });
    const now = Date.now();
    return keys.map((_, index) => {
      const payload = this.#value(replies[2 * index]) as Buffer | null;
      const expiry = Number(this.#value(replies[2 * index + 1]));
      if (payload === null || expiry === -2) return undefined;
      return { payload, expiresAt: this.#expiry === 'relative' && expiry >= 0 ? now + expiry : expiry };
    });
  }

  async unlink(keys: readonly ByteString[]): Promise<number> {
    const replies = await this.#writeOnce(keys.map((key) => ['UNLINK', toArgument(key)]));
    return replies.filter((reply) => reply === 1).length;
  }

  async copy(pairs: readonly RenamePair[]): Promise<readonly boolean[]> {
    const replies = await this.#writeOnce(pairs.map(({ from, to }) => ['COPY', toArgument(from), toArgument(to)]));
    return replies.map((reply) => reply === 1);
  }

  async restore(key: ByteString, { payload, expiresAt }: DumpedKey): Promise<boolean> {
    const ttl = expiresAt < 0 ? '0' : String(expiresAt);
    const [reply] = await this.#writeOnce([['RESTORE', toArgument(key), ttl, payload, 'ABSTTL']]);
    return reply === 'OK';
  }

  /** Writes that may be sent again after a loss, since each takes effect once (UNLINK; COPY, RESTORE without REPLACE). */
  async #writeOnce(commands: readonly [string, ...(string | Buffer)[]][]): Promise<readonly unknown[]> {
    if (commands.length === 0) return [];
    for (let attempt = 1; ; attempt += 1) {
      try {
        const replies = await this.#connection.pipeline((pipeline) => {
          for (const [command, ...args] of commands) pipeline.call(command, ...args);
        });
        return replies.map((reply) =>
          'error' in reply && errorWord(reply.error) === 'BUSYKEY' ? 0 : this.#value(reply),
        );
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
        await this.#connection.recover(attempt, error.message);
      }
    }
  }

  #value(reply: Reply | undefined): unknown {
    if (reply !== undefined && 'value' in reply) return reply.value;
    const error = reply === undefined ? 'no reply' : reply.error;
    const denied = errorWord(error) === 'NOPERM';
    throw new MigrateError(denied ? 'denied' : 'store', `Redis at ${this.address} refused a request: ${error}`, {
      store: this.address,
      next: denied ? 'give the user the rights that MIGRATION.md lists, or --skip-redis' : undefined,
    });
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}

import pMap from 'p-map';
import { type ByteString, fromBytes, toArgument } from '../../model/byte-string.ts';
import { MigrateError } from '../../model/errors.ts';
import {
  ConnectionLost,
  errorWord,
  isLost,
  isPassing,
  RedisConnection,
  type RedisSettings,
  type Reply,
  replyError,
} from './redis-connection.ts';
import { type KeyFingerprint, type Reading, readExpiries, readFingerprints, readSizes } from './redis-content.ts';
import { parseServer, type RedisServer } from './redis-server.ts';

/** Reads of a Redis-compatible server. No method changes anything. Losses are retried here. */
export interface RedisReader {
  /** host:port, without credentials. */
  readonly address: string;
  /** What the server says about itself now. */
  server(): Promise<RedisServer>;
  /** Round trip of one small request, ms: the least of three, measured once. */
  roundTripMs(): Promise<number>;
  /** Time for the server to answer a pipeline of `size` look-ups of missing keys that begin with `prefix`, ms. */
  probeMs(size: number, prefix: ByteString): Promise<number>;
  /** All keys in pages of about `count`. A key may come twice, a page may be empty; keys are bytes. */
  scan(count: number): AsyncIterable<readonly ByteString[]>;
  /** Whether each key exists, in order. */
  exist(keys: readonly ByteString[]): Promise<readonly boolean[]>;
  /** Type, expiry and content digest of each key, in order; undefined where it is missing. */
  fingerprints(keys: readonly ByteString[]): Promise<readonly (KeyFingerprint | undefined)[]>;
  /** Expiry of each key, in order, as in its fingerprint; undefined where it is missing. */
  expiries(keys: readonly ByteString[]): Promise<readonly (number | undefined)[]>;
  /** About how many bytes each value takes, in order; 0 where the key is missing, undefined where nothing tells. */
  sizes(keys: readonly ByteString[]): Promise<readonly (number | undefined)[]>;
  /** DUMP and expiry of each key, in order; undefined where it is missing. All payloads are in memory at once. */
  dumps(keys: readonly ByteString[]): Promise<readonly (DumpedKey | undefined)[]>;
  /** False where the server tells only how long a key will last: two readings then differ by the way of the request. */
  readonly exactExpiry: boolean;
  /** Whether two expiries are the same: exact where the server tells absolute times. */
  sameExpiry(a: number, b: number): boolean;
  /** The server's words where it says that this user may not make one of the renames; undefined where it does not tell. */
  refusedRename(pairs: readonly RenamePair[]): Promise<string | undefined>;
  /** The server's clock, ms since the epoch: the one by which keys expire. */
  now(): Promise<number>;
  close(): Promise<void>;
}

/** Reads and writes. */
export interface RedisWriter extends RedisReader {
  /**
   * Renames each key whose target is free (RENAMENX: O(1), keeps type and expiry), in one pipeline.
   * After a lost connection the outcome is found by looking, never by sending the batch again blindly.
   */
  rename(pairs: readonly RenamePair[]): Promise<readonly RenameOutcome[]>;
  /**
   * Watches `keys` (WATCH), lets `choose` look at them, and removes what it returns (UNLINK) in one transaction.
   * `written` where somebody wrote one of the watched keys meanwhile: then nothing was removed. Otherwise the number of
   * keys removed. `choose` is called again after a lost connection. Nobody else may use this store's WATCH meanwhile.
   */
  unlinkUnwritten(
    keys: readonly ByteString[],
    choose: () => Promise<readonly ByteString[]>,
  ): Promise<number | 'written'>;
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
/** Each takes three round trips one after another. */
const CHUNKS_AT_ONCE = 4;
/** Of one batch of writes while the server is not ready. */
const MOST_ATTEMPTS = 8;
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

interface ScanPage {
  /** The cursor of the next page; 0 where this was the last. */
  readonly next: string;
  readonly keys: readonly ByteString[];
}

class RedisStore implements RedisWriter {
  readonly address: string;
  readonly #connection: RedisConnection;
  readonly #reading: Reading = { expiry: 'absolute', memoryUsage: true };
  #roundTrip: Promise<number> | undefined;

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
    // Not waited for: a server that is loading or has lost its slots is judged by the preflight, with its INFO.
    // Without a key, which this user might not be allowed to name: the server then counts arguments, if it knows it.
    const [reply] = await this.#connection.readOnce((pipeline) => {
      pipeline.call('PEXPIRETIME');
    });
    // PEXPIRETIME came with Redis 7.0.
    if (reply !== undefined && /unknown command/i.test(replyError(reply))) this.#reading.expiry = 'relative';
  }

  async server(): Promise<RedisServer> {
    const [reply] = await this.#connection.read((pipeline) => {
      pipeline.call('INFO');
    });
    return parseServer(String(this.#value(reply)));
  }

  roundTripMs(): Promise<number> {
    // Side by side: over a slow link three in a row would cost what they are meant to save.
    this.#roundTrip ??= Promise.all([this.#pingMs(), this.#pingMs(), this.#pingMs()]).then((all) => Math.min(...all));
    return this.#roundTrip;
  }

  async #pingMs(): Promise<number> {
    const start = performance.now();
    await this.#connection.read((pipeline) => {
      pipeline.call('PING');
    });
    return performance.now() - start;
  }

  async probeMs(size: number, prefix: ByteString): Promise<number> {
    const names = Array.from({ length: size }, (_, index) => toArgument(`${prefix}tenant-migrate-absent-${index}`));
    const start = performance.now();
    await this.#connection.read((pipeline) => {
      for (let index = 0; index < size; index += 1) pipeline.call('EXISTS', names[index] ?? '');
    });
    return performance.now() - start;
  }

  async *scan(count: number): AsyncIterable<readonly ByteString[]> {
    const { runId, ...first } = await this.#firstPage(count);
    let connections = this.#connection.connections;
    let cursor = '0';
    let page = Promise.resolve(first);
    do {
      const { next, keys } = await page;
      if (connections !== this.#connection.connections) {
        connections = this.#connection.connections;
        await this.#refuseOtherServer(runId);
      }
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

  /** A cursor means nothing to a server that was started anew or took over: keys would be passed over in silence. */
  async #refuseOtherServer(runId: string): Promise<void> {
    if ((await this.server()).runId === runId) return;
    throw new MigrateError('store', `Redis at ${this.address} was started anew while its keys were listed`, {
      store: this.address,
      next: 'see what the server has lost, then type the same command again',
    });
  }

  /** In one pipeline, so that both come from the same server, in one round trip. */
  async #firstPage(count: number): Promise<ScanPage & { readonly runId: string }> {
    const [info, page] = await this.#connection.read((pipeline) => {
      pipeline.call('INFO').callBuffer('SCAN', '0', 'COUNT', String(count));
    });
    return { runId: parseServer(String(this.#value(info))).runId, ...this.#page(page) };
  }

  async #scanPage(cursor: string, count: number): Promise<ScanPage> {
    const [reply] = await this.#connection.read((pipeline) => {
      pipeline.callBuffer('SCAN', cursor, 'COUNT', String(count));
    });
    return this.#page(reply);
  }

  #page(reply: Reply | undefined): ScanPage {
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

  fingerprints(keys: readonly ByteString[]): Promise<readonly (KeyFingerprint | undefined)[]> {
    return this.#inChunks(keys, readFingerprints);
  }

  expiries(keys: readonly ByteString[]): Promise<readonly (number | undefined)[]> {
    return this.#inChunks(keys, readExpiries);
  }

  sizes(keys: readonly ByteString[]): Promise<readonly (number | undefined)[]> {
    return this.#inChunks(keys, readSizes);
  }

  async #inChunks<T>(
    keys: readonly ByteString[],
    read: (connection: RedisConnection, keys: readonly ByteString[], reading: Reading) => Promise<readonly T[]>,
  ): Promise<readonly T[]> {
    const chunks: (readonly ByteString[])[] = [];
    for (let start = 0; start < keys.length; start += READ_CHUNK) chunks.push(keys.slice(start, start + READ_CHUNK));
    const one = (chunk: readonly ByteString[]) => read(this.#connection, chunk, this.#reading);
    return (await pMap(chunks, one, { concurrency: CHUNKS_AT_ONCE })).flat();
  }

  async now(): Promise<number> {
    const [reply] = await this.#connection.read((pipeline) => {
      pipeline.call('TIME');
    });
    if (reply === undefined || 'error' in reply) return Date.now();
    const [seconds, microseconds] = reply.value as [string, string];
    return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
  }

  get exactExpiry(): boolean {
    return this.#reading.expiry === 'absolute';
  }

  sameExpiry(a: number, b: number): boolean {
    if (this.#reading.expiry === 'absolute' || a < 0 || b < 0) return a === b;
    return Math.abs(a - b) <= RELATIVE_EXPIRY_TOLERANCE_MS;
  }

  async refusedRename(pairs: readonly RenamePair[]): Promise<string | undefined> {
    const [who] = await this.#connection.read((pipeline) => {
      pipeline.call('ACL', 'WHOAMI');
    });
    if (who === undefined || 'error' in who) return undefined;
    const replies = await this.#connection.read((pipeline) => {
      for (const { from, to } of pairs) {
        pipeline.call('ACL', 'DRYRUN', String(who.value), 'RENAMENX', toArgument(from), toArgument(to));
      }
    });
    const refusal = replies.find((reply) => 'value' in reply && String(reply.value) !== 'OK');
    return refusal !== undefined && 'value' in refusal ? String(refusal.value) : undefined;
  }

  async rename(pairs: readonly RenamePair[]): Promise<readonly RenameOutcome[]> {
    const outcomes: (RenameOutcome | undefined)[] = pairs.map(() => undefined);
    for (let attempt = 1; ; attempt += 1) {
      const open = pairs.map((pair, index) => ({ pair, index })).filter(({ index }) => outcomes[index] === undefined);
      try {
        await this.#renameOpen(open, outcomes);
        if (!outcomes.includes(undefined)) return outcomes as RenameOutcome[];
        await this.#connection.pauseBeforeRetry(attempt, 'the server is not ready');
      } catch (error) {
        if (!isLost(error)) throw error;
        await this.#connection.recover(attempt, error.message);
        await this.#resolveByLooking(open, outcomes);
      }
      if (attempt >= MOST_ATTEMPTS) throw this.#staysNotReady();
    }
  }

  #staysNotReady(): MigrateError {
    return new MigrateError('store', `Redis at ${this.address} stays not ready`, { store: this.address });
  }

  async #renameOpen(
    open: readonly { pair: RenamePair; index: number }[],
    outcomes: (RenameOutcome | undefined)[],
  ): Promise<void> {
    if (open.length === 0) return;
    const replies = await this.#connection.pipeline((pipeline) => {
      // In small letters: the driver looks a command's name up again and again, and would convert it each time.
      for (const { pair } of open) pipeline.call('renamenx', toArgument(pair.from), toArgument(pair.to));
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
    const expiryCommand = this.#reading.expiry === 'absolute' ? 'PEXPIRETIME' : 'PTTL';
    const replies = await this.#connection.read((pipeline) => {
      for (const key of keys) pipeline.callBuffer('DUMP', toArgument(key)).call(expiryCommand, toArgument(key));
    });
    const now = Date.now();
    return keys.map((_, index) => {
      const payload = this.#value(replies[2 * index]) as Buffer | null;
      const expiry = Number(this.#value(replies[2 * index + 1]));
      if (payload === null || expiry === -2) return undefined;
      return { payload, expiresAt: this.#reading.expiry === 'relative' && expiry >= 0 ? now + expiry : expiry };
    });
  }

  async unlinkUnwritten(
    keys: readonly ByteString[],
    choose: () => Promise<readonly ByteString[]>,
  ): Promise<number | 'written'> {
    for (let attempt = 1; ; attempt += 1) {
      let chosen: readonly ByteString[] = [];
      try {
        const watching = await this.#watch(keys);
        chosen = watching === 'not ready' ? [] : await choose();
        const outcome = watching === 'not ready' ? watching : await this.#unlinkWatched(chosen, watching);
        if (outcome !== 'not ready') return outcome;
        if (attempt >= MOST_ATTEMPTS) throw this.#staysNotReady();
        await this.#connection.pauseBeforeRetry(attempt, 'the server is not ready');
      } catch (error) {
        if (!isLost(error)) throw error;
        await this.#connection.recover(attempt, error.message);
        // The transaction removes all or none: where none is left, only its reply was lost.
        if (chosen.length > 0 && !(await this.exist(chosen)).includes(true)) return chosen.length;
      }
    }
  }

  /** Number of the connection that watches the keys: with a connection its watches end. */
  async #watch(keys: readonly ByteString[]): Promise<number | 'not ready'> {
    let connection = 0;
    const [reply] = await this.#connection.pipeline((pipeline) => {
      connection = this.#connection.connections;
      pipeline.call('WATCH', ...keys.map(toArgument));
    });
    if (reply !== undefined && isPassing(replyError(reply))) return 'not ready';
    this.#value(reply);
    return connection;
  }

  async #unlinkWatched(keys: readonly ByteString[], connection: number): Promise<number | 'written' | 'not ready'> {
    const replies = await this.#connection.pipeline((pipeline) => {
      // A new connection watches nothing: it would remove what was written meanwhile.
      if (connection !== this.#connection.connections) throw new ConnectionLost('a connection was lost');
      pipeline.call('MULTI');
      for (const key of keys) pipeline.call('UNLINK', toArgument(key));
      // Sent without keys, too: it ends the watch.
      pipeline.call('EXEC');
    });
    const refusal = replies.map(replyError).find((error) => error !== '');
    // EXEC puts this before its own refusal.
    const error = refusal?.replace(/^EXECABORT .* because of: /, '');
    if (error !== undefined && isPassing(error)) return 'not ready';
    if (error !== undefined) this.#value({ error });
    const removed = this.#value(replies.at(-1)) as readonly unknown[] | null;
    if (removed === null) return 'written';
    const failed = removed.find((reply) => reply instanceof Error);
    if (failed instanceof Error) this.#value({ error: failed.message });
    return removed.filter((reply) => reply === 1).length;
  }

  async copy(pairs: readonly RenamePair[]): Promise<readonly boolean[]> {
    try {
      const replies = await this.#writeOnce(pairs.map(({ from, to }) => ['COPY', toArgument(from), toArgument(to)]));
      return replies.map((reply) => reply === 1);
    } catch (error) {
      // COPY came with Redis 6.2.
      if (!(error instanceof MigrateError) || !/unknown command/i.test(error.message)) throw error;
      return this.#copyByDump(pairs);
    }
  }

  async #copyByDump(pairs: readonly RenamePair[]): Promise<readonly boolean[]> {
    const copied: boolean[] = [];
    for (const { from, to } of pairs) {
      const [dumped] = await this.dumps([from]);
      copied.push(dumped !== undefined && (await this.restore(to, dumped)));
    }
    return copied;
  }

  async restore(key: ByteString, { payload, expiresAt }: DumpedKey): Promise<boolean> {
    const ttl = expiresAt < 0 ? '0' : String(expiresAt);
    const [reply] = await this.#writeOnce([['RESTORE', toArgument(key), ttl, payload, 'ABSTTL']]);
    return reply === 'OK';
  }

  /** Writes that may be sent again after a loss, since each takes effect once (COPY, RESTORE without REPLACE). */
  async #writeOnce(commands: readonly [string, ...(string | Buffer)[]][]): Promise<readonly unknown[]> {
    if (commands.length === 0) return [];
    for (let attempt = 1; ; attempt += 1) {
      try {
        const replies = await this.#connection.pipeline((pipeline) => {
          for (const [command, ...args] of commands) pipeline.call(command, ...args);
        });
        if (!replies.some((reply) => isPassing(replyError(reply)))) {
          return replies.map((reply) =>
            'error' in reply && errorWord(reply.error) === 'BUSYKEY' ? 0 : this.#value(reply),
          );
        }
        if (attempt >= MOST_ATTEMPTS) throw this.#staysNotReady();
        await this.#connection.pauseBeforeRetry(attempt, 'the server is not ready');
      } catch (error) {
        if (!isLost(error)) throw error;
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

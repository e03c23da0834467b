import pMap from 'p-map';
import { type ByteString, toArgument } from '../../model/byte-string.ts';
import { aclUser, dryRunRefusal } from './acl-user.ts';
import { readServer } from './read-server.ts';
import { type Reply, replyError } from './redis-connection.ts';
import { type KeyFingerprint, type Reading, readExpiries, readFingerprints, readSizes } from './redis-content.ts';
import type { RedisLink } from './redis-link.ts';
import { requireValue } from './redis-refusal.ts';
import type { RedisServer } from './redis-server.ts';
import type { Asked, DumpedKey, RedisReader, RenamePair } from './redis-store.ts';
import { scanKeys } from './scan-server.ts';
import { readGlimpses, readTexts } from './texts.ts';

/** Relative expiries are read with the delay of a round trip on either side. */
const RELATIVE_EXPIRY_TOLERANCE_MS = 5_000;
const READ_CHUNK = 500;
/** Each takes three round trips one after another. */
const CHUNKS_AT_ONCE = 4;

/** How long replicas may take to say that they have everything, ms. */
const REPLICAS_WAIT_MS = 1_000;

/** The reading half of the store: see the interface. */
export class RedisReads implements RedisReader {
  readonly address: string;
  protected readonly connection: RedisLink;
  readonly #reading: Reading = { expiry: 'absolute', memoryUsage: true };
  #roundTrip: Promise<number> | undefined;

  constructor(connection: RedisLink) {
    this.connection = connection;
    this.address = connection.address;
  }

  /** Finds out what the server can tell. Closes the connection where that fails. */
  async open(): Promise<this> {
    try {
      await this.#askForAbsoluteExpiry();
    } catch (error) {
      await this.close();
      throw error;
    }
    return this;
  }

  async #askForAbsoluteExpiry(): Promise<void> {
    // Not waited for: a server that is loading or has lost its slots is judged by the preflight, with its INFO.
    // Without a key, which this user might not be allowed to name: the server then counts arguments, if it knows it.
    const [reply] = await this.connection.readOnce((pipeline) => {
      pipeline.call('PEXPIRETIME');
    });
    // PEXPIRETIME came with Redis 7.0.
    if (reply !== undefined && /unknown command/i.test(replyError(reply))) this.#reading.expiry = 'relative';
  }

  server(): Promise<RedisServer> {
    return readServer(this.connection);
  }

  get cluster(): boolean {
    return this.connection.cluster !== undefined;
  }

  get tags(): readonly string[] {
    return this.connection.cluster?.tags() ?? [''];
  }

  renamable({ from, to }: RenamePair): boolean {
    return this.connection.cluster?.together(from, to) ?? true;
  }

  get mayFailOver(): boolean {
    return this.connection.mayFailOver;
  }

  async behind(): Promise<number> {
    const links = this.connection.cluster?.masters() ?? [this.connection];
    const counts = await Promise.all(links.map(behindAt));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  roundTripMs(): Promise<number> {
    // Side by side: over a slow link three in a row would cost what they are meant to save.
    this.#roundTrip ??= Promise.all([this.#pingMs(), this.#pingMs(), this.#pingMs()]).then((all) => Math.min(...all));
    return this.#roundTrip;
  }

  async latencyMs(): Promise<number> {
    const links = this.connection.cluster?.masters() ?? [this.connection];
    return Math.max(...(await Promise.all(links.map((link) => this.#pingMs(link)))));
  }

  async #pingMs(link: Pick<RedisLink, 'read'> = this.connection): Promise<number> {
    const start = performance.now();
    await link.read((pipeline) => {
      pipeline.call('PING');
    });
    return performance.now() - start;
  }

  async probeMs(size: number, prefix: ByteString): Promise<number> {
    const names = Array.from({ length: size }, (_, index) => toArgument(`${prefix}tenant-migrate-absent-${index}`));
    const start = performance.now();
    await this.connection.read((pipeline) => {
      for (let index = 0; index < size; index += 1) pipeline.call('EXISTS', names[index] ?? '');
    });
    return performance.now() - start;
  }

  scan(count: number, onAnew?: () => void): AsyncIterable<readonly ByteString[]> {
    return scanKeys(this.connection, count, onAnew);
  }

  async exist(keys: readonly ByteString[]): Promise<readonly boolean[]> {
    if (keys.length === 0) return [];
    const replies = await this.connection.read((pipeline) => {
      for (const key of keys) pipeline.call('EXISTS', toArgument(key));
    });
    return replies.map((reply) => this.value(reply) === 1);
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

  texts<T>(
    keys: readonly ByteString[],
    take: (text: Buffer, key: ByteString) => T,
  ): Promise<readonly (T | undefined)[]> {
    return this.#inChunks(keys, (connection, chunk) => readTexts(connection, chunk, take));
  }

  glimpses(keys: readonly ByteString[]): Promise<readonly (readonly Buffer[])[]> {
    return this.#inChunks(keys, readGlimpses);
  }

  async #inChunks<T>(
    keys: readonly ByteString[],
    read: (connection: RedisLink, keys: readonly ByteString[], reading: Reading) => Promise<readonly T[]>,
  ): Promise<readonly T[]> {
    const chunks: (readonly ByteString[])[] = [];
    for (let start = 0; start < keys.length; start += READ_CHUNK) chunks.push(keys.slice(start, start + READ_CHUNK));
    const one = (chunk: readonly ByteString[]) => read(this.connection, chunk, this.#reading);
    return (await pMap(chunks, one, { concurrency: CHUNKS_AT_ONCE })).flat();
  }

  async now(): Promise<number> {
    const [reply] = await this.connection.read((pipeline) => {
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

  async refusals(commands: readonly Asked[]): Promise<readonly (string | undefined)[]> {
    if (commands.length === 0) return [];
    // Each master of a cluster has users of its own.
    const links = this.connection.cluster?.masters() ?? [this.connection];
    const told = await Promise.all(links.map((link) => refusedAt(link, commands)));
    return commands.map((_, index) => told.map((refusals) => refusals[index]).find((refusal) => refusal !== undefined));
  }

  async dumps(keys: readonly ByteString[]): Promise<readonly (DumpedKey | undefined)[]> {
    const expiryCommand = this.#reading.expiry === 'absolute' ? 'PEXPIRETIME' : 'PTTL';
    const replies = await this.connection.read((pipeline) => {
      for (const key of keys) pipeline.callBuffer('DUMP', toArgument(key)).call(expiryCommand, toArgument(key));
    });
    const now = Date.now();
    return keys.map((_, index) => {
      const payload = this.value(replies[2 * index]) as Buffer | null;
      const expiry = Number(this.value(replies[2 * index + 1]));
      if (payload === null || expiry === -2) return undefined;
      return { payload, expiresAt: this.#reading.expiry === 'relative' && expiry >= 0 ? now + expiry : expiry };
    });
  }

  /** The reply's value. Throws MigrateError on a refusal. */
  protected value(reply: Reply | undefined): unknown {
    return requireValue(reply, this.address);
  }

  close(): Promise<void> {
    return this.connection.close();
  }
}

async function refusedAt(link: RedisLink, commands: readonly Asked[]): Promise<readonly (string | undefined)[]> {
  const user = await aclUser(link);
  if (user === undefined) return [];
  const replies = await link.read((pipeline) => {
    for (const [command, ...args] of commands) pipeline.call(...user.dryRun([command, ...args.map(toArgument)]));
  });
  return replies.map(dryRunRefusal);
}

async function behindAt(link: RedisLink): Promise<number> {
  const { replicas } = await readServer(link);
  if (replicas === 0) return 0;
  // In one pipeline: it waits for all that the server did before this connection's last command.
  const [, reply] = await link.read((pipeline) => {
    pipeline.call('PING').call('WAIT', String(replicas), String(REPLICAS_WAIT_MS));
  });
  // A user without that right, or a server that does not know it.
  return reply === undefined || 'error' in reply ? 0 : Math.max(0, replicas - Number(reply.value));
}

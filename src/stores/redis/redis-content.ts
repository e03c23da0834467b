import { createHash } from 'node:crypto';
import { type ByteString, fromBytes, toArgument } from '../../model/byte-string.ts';
import { MigrateError } from '../../model/errors.ts';
import { CommutativeSum, digest } from '../../model/fingerprint.ts';
import { errorWord, type RedisConnection, type Reply } from './redis-connection.ts';

/** What must be the same before and after a move. */
export interface KeyFingerprint {
  readonly type: string;
  /** Absolute expiry in ms since the epoch, or -1 where the key does not expire. */
  readonly expiresAt: number;
  /** Digest of the content in a form that does not depend on how the server encodes it. */
  readonly digest: string;
}

/** Elements (or bytes of a string) up to which a value is read in one piece. */
const SMALL_ELEMENTS = 2_000;
const SMALL_STRING_BYTES = 1 << 20;
const WINDOW = 2_000;

const LENGTH_COMMAND: Readonly<Record<string, string>> = {
  string: 'STRLEN',
  list: 'LLEN',
  hash: 'HLEN',
  set: 'SCARD',
  zset: 'ZCARD',
  stream: 'XLEN',
};
/** Bytes of values, as far as their lengths tell, that are asked for in one pipeline. */
const MOST_BYTES_AT_ONCE = 4 << 20;
const SUPPOSED_ELEMENT_BYTES = 512;

interface Described {
  readonly key: ByteString;
  readonly type: string;
  readonly expiresAt: number;
}

/**
 * Fingerprints of the keys, in their order; undefined where a key is missing. Costs three round trips for all small
 * values together. DUMP bytes are not used but for module types: those of an unchanged set or hash change over time.
 */
export async function readFingerprints(
  connection: RedisConnection,
  keys: readonly ByteString[],
  expiry: 'absolute' | 'relative',
): Promise<readonly (KeyFingerprint | undefined)[]> {
  const described = await describe(connection, keys, expiry);
  const lengths = await lengthsOf(connection, described);
  const small = described.map((item, index) => item !== undefined && isSmall(item.type, lengths[index] ?? 0));
  const digests = new Map<ByteString, string>();
  for (const group of byBytes(
    described.filter((_, index) => small[index]),
    lengths.filter((_, index) => small[index]),
  )) {
    for (const [key, content] of await smallDigests(connection, group)) digests.set(key, content);
  }
  const fingerprints: (KeyFingerprint | undefined)[] = [];
  for (const [index, item] of described.entries()) {
    if (item === undefined) fingerprints.push(undefined);
    else {
      const content = small[index] ? digests.get(item.key) : await largeDigest(connection, item, lengths[index] ?? 0);
      fingerprints.push(
        content === undefined ? undefined : { type: item.type, expiresAt: item.expiresAt, digest: content },
      );
    }
  }
  return fingerprints;
}

async function describe(
  connection: RedisConnection,
  keys: readonly ByteString[],
  expiry: 'absolute' | 'relative',
): Promise<readonly (Described | undefined)[]> {
  const command = expiry === 'absolute' ? 'PEXPIRETIME' : 'PTTL';
  const replies = await connection.read((pipeline) => {
    for (const key of keys) pipeline.call('TYPE', toArgument(key)).call(command, toArgument(key));
  });
  const now = Date.now();
  return keys.map((key, index) => {
    const type = String(replyValue(replies[2 * index]));
    const time = Number(replyValue(replies[2 * index + 1]));
    if (type === 'none' || time === -2) return undefined;
    return { key, type, expiresAt: expiry === 'relative' && time >= 0 ? now + time : time };
  });
}

async function lengthsOf(
  connection: RedisConnection,
  described: readonly (Described | undefined)[],
): Promise<readonly number[]> {
  const asked = described.flatMap((item, index) => {
    const command = item && LENGTH_COMMAND[item.type];
    return command === undefined ? [] : [{ index, command, key: item?.key ?? '' }];
  });
  const lengths = described.map(() => 0);
  if (asked.length === 0) return lengths;
  const replies = await connection.read((pipeline) => {
    for (const { command, key } of asked) pipeline.call(command, toArgument(key));
  });
  for (const [position, { index }] of asked.entries()) lengths[index] = Number(replyValue(replies[position]) ?? 0);
  return lengths;
}

/** Splits the items so that one pipeline's replies fit into memory. */
function byBytes(items: readonly (Described | undefined)[], lengths: readonly number[]): readonly Described[][] {
  const groups: Described[][] = [];
  let room = 0;
  for (const [index, item] of items.entries()) {
    if (item === undefined) continue;
    const bytes = (lengths[index] ?? 0) * (item.type === 'string' ? 1 : SUPPOSED_ELEMENT_BYTES);
    if (groups.length === 0 || bytes > room) {
      groups.push([]);
      room = MOST_BYTES_AT_ONCE;
    }
    groups.at(-1)?.push(item);
    room -= bytes;
  }
  return groups;
}

function isSmall(type: string, length: number): boolean {
  return length <= (type === 'string' ? SMALL_STRING_BYTES : SMALL_ELEMENTS);
}

async function smallDigests(
  connection: RedisConnection,
  items: readonly Described[],
): Promise<ReadonlyMap<ByteString, string>> {
  const digests = new Map<ByteString, string>();
  if (items.length === 0) return digests;
  const replies = await connection.read((pipeline) => {
    for (const { key, type } of items) {
      const [command, ...rest] = wholeValueCommand(type);
      pipeline.callBuffer(command, ...(command === 'XINFO' ? ['STREAM'] : []), toArgument(key), ...rest);
    }
  });
  for (const [index, { key, type }] of items.entries()) {
    const value = replyValue(replies[index]);
    // No collection is empty: an empty reply says that the key went in between.
    const gone = value === null || value === undefined || (Array.isArray(value) && value.length === 0);
    if (!gone) digests.set(key, digestOf(type, value));
  }
  return digests;
}

function wholeValueCommand(type: string): [string, ...string[]] {
  switch (type) {
    case 'string':
      return ['GET'];
    case 'list':
      return ['LRANGE', '0', '-1'];
    case 'hash':
      return ['HGETALL'];
    case 'set':
      return ['SMEMBERS'];
    case 'zset':
      return ['ZRANGE', '0', '-1', 'WITHSCORES'];
    case 'stream':
      return ['XINFO', 'FULL', 'COUNT', '0'];
    default:
      return ['DUMP'];
  }
}

function digestOf(type: string, value: unknown): string {
  if (type === 'hash' || type === 'zset') return unorderedDigest(type, pairs(value as Buffer[]));
  if (type === 'set')
    return unorderedDigest(
      type,
      (value as Buffer[]).map((member) => [member]),
    );
  if (type === 'list') return listDigest([value as Buffer[]]);
  if (type === 'stream') return digest(type, JSON.stringify(streamContent(value)));
  return digest(type, value as Buffer);
}

function pairs(flat: readonly Buffer[]): readonly Buffer[][] {
  const result: Buffer[][] = [];
  for (let index = 0; index + 1 < flat.length; index += 2) result.push(flat.slice(index, index + 2));
  return result;
}

function unorderedDigest(type: string, records: readonly (readonly Buffer[])[]): string {
  const sum = new CommutativeSum();
  for (const record of records) sum.add(...record);
  return digest(type, `${sum.count}`, sum.hex());
}

function listDigest(windows: readonly (readonly Buffer[])[]): string {
  const hash = createHash('sha256');
  for (const window of windows) for (const element of window) hash.update(`${element.length}:`).update(element);
  return hash.digest('hex');
}

/** Members that say how the server holds a stream, or when a consumer last looked, not what the stream is. */
const NOT_CONTENT = new Set(['radix-tree-keys', 'radix-tree-nodes', 'seen-time', 'active-time']);

/** XINFO STREAM FULL as nested lists of byte strings without {@link NOT_CONTENT}; fields of entries are never left out. */
function streamContent(value: unknown): unknown {
  const members: unknown[] = [];
  for (const [name, member] of pairs(value as Buffer[])) {
    const key = String(name);
    if (NOT_CONTENT.has(key)) continue;
    const nested = (key === 'groups' || key === 'consumers') && Array.isArray(member);
    members.push([key, nested ? member.map(streamContent) : plain(member)]);
  }
  return members;
}

function plain(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return fromBytes(value);
  return Array.isArray(value) ? value.map(plain) : String(value);
}

/** The digest of a value that is too large for one reply: read in windows, in bounded memory. */
async function largeDigest(
  connection: RedisConnection,
  { key, type }: Described,
  length: number,
): Promise<string | undefined> {
  const content = await largeContent(connection, { key, type }, length);
  // What went while it was read has no digest: neither half of it nor none.
  const [there] = await connection.read((pipeline) => {
    pipeline.call('EXISTS', toArgument(key));
  });
  return replyValue(there) === 1 ? content : undefined;
}

function largeContent(
  connection: RedisConnection,
  { key, type }: Pick<Described, 'key' | 'type'>,
  length: number,
): Promise<string> {
  if (type === 'string') return largeStringDigest(connection, key, length);
  if (type === 'list') return largeListDigest(connection, key, length);
  if (type === 'stream') return largeStreamDigest(connection, key);
  return largeUnorderedDigest(connection, key, type);
}

async function largeUnorderedDigest(connection: RedisConnection, key: ByteString, type: string): Promise<string> {
  const command = type === 'hash' ? 'HSCAN' : type === 'set' ? 'SSCAN' : 'ZSCAN';
  const sum = new CommutativeSum();
  // A cursor may return an element twice; a name is counted once.
  const seen = new Set<ByteString>();
  let cursor = '0';
  do {
    const from = cursor;
    const [reply] = await connection.read((pipeline) => {
      pipeline.callBuffer(command, toArgument(key), from, 'COUNT', String(WINDOW));
    });
    const [next, flat] = (replyValue(reply) ?? ['0', []]) as [Buffer, Buffer[]];
    cursor = String(next);
    for (const record of type === 'set' ? flat.map((member) => [member]) : pairs(flat)) {
      const name = fromBytes(record[0] ?? Buffer.alloc(0));
      if (seen.has(name)) continue;
      seen.add(name);
      sum.add(...record);
    }
  } while (cursor !== '0');
  return digest(type, `${sum.count}`, sum.hex());
}

async function largeStringDigest(connection: RedisConnection, key: ByteString, length: number): Promise<string> {
  const hash = createHash('sha256');
  // The same parts as digest('string', value): so a value that crosses the limit of one piece keeps its digest.
  hash.update('6:').update('string').update(`${length}:`);
  for (let start = 0; start < length; start += SMALL_STRING_BYTES) {
    const [reply] = await connection.read((pipeline) => {
      pipeline.callBuffer('GETRANGE', toArgument(key), String(start), String(start + SMALL_STRING_BYTES - 1));
    });
    hash.update((replyValue(reply) ?? Buffer.alloc(0)) as Buffer);
  }
  return hash.digest('hex');
}

async function largeListDigest(connection: RedisConnection, key: ByteString, length: number): Promise<string> {
  const hash = createHash('sha256');
  for (let start = 0; start < length; start += WINDOW) {
    const [reply] = await connection.read((pipeline) => {
      pipeline.callBuffer('LRANGE', toArgument(key), String(start), String(start + WINDOW - 1));
    });
    for (const element of (replyValue(reply) ?? []) as Buffer[]) hash.update(`${element.length}:`).update(element);
  }
  return hash.digest('hex');
}

/** Entries and each group's pending entries in windows; of the rest what XINFO tells without them. */
async function largeStreamDigest(connection: RedisConnection, key: ByteString): Promise<string> {
  const hash = createHash('sha256');
  const [info, groups] = await connection.read((pipeline) => {
    pipeline.callBuffer('XINFO', 'STREAM', toArgument(key)).callBuffer('XINFO', 'GROUPS', toArgument(key));
  });
  const named = ((replyValue(groups) ?? []) as Buffer[][]).map(streamContent);
  hash.update(JSON.stringify([streamContent(replyValue(info) ?? []), named]));
  await digestRange(connection, hash, (from) => ['XRANGE', toArgument(key), from, '+', 'COUNT', String(WINDOW)]);
  for (const group of (replyValue(groups) ?? []) as Buffer[][]) {
    const name = group[1] ?? Buffer.alloc(0);
    await digestRange(connection, hash, (from) => ['XPENDING', toArgument(key), name, from, '+', String(WINDOW)]);
  }
  return hash.digest('hex');
}

/** Adds what a command that lists by stream id returns, window for window. The idle time of a pending entry is no content. */
async function digestRange(
  connection: RedisConnection,
  hash: ReturnType<typeof createHash>,
  command: (from: string) => readonly [string, ...(string | Buffer)[]],
): Promise<void> {
  for (let from = '-'; ; ) {
    const [name, ...args] = command(from);
    const [reply] = await connection.read((pipeline) => {
      pipeline.callBuffer(name, ...args);
    });
    const rows = (replyValue(reply) ?? []) as unknown[][];
    for (const row of rows) hash.update(JSON.stringify(plain(name === 'XPENDING' ? row.toSpliced(2, 1) : row)));
    if (rows.length < WINDOW) return;
    from = nextStreamId(String(rows.at(-1)?.[0]));
  }
}

/** The least id behind `id`; the form `(id` came with Redis 6.2. */
function nextStreamId(id: string): string {
  const [ms, sequence] = id.split('-');
  return `${ms}-${BigInt(sequence ?? 0) + 1n}`;
}

/** The reply's value; undefined where the key went or changed its type in between. Throws on any other refusal. */
function replyValue(reply: Reply | undefined): unknown {
  if (reply === undefined) return undefined;
  if ('value' in reply) return reply.value;
  if (errorWord(reply.error) === 'WRONGTYPE' || /no such key/i.test(reply.error)) return undefined;
  throw new MigrateError('denied', `Redis refused to read a value: ${reply.error}`, {
    next: 'give the user the right to read the tenant, or compare counts only with --verify counts',
  });
}

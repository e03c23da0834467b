import { createHash } from 'node:crypto';
import { type ByteString, fromBytes, toArgument } from '../../model/byte-string.ts';
import { MigrateError } from '../../model/errors.ts';
import { CommutativeSum, digest } from '../../model/fingerprint.ts';
import { errorWord, type Reply } from './redis-connection.ts';
import type { RedisLink } from './redis-link.ts';
import { SeenNames } from './seen-names.ts';

/** What must be the same before and after a move. */
export interface KeyFingerprint {
  readonly type: string;
  /** Absolute expiry in ms since the epoch, or -1 where the key does not expire. */
  readonly expiresAt: number;
  /** Digest of the content in a form that does not depend on how the server encodes it. */
  readonly digest: string;
}

/** What the server tells about its keys. Of a store, and found out as it goes on. */
export interface Reading {
  /** `relative` where the server has no PEXPIRETIME. */
  expiry: 'absolute' | 'relative';
  /** False once MEMORY USAGE was refused: sizes are supposed then. */
  memoryUsage: boolean;
}

/** Elements (or bytes of a string) up to which a value is read in one piece. */
const SMALL_ELEMENTS = 2_000;
const SMALL_STRING_BYTES = 1 << 20;
const WINDOW = 2_000;
/** Readings of a large set, hash or sorted set until one counts as many elements as the server does. */
const PLAIN_READINGS = 2;

const LENGTH_COMMAND: Readonly<Record<string, string>> = {
  string: 'STRLEN',
  list: 'LLEN',
  hash: 'HLEN',
  set: 'SCARD',
  zset: 'ZCARD',
  stream: 'XLEN',
};
/** Bytes of values, as far as is known, that are asked for in one pipeline. */
const MOST_BYTES_AT_ONCE = 4 << 20;
const SUPPOSED_ELEMENT_BYTES = 512;
/** Elements that MEMORY USAGE looks at. */
const SIZE_SAMPLES = '50';

interface Described {
  readonly key: ByteString;
  readonly type: string;
  readonly expiresAt: number;
}

interface Sized extends Described {
  /** Elements, or bytes of a string; 0 for types of modules. */
  readonly length: number;
  /** Exact for strings, the server's estimate elsewhere. Supposed from the length where it is not `weighed`. */
  readonly bytes: number;
  readonly weighed: boolean;
}

/**
 * Fingerprints of the keys, in their order; undefined where a key is missing. Costs three round trips for all small
 * values together. DUMP bytes are not used but for module types: those of an unchanged set or hash change over time.
 */
export async function readFingerprints(
  connection: RedisLink,
  keys: readonly ByteString[],
  reading: Reading,
): Promise<readonly (KeyFingerprint | undefined)[]> {
  const items = await sized(connection, await describe(connection, keys, reading), reading);
  const digests = new Map<ByteString, string>();
  for (const group of byBytes(items.filter((item) => item !== undefined).filter(isSmall))) {
    for (const [key, content] of await smallDigests(connection, group)) digests.set(key, content);
  }
  const fingerprints: (KeyFingerprint | undefined)[] = [];
  for (const item of items) {
    if (item === undefined) fingerprints.push(undefined);
    else {
      const { type, expiresAt } = item;
      const content = isSmall(item) ? digests.get(item.key) : await largeDigest(connection, item);
      fingerprints.push(content === undefined ? undefined : { type, expiresAt, digest: content });
    }
  }
  return fingerprints;
}

/** About how many bytes each value takes, in order; 0 where the key is missing, undefined where nothing tells. */
export async function readSizes(
  connection: RedisLink,
  keys: readonly ByteString[],
  reading: Reading,
): Promise<readonly (number | undefined)[]> {
  const items = await sized(connection, await describe(connection, keys, reading), reading);
  return items.map((item) => {
    if (item === undefined) return 0;
    return item.weighed ? item.bytes : undefined;
  });
}

/** Absolute expiry of each key in ms, -1 where it does not expire, undefined where it is missing. */
export async function readExpiries(
  connection: RedisLink,
  keys: readonly ByteString[],
  reading: Reading,
): Promise<readonly (number | undefined)[]> {
  return (await describe(connection, keys, reading)).map((item) => item?.expiresAt);
}

async function describe(
  connection: RedisLink,
  keys: readonly ByteString[],
  { expiry }: Reading,
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

/** The keys with their lengths, and with what MEMORY USAGE says of all but strings, whose length it is. */
async function sized(
  connection: RedisLink,
  described: readonly (Described | undefined)[],
  reading: Reading,
): Promise<readonly (Sized | undefined)[]> {
  const there = described.filter((item) => item !== undefined);
  if (there.length === 0) return described.map(() => undefined);
  const weighed = reading.memoryUsage ? there.filter(({ type }) => type !== 'string') : [];
  const replies = await connection.read((pipeline) => {
    for (const { key, type } of there) pipeline.call(LENGTH_COMMAND[type] ?? 'EXISTS', toArgument(key));
    for (const { key } of weighed) pipeline.call('MEMORY', 'USAGE', toArgument(key), 'SAMPLES', SIZE_SAMPLES);
  });
  const usages = replies.slice(there.length);
  // Not every user may ask, not every server knows it: not asked again then.
  if (usages.some((usage) => 'error' in usage)) reading.memoryUsage = false;
  const lengths = new Map(there.map(({ key }, index) => [key, Number(replyValue(replies[index]) ?? 0)]));
  const weights = new Map(weighed.map(({ key }, index) => [key, weightOf(usages[index])]));
  return described.map((item) => {
    if (item === undefined) return undefined;
    const length = LENGTH_COMMAND[item.type] === undefined ? 0 : (lengths.get(item.key) ?? 0);
    const weight = item.type === 'string' ? length : weights.get(item.key);
    return { ...item, length, bytes: weight ?? length * SUPPOSED_ELEMENT_BYTES, weighed: weight !== undefined };
  });
}

function weightOf(usage: Reply | undefined): number | undefined {
  return usage !== undefined && 'value' in usage && usage.value !== null ? Number(usage.value) : undefined;
}

/** Splits the items so that one pipeline's replies fit into memory. */
function byBytes(items: readonly Sized[]): readonly Sized[][] {
  const groups: Sized[][] = [];
  let room = 0;
  for (const item of items) {
    if (groups.length === 0 || item.bytes > room) {
      groups.push([]);
      room = MOST_BYTES_AT_ONCE;
    }
    groups.at(-1)?.push(item);
    room -= item.bytes;
  }
  return groups;
}

function isSmall({ type, length, bytes }: Sized): boolean {
  // What a module makes can be read in one piece only.
  if (LENGTH_COMMAND[type] === undefined) return true;
  if (type === 'string') return length <= SMALL_STRING_BYTES;
  // A stream's digest is another one when it is read in windows, and its weight changes with the key's name.
  return length <= SMALL_ELEMENTS && (type === 'stream' || bytes <= MOST_BYTES_AT_ONCE);
}

/** Elements that are asked for at once, so that a reply fits into memory. */
function windowOf({ length, bytes }: Sized): number {
  return Math.max(1, Math.min(WINDOW, Math.floor((MOST_BYTES_AT_ONCE * length) / Math.max(1, bytes))));
}

async function smallDigests(connection: RedisLink, items: readonly Sized[]): Promise<ReadonlyMap<ByteString, string>> {
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
  if (type === 'hash' || type === 'set' || type === 'zset') {
    const sum = new CommutativeSum();
    for (const record of records(type, value as Buffer[])) sum.add(...record);
    return unorderedDigest(type, sum);
  }
  if (type === 'list') return listDigest([value as Buffer[]]);
  if (type === 'stream') return digest(type, JSON.stringify(streamContent(value)));
  return digest(type, value as Buffer);
}

function pairs(flat: readonly Buffer[]): readonly Buffer[][] {
  const result: Buffer[][] = [];
  for (let index = 0; index + 1 < flat.length; index += 2) result.push(flat.slice(index, index + 2));
  return result;
}

/** The elements of a reply as they are summed: members, or names with their values or scores. */
function records(type: string, flat: readonly Buffer[]): readonly (readonly (string | Buffer)[])[] {
  if (type === 'set') return flat.map((member) => [member]);
  if (type === 'hash') return pairs(flat);
  return pairs(flat).map(([member = Buffer.alloc(0), score]) => [member, scoreText(String(score))]);
}

/** ZRANGE and ZSCAN may write the same score with other digits. */
function scoreText(score: string): string {
  const value = Number(score);
  return Number.isNaN(value) ? score : String(value);
}

function unorderedDigest(type: string, sum: CommutativeSum): string {
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
async function largeDigest(connection: RedisLink, item: Sized): Promise<string | undefined> {
  const content = await largeContent(connection, item);
  // What went while it was read has no digest: neither half of it nor none.
  const [there] = await connection.read((pipeline) => {
    pipeline.call('EXISTS', toArgument(item.key));
  });
  return replyValue(there) === 1 ? content : undefined;
}

function largeContent(connection: RedisLink, item: Sized): Promise<string> {
  if (item.type === 'string') return largeStringDigest(connection, item.key, item.length);
  if (item.type === 'list') return largeListDigest(connection, item);
  if (item.type === 'stream') return largeStreamDigest(connection, item);
  return largeUnorderedDigest(connection, item);
}

/**
 * A cursor may return an element twice, where the server makes the table smaller meanwhile. That is rare and shows in
 * the number of elements, so names are not kept: the value is read again, and only then with a table of hashes of the
 * names. That comes to an end, also where the numbers never agree: a server counts fields that have expired.
 */
async function largeUnorderedDigest(connection: RedisLink, item: Sized): Promise<string> {
  for (let reading = 1; reading <= PLAIN_READINGS; reading += 1) {
    const sum = await sumOfElements(connection, item);
    const [length] = await connection.read((pipeline) => {
      pipeline.call(LENGTH_COMMAND[item.type] ?? '', toArgument(item.key));
    });
    if (Number(replyValue(length) ?? 0) === sum.count) return unorderedDigest(item.type, sum);
  }
  return unorderedDigest(item.type, await sumOfElements(connection, item, new SeenNames()));
}

async function sumOfElements(connection: RedisLink, item: Sized, seen?: SeenNames): Promise<CommutativeSum> {
  const command = item.type === 'hash' ? 'HSCAN' : item.type === 'set' ? 'SSCAN' : 'ZSCAN';
  const sum = new CommutativeSum();
  const count = String(windowOf(item));
  let cursor = '0';
  do {
    const from = cursor;
    const [reply] = await connection.read((pipeline) => {
      pipeline.callBuffer(command, toArgument(item.key), from, 'COUNT', count);
    });
    const [next, flat] = (replyValue(reply) ?? ['0', []]) as [Buffer, Buffer[]];
    cursor = String(next);
    for (const record of records(item.type, flat)) {
      if (seen === undefined || seen.add(record[0] ?? '')) sum.add(...record);
    }
  } while (cursor !== '0');
  return sum;
}

async function largeStringDigest(connection: RedisLink, key: ByteString, length: number): Promise<string> {
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

async function largeListDigest(connection: RedisLink, item: Sized): Promise<string> {
  const hash = createHash('sha256');
  const window = windowOf(item);
  for (let start = 0; start < item.length; start += window) {
    const [reply] = await connection.read((pipeline) => {
      pipeline.callBuffer('LRANGE', toArgument(item.key), String(start), String(start + window - 1));
    });
    for (const element of (replyValue(reply) ?? []) as Buffer[]) hash.update(`${element.length}:`).update(element);
  }
  return hash.digest('hex');
}

/** Entries and each group's pending entries in windows; of the rest what XINFO tells without them. */
async function largeStreamDigest(connection: RedisLink, item: Sized): Promise<string> {
  const hash = createHash('sha256');
  const { key } = item;
  const window = windowOf(item);
  const [info, groups] = await connection.read((pipeline) => {
    pipeline.callBuffer('XINFO', 'STREAM', toArgument(key)).callBuffer('XINFO', 'GROUPS', toArgument(key));
  });
  const named = ((replyValue(groups) ?? []) as Buffer[][]).map(streamContent);
  hash.update(JSON.stringify([streamContent(replyValue(info) ?? []), named]));
  const range = (command: (from: string) => StreamCommand) => digestRange(connection, { hash, window, command });
  await range((from) => ['XRANGE', toArgument(key), from, '+', 'COUNT', String(window)]);
  for (const group of (replyValue(groups) ?? []) as Buffer[][]) {
    const name = group[1] ?? Buffer.alloc(0);
    await range((from) => ['XPENDING', toArgument(key), name, from, '+', String(window)]);
  }
  return hash.digest('hex');
}

type StreamCommand = readonly [string, ...(string | Buffer)[]];

/** Adds what a command that lists by stream id returns, window for window. The idle time of a pending entry is no content. */
async function digestRange(
  connection: RedisLink,
  {
    hash,
    window,
    command,
  }: { hash: ReturnType<typeof createHash>; window: number; command: (from: string) => StreamCommand },
): Promise<void> {
  for (let from = '-'; ; ) {
    const [name, ...args] = command(from);
    const [reply] = await connection.read((pipeline) => {
      pipeline.callBuffer(name, ...args);
    });
    const rows = (replyValue(reply) ?? []) as unknown[][];
    for (const row of rows) hash.update(JSON.stringify(plain(name === 'XPENDING' ? row.toSpliced(2, 1) : row)));
    if (rows.length < window) return;
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

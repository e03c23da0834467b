import { type ByteString, toArgument } from '../../model/byte-string.ts';
import { MigrateError } from '../../model/errors.ts';
import { errorWord, type Reply, replyError } from './redis-connection.ts';
import type { RedisLink } from './redis-link.ts';
import { requireValue } from './redis-refusal.ts';

/** Values that are read together. */
const MOST_BYTES_AT_ONCE = 4 << 20;
/** A longer string is no JSON record of an application's. */
const LONGEST_TEXT = 64 << 20;
/** What is read of a value to see what it is about. */
const GLIMPSE_BYTES = 64 << 10;
const GLIMPSE_ELEMENTS = 100;

/**
 * What `take` makes of the string under each key, in their order; undefined where there is none, or something else, or
 * one above 64 MB. Of the strings themselves a few megabytes are in memory at a time.
 */
export async function readTexts<T>(
  connection: RedisLink,
  keys: readonly ByteString[],
  take: (text: Buffer, key: ByteString) => T,
): Promise<readonly (T | undefined)[]> {
  if (keys.length === 0) return [];
  const lengths = await connection.read((pipeline) => {
    for (const key of keys) pipeline.call('STRLEN', toArgument(key));
  });
  const sized = keys.map((key, index) => ({ key, index, length: Number(value(connection, lengths[index]) ?? -1) }));
  const taken: (T | undefined)[] = keys.map(() => undefined);
  for (const group of byLength(sized.filter(({ length }) => length >= 0 && length <= LONGEST_TEXT))) {
    const replies = await connection.read((pipeline) => {
      for (const { key } of group) pipeline.callBuffer('GET', toArgument(key));
    });
    for (const [position, { key, index }] of group.entries()) {
      const text = value(connection, replies[position]) as Buffer | null;
      if (text !== null) taken[index] = take(text, key);
    }
  }
  return taken;
}

function byLength<T extends { readonly length: number }>(items: readonly T[]): readonly T[][] {
  const groups: T[][] = [];
  let room = 0;
  for (const item of items) {
    if (groups.length === 0 || item.length > room) {
      groups.push([]);
      room = MOST_BYTES_AT_ONCE;
    }
    groups.at(-1)?.push(item);
    room -= item.length;
  }
  return groups;
}

/** The first elements, or bytes, of each value of a built-in type, joined; empty where there is none. */
export async function readGlimpses(
  connection: RedisLink,
  keys: readonly ByteString[],
): Promise<readonly (readonly Buffer[])[]> {
  if (keys.length === 0) return [];
  const types = await connection.read((pipeline) => {
    for (const key of keys) pipeline.call('TYPE', toArgument(key));
  });
  const asked = keys.flatMap((key, index) => {
    const command = GLIMPSES[String(value(connection, types[index]))];
    return command === undefined ? [] : [{ key, index, command }];
  });
  const replies = await connection.read((pipeline) => {
    for (const { key, command } of asked) pipeline.callBuffer(command[0], toArgument(key), ...command.slice(1));
  });
  const glimpses: (readonly Buffer[])[] = keys.map(() => []);
  for (const [position, { index }] of asked.entries()) {
    glimpses[index] = [...buffersIn(value(connection, replies[position]))];
  }
  return glimpses;
}

const COUNT = String(GLIMPSE_ELEMENTS);
const GLIMPSES: Readonly<Record<string, readonly [string, ...string[]]>> = {
  string: ['GETRANGE', '0', String(GLIMPSE_BYTES - 1)],
  list: ['LRANGE', '0', String(GLIMPSE_ELEMENTS - 1)],
  hash: ['HSCAN', '0', 'COUNT', COUNT],
  set: ['SSCAN', '0', 'COUNT', COUNT],
  zset: ['ZRANGE', '0', String(GLIMPSE_ELEMENTS - 1)],
  stream: ['XRANGE', '-', '+', 'COUNT', COUNT],
};

function* buffersIn(reply: unknown): Generator<Buffer> {
  if (Buffer.isBuffer(reply)) yield reply;
  else if (Array.isArray(reply)) for (const item of reply) yield* buffersIn(item);
}

/** The reply's value; null where the key holds another type, now. */
function value(connection: RedisLink, reply: Reply | undefined): unknown {
  const error = reply === undefined ? '' : replyError(reply);
  if (errorWord(error) === 'WRONGTYPE') return null;
  if (errorWord(error) !== 'NOPERM') return requireValue(reply, connection.address);
  throw new MigrateError('denied', `Redis at ${connection.address} refused to read a value: ${error}`, {
    store: connection.address,
    next: 'give the user the right to read the tenant, or --verify counts with --keep-values',
  });
}

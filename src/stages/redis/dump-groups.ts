import type { ByteString } from '../../model/byte-string.ts';
import type { RedisReader, RenamePair } from '../../stores/redis/redis-store.ts';

/** Of one transaction and one line of the undo log; a larger key has one of its own. */
const MOST_KEYS = 200;
const MOST_BYTES = 16 << 20;
/** Dumps become base64 inside one string, which holds half a gigabyte at most. */
export const LARGEST_DUMP = 128 << 20;
/** Larger values are not dumped at all: a RESTORE takes no argument above the server's 512 MB. */
const LARGEST_VALUE = 512 << 20;

interface Sized {
  readonly pair: RenamePair;
  readonly bytes: number;
}

/** The pairs in groups whose dumps (of the keys that `dumped` names) can be held and logged together. */
export async function dumpGroups(
  pairs: readonly RenamePair[],
  dumped: (pair: RenamePair) => ByteString,
  store: RedisReader,
): Promise<{ readonly groups: readonly (readonly RenamePair[])[]; readonly tooLarge: readonly RenamePair[] }> {
  const sizes = await store.sizes(pairs.map(dumped));
  // What cannot be weighed is dumped alone.
  const sized = pairs.map((pair, index) => ({ pair, bytes: sizes[index] ?? MOST_BYTES }));
  return {
    groups: grouped(sized.filter(({ bytes }) => bytes <= LARGEST_VALUE)),
    tooLarge: sized.filter(({ bytes }) => bytes > LARGEST_VALUE).map(({ pair }) => pair),
  };
}

function grouped(items: readonly Sized[]): readonly RenamePair[][] {
  const groups: RenamePair[][] = [];
  let room = 0;
  for (const { pair, bytes } of items) {
    if (groups.length === 0 || bytes > room || groups.at(-1)?.length === MOST_KEYS) {
      groups.push([]);
      room = MOST_BYTES;
    }
    groups.at(-1)?.push(pair);
    room -= bytes;
  }
  return groups;
}

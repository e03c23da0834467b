import type { RedisServer } from '../../stores/redis/redis-server.ts';
import type { RedisReader, RenamePair } from '../../stores/redis/redis-store.ts';

/** `auto`: a key is renamed where the server can do that without risk, and copied elsewhere. */
export type RedisMode = 'auto' | 'rename' | 'copy';

/** Which keys are copied, compared and removed instead of renamed: none, those that change their slot, or all. */
export type Copies = 'none' | 'cross-slot' | 'all';

/** Least free memory for a rename between Dragonfly's shards, which serialises the value on both sides. */
const LEAST_HEADROOM_BYTES = 64 << 20;
const LEAST_HEADROOM_SHARE = 0.1;

export function copiesOf(mode: RedisMode, server: RedisServer): Copies {
  if (mode === 'copy') return 'all';
  if (mode === 'rename') return 'none';
  if (server.product === 'dragonfly') return missingHeadroom(server) === undefined ? 'none' : 'all';
  return server.cluster ? 'cross-slot' : 'none';
}

/** Bytes that a Dragonfly should have free before keys are renamed in it; undefined where it has them. */
export function missingHeadroom(server: RedisServer): number | undefined {
  if (server.product !== 'dragonfly' || server.maxMemory === 0) return undefined;
  const needed = Math.max(LEAST_HEADROOM_BYTES, server.maxMemory * LEAST_HEADROOM_SHARE);
  return server.maxMemory - server.usedMemory < needed ? needed : undefined;
}

export function isCopied(pair: RenamePair, copies: Copies | undefined, store: RedisReader): boolean {
  return copies === 'all' || (copies === 'cross-slot' && !store.renamable(pair));
}

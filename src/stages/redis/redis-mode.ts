import type { RedisServer } from '../../stores/redis/redis-server.ts';
import type { RedisReader, RenamePair } from '../../stores/redis/redis-store.ts';

/** `auto`: a key is renamed where the server can do that without risk, and copied elsewhere. */
export type RedisMode = 'auto' | 'rename' | 'copy';

/**
 * Which keys are copied, compared and removed instead of renamed: none, those that change their slot, those whose turn
 * comes when a Dragonfly has become short of memory, or all.
 */
export type Copies = 'none' | 'cross-slot' | 'when-short' | 'all';

/** In a Dragonfly a rename may lose the key, so there it is only made where it is asked for, and while memory is free. */
export function copiesOf(mode: RedisMode, server: RedisServer): Copies {
  if (mode === 'copy') return 'all';
  if (server.product === 'dragonfly') return mode === 'rename' ? 'when-short' : 'all';
  return server.cluster && mode === 'auto' ? 'cross-slot' : 'none';
}

export function isCopied(pair: RenamePair, copies: Copies | undefined, store: RedisReader): boolean {
  return copies === 'all' || (copies === 'cross-slot' && !store.renamable(pair));
}

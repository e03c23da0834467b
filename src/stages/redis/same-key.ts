import type { KeyFingerprint } from '../../stores/redis/redis-content.ts';
import type { RedisReader } from '../../stores/redis/redis-store.ts';

/** Whether two keys are the same but for their names. */
export function sameKey(a: KeyFingerprint, b: KeyFingerprint, store: RedisReader): boolean {
  return a.type === b.type && a.digest === b.digest && store.sameExpiry(a.expiresAt, b.expiresAt);
}

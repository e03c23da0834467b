import { digest } from '../../model/fingerprint.ts';
import type { KeyFingerprint } from '../../stores/redis/redis-content.ts';
import type { RedisReader } from '../../stores/redis/redis-store.ts';

/** A fingerprint as the undo log holds it of many keys: 64 bits over type and content, and the expiry. */
export type KeyPrint = readonly [string, number];

export function printOf({ type, digest: content, expiresAt }: KeyFingerprint): KeyPrint {
  return [digest(type, content).slice(0, 16), expiresAt];
}

/** Whether a key is what a print was taken of. */
export function matches(key: KeyFingerprint, [print, expiresAt]: KeyPrint, store: RedisReader): boolean {
  return printOf(key)[0] === print && store.sameExpiry(key.expiresAt, expiresAt);
}

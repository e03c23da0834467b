import type { ByteString } from '../../model/byte-string.ts';
import { digest } from '../../model/fingerprint.ts';

/** No tenant id holds a backslash, so that no key of a tenant begins so. */
const LOCK_PREFIX = '\\tenant-migrate\\lock\\';

/** Puts the locks of several tenants into one slot. */
const CLUSTER_TAG = '{locks}';

/** The key of a tenant's lock: a hash instead of the id, in which nothing could take it for a key of the tenant. */
export function lockKey(tenant: string, inCluster = false): ByteString {
  return LOCK_PREFIX + (inCluster ? CLUSTER_TAG : '') + digest(tenant).slice(0, 40);
}

/** Whether a key is a lock's: such keys are in nobody's counts. */
export function isLockKey(key: ByteString): boolean {
  return key.startsWith(LOCK_PREFIX);
}

/** A key that is no tenant's, counted by nobody, for trying what the server lets us do. */
export function probeKey(random: string): ByteString {
  return `${LOCK_PREFIX}${CLUSTER_TAG}probe-${random}`;
}

import { MigrateError } from '../model/errors.ts';
import type { LockPorts, RunLocks } from './run-locks.ts';

/**
 * Locks that one command holds for all its waves, as ports for each of them: between two waves nobody else gets in. What
 * is lent is neither taken nor given back. `denied`: why there is no lease.
 */
export function sharedLocks(held: RunLocks, denied: string | undefined): LockPorts {
  const release = () => Promise.resolve();
  const ttlMs = held.leaseMs;
  return {
    takeLocal: async () => ({
      notes: [],
      lost: async () => ((await held.holdsLocal()) ? [] : ['a tenant of the list']),
      release,
    }),
    takeLease: async () =>
      ttlMs === undefined ? { denied: denied ?? 'Redis is left out' } : { ttlMs, renew: () => isOurs(held), release },
  };
}

async function isOurs(held: RunLocks): Promise<boolean> {
  try {
    await held.check();
    return true;
  } catch (error) {
    if (error instanceof MigrateError && error.code === 'lock') return false;
    throw error;
  }
}

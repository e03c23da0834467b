import { MigrateError } from '../../model/errors.ts';
import { errorWord, type Reply } from './redis-connection.ts';

const AGAIN = 'then type the same command again';
/** What to do about refusals that concern the server, not one key: going on would fail the same way. */
const ADVICE: Readonly<Record<string, string>> = {
  READONLY: `it has become a replica: give --redis-host and --redis-port of the master, ${AGAIN}`,
  MISCONF: `it cannot save to its disk: mend that (its log says why), ${AGAIN}`,
  NOAUTH: `its password has changed: set REDIS_PASSWORD (and REDIS_USERNAME), ${AGAIN}`,
  WRONGPASS: `its password has changed: set REDIS_PASSWORD (and REDIS_USERNAME), ${AGAIN}`,
  NOREPLICAS: `too few of its replicas are connected: bring them back, ${AGAIN}`,
  OOM: `it has no memory left: free some or raise its maxmemory, ${AGAIN}`,
  CROSSSLOT: 'it is a cluster, and the two names are in different slots: leave --redis-mode at auto',
  MOVED: `its slots are on their way between the masters: wait until that has ended, ${AGAIN}`,
  ASK: `its slots are on their way between the masters: wait until that has ended, ${AGAIN}`,
  NOPERM: 'give the user the rights that MIGRATION.md lists, or --skip-redis',
};

/** Whether a refusal to write one key concerns all of them. */
export function isFatal(error: string): boolean {
  const kind = kindOf(error);
  return kind !== 'NOPERM' && kind in ADVICE;
}

/**
 * Whether the server ran out of memory while it was at work: Dragonfly's `ERR Out of memory`, also from within a script.
 * Redis answers `OOM …`, before it begins.
 */
export function ranOutOfMemory(error: string): boolean {
  return /\bout of memory\b/i.test(error);
}

function kindOf(error: string): string {
  return ranOutOfMemory(error) ? 'OOM' : errorWord(error);
}

/** The server's refusal as an error that says what to do. */
export function refusalError(error: string, address: string): MigrateError {
  const kind = kindOf(error);
  const doing = isFatal(error) ? 'refuses to write' : 'refused a request';
  return new MigrateError(kind === 'NOPERM' ? 'denied' : 'store', `Redis at ${address} ${doing}: ${error}`, {
    store: address,
    next: ADVICE[kind],
  });
}

/** The reply's value. Throws {@link refusalError} where it is none. */
export function requireValue(reply: Reply | undefined, address: string): unknown {
  if (reply !== undefined && 'value' in reply) return reply.value;
  throw refusalError(reply === undefined ? 'no reply' : reply.error, address);
}

/** A server that stays not ready, after all attempts. */
export function staysNotReady(address: string): MigrateError {
  return new MigrateError('store', `Redis at ${address} stays not ready`, {
    store: address,
    next: `wait until it is ready, ${AGAIN}`,
  });
}

import { setTimeout as sleep } from 'node:timers/promises';
import type { Settings } from '../cli/settings.ts';
import { markOf, mayBeAlive, type ProcessMark } from '../journal/process-mark.ts';
import { acquireLocks, forceUnlock } from '../journal/tenant-lock.ts';
import { MigrateError } from '../model/errors.ts';
import type { Lease, LockHolder, LockPorts, TakenLease } from '../orchestrator/run-locks.ts';
import type { RedisSettings } from '../stores/redis/redis-connection.ts';
import { type HeldLease, RedisLease } from '../stores/redis/redis-lease.ts';

/** Who is at work, as locks and journals name it. */
export interface ThisProcess {
  readonly pid: number;
  readonly host: string;
}

/** What a lease says of its holder. Others can read it: no secret. */
interface Owner extends LockHolder, ThisProcess {
  /** ISO 8601. */
  readonly since: string;
  readonly mark: ProcessMark;
}

interface Wiring {
  readonly settings: Settings;
  /** One for each database. Undefined where the redis stage is left out. */
  readonly redis: readonly RedisSettings[] | undefined;
  readonly own: ThisProcess;
  readonly signal: AbortSignal;
  /** Takes what the operator should know while it waits. */
  readonly note: (text: string) => void;
}

/** How often a lease is looked at that may be a dead process's, ms. */
const LOOK_MS = 1_000;

/** The locks of the state folder, and where Redis takes part the lease that other machines see. */
export function wireLocks(wiring: Wiring): LockPorts {
  const { settings, redis, own } = wiring;
  const stateDir = settings['state-dir'];
  // Once: a run that loses its locks to another does not take them back by force to undo what it did.
  const force = { local: settings['force-unlock'], lease: settings['force-unlock'] };
  return {
    takeLocal: async (tenants, { runId, command }) => {
      const owner = { runId, ...own, command, since: new Date().toISOString() };
      const forced = force.local ? await forceUnlock({ stateDir, tenants }) : [];
      force.local = false;
      const locks = await acquireLocks({ stateDir, tenants, owner });
      const notes = [
        ...forced.map(({ runId: of, pid, host }) => `took the lock of run ${of} away (process ${pid} on ${host})`),
        ...locks.tookOver.map(({ runId: of, pid }) => `process ${pid} of run ${of} is gone: its lock is taken over`),
      ];
      return { notes: [...new Set(notes)], lost: locks.lost, release: locks.release };
    },
    takeLease:
      redis === undefined
        ? undefined
        : async (tenants, holder) => {
            const forced = force.lease;
            force.lease = false;
            return takeEach(redis, async (database, keep) => {
              if (forced) await RedisLease.forceUnlock(database, tenants);
              return takeLease(wiring, { redis: database, keep }, tenants, holder);
            });
          },
  };
}

/** A lease in each database, in their order, as one: another run may work on some of them only. */
async function takeEach(
  databases: readonly RedisSettings[],
  take: (database: RedisSettings, keep: () => Promise<unknown>) => Promise<TakenLease>,
): Promise<TakenLease> {
  const leases: Lease[] = [];
  const release = async () => {
    const released = await Promise.allSettled(leases.map((lease) => lease.release()));
    for (const result of released) if (result.status === 'rejected') throw result.reason;
  };
  try {
    for (const database of databases) {
      // What is held already must outlast the waiting for the next.
      const taken = await take(database, () => renewAll(leases));
      if ('denied' in taken) {
        await release();
        return taken;
      }
      leases.push(taken);
    }
  } catch (error) {
    await release().catch(() => undefined);
    throw error;
  }
  return {
    ttlMs: Math.min(...leases.map(({ ttlMs }) => ttlMs)),
    renew: () => renewAll(leases),
    release,
  };
}

async function renewAll(leases: readonly Lease[]): Promise<boolean> {
  return (await Promise.all(leases.map((lease) => lease.renew()))).every((ours) => ours);
}

async function takeLease(
  { own, signal, note }: Wiring,
  { redis, keep }: { readonly redis: RedisSettings; readonly keep: () => Promise<unknown> },
  tenants: readonly string[],
  holder: LockHolder,
): Promise<TakenLease> {
  const owner: Owner = { ...holder, ...own, since: new Date().toISOString(), mark: await markOf(own.pid) };
  let waiting = false;
  for (let leastTtlMs = Number.POSITIVE_INFINITY; ; ) {
    const taken = await RedisLease.acquire(redis, { tenants, owner: JSON.stringify(owner) });
    if (!('heldBy' in taken)) return taken;
    const other = ownerIn(taken);
    if (other !== undefined && (await isGone(other, own))) {
      await RedisLease.removeOf(redis, taken);
      continue;
    }
    // Who is alive renews it. What only runs out belongs to nobody any more.
    if (taken.ttlMs > leastTtlMs || taken.ttlMs === Number.POSITIVE_INFINITY) throw refusal(taken, other);
    leastTtlMs = taken.ttlMs;
    if (!waiting)
      note(`${heldText(taken, other)}: waiting up to ${Math.ceil(taken.ttlMs / 1_000)} s to see if it is alive`);
    waiting = true;
    await sleep(Math.min(LOOK_MS, taken.ttlMs + 1), undefined, { signal });
    await keep();
  }
}

/** Surely: on this machine, and no longer running. */
async function isGone(other: Owner, own: ThisProcess): Promise<boolean> {
  return other.host === own.host && !(await mayBeAlive(other));
}

function ownerIn({ heldBy }: HeldLease): Owner | undefined {
  try {
    const owner = JSON.parse(heldBy) as Owner;
    return typeof owner.pid === 'number' && typeof owner.mark === 'object' ? owner : undefined;
  } catch (error) {
    // Another version's, or nobody's that we know.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function heldText({ tenant }: HeldLease, owner: Owner | undefined): string {
  if (owner === undefined) return `tenant ${tenant} is locked in Redis`;
  const { runId, pid, host, command, since } = owner;
  return `tenant ${tenant} is locked in Redis by run ${runId} since ${since} (process ${pid} on ${host}, ${command})`;
}

function refusal(held: HeldLease, owner: Owner | undefined): MigrateError {
  return new MigrateError('refused', `${heldText(held, owner)}, which is alive`, {
    stage: 'redis',
    next: 'wait until it ends; if that process is surely not at work, add --force-unlock',
  });
}

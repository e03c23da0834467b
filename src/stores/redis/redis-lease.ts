import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { MigrateError } from '../../model/errors.ts';
import { lockKey } from './lock-key.ts';
import { openLink } from './open-link.ts';
import { type Command, isLost, isPassing, type RedisSettings, type Reply, replyError } from './redis-connection.ts';
import type { RedisLink } from './redis-link.ts';
import { refusalError, requireValue, staysNotReady } from './redis-refusal.ts';
import { MOST_ATTEMPTS, Transactions } from './redis-transactions.ts';

/** How long a lease lasts when nobody renews it, ms. */
export const LEASE_MS = 30_000;
/** With sentinels: it must outlast a failover, which takes half a minute and more. */
const SENTINEL_LEASE_MS = 90_000;
const LONGEST_SILENCE_MS = 3_000;
/** A lock that ends between two looks is tried for again, at most so often. */
const MOST_TRIES = 5;

/** Somebody else's lease. */
export interface HeldLease {
  /** The tenant whose lock it is. */
  readonly tenant: string;
  /** The text that the other gave as its owner. */
  readonly heldBy: string;
  /** Ms since the other took or renewed it. */
  readonly ageMs: number;
  /** Ms until it ends by itself, unless the other renews it; infinite where it has no end. */
  readonly ttlMs: number;
}

/** The server lets this user hold no lock, or cannot hold one now; `denied` is its reason. Nothing is locked then. */
export interface DeniedLease {
  readonly denied: string;
}

export interface LeaseRequest {
  readonly tenants: readonly string[];
  /** Who holds it, for people: run, host, pid, command, since. Others can read it, so it holds no secret. */
  readonly owner: string;
}

/**
 * Locks on tenants in Redis that end by themselves, so that no two machines work on the same tenant. A lease, not a
 * fence: the server does not refuse the writes of one who has lost it.
 */
export class RedisLease {
  /** How long it lasts when it is not renewed, ms. */
  readonly ttlMs: number;
  readonly #connection: RedisLink;
  readonly #transactions: Transactions;
  readonly #keys: readonly string[];
  readonly #value: string;

  private constructor(connection: RedisLink, keys: readonly string[], value: string) {
    this.#connection = connection;
    this.ttlMs = connection.mayFailOver ? SENTINEL_LEASE_MS : LEASE_MS;
    this.#transactions = new Transactions(connection);
    this.#keys = keys;
    this.#value = value;
  }

  /**
   * Takes the locks of all tenants or none, in byte order, so that of two who want the same one gets them. On a
   * connection of its own, which the lease keeps: a long pipeline does not delay it. Throws MigrateError where the
   * server cannot be reached.
   */
  static async acquire(
    settings: RedisSettings,
    { tenants, owner }: LeaseRequest,
  ): Promise<RedisLease | HeldLease | DeniedLease> {
    const wanted = inByteOrder(tenants);
    const value = `${owner} ${randomBytes(12).toString('hex')}`;
    const connection = await openLink(leaseSettings(settings));
    const lease = new RedisLease(connection, namesOf(connection, wanted), value);
    let refused: HeldLease | DeniedLease | undefined;
    try {
      refused = await lease.#take(wanted);
      if (refused === undefined) return lease;
    } catch (error) {
      await connection.close();
      throw error;
    }
    // Where even that is denied, what was taken ends by itself.
    await lease.release().catch(() => undefined);
    return refused;
  }

  /** Removes the locks of the tenants, whoever holds them. Returns their owners' texts. Throws where that is denied. */
  static async forceUnlock(settings: RedisSettings, tenants: readonly string[]): Promise<readonly string[]> {
    const connection = await openLink(leaseSettings(settings));
    try {
      const keys = namesOf(connection, inByteOrder(tenants));
      const held = (await readValues(connection, keys)).filter((value) => value !== undefined);
      const removed = await connection.read((pipeline) => {
        for (const key of keys) pipeline.call('DEL', key);
      });
      for (const reply of removed) requireValue(reply, connection.address);
      return held.map(ownerOf);
    } finally {
      await connection.close();
    }
  }

  /** Removes one lock where it is still this owner's: another may have taken it from them meanwhile. */
  static async removeOf(settings: RedisSettings, { tenant, heldBy }: HeldLease): Promise<void> {
    const connection = await openLink(leaseSettings(settings));
    const [key = ''] = namesOf(connection, [tenant]);
    try {
      const replies = await new Transactions(connection).run({
        watched: [key],
        choose: async () => {
          const [value] = await readValues(connection, [key]);
          return value !== undefined && ownerOf(value) === heldBy ? [['DEL', key]] : [];
        },
        wasDone: () => Promise.resolve(false),
      });
      const refused = Array.isArray(replies) ? replies.find((reply) => reply instanceof Error) : undefined;
      if (refused instanceof Error) throw refusalError(refused.message, connection.address);
    } finally {
      await connection.close();
    }
  }

  /**
   * Lets the lease last its whole time again. False where one of the locks is no longer ours: it has ended, somebody has
   * removed it, or the server has lost it. Throws MigrateError where the server cannot be reached.
   */
  async renew(): Promise<boolean> {
    return (await this.#whereOurs('all', (key) => ['PEXPIRE', key, String(this.ttlMs)])) === this.#keys.length;
  }

  /** Removes the locks that are still ours, and no others, and closes the connection. May be called twice. */
  async release(): Promise<void> {
    try {
      await this.#whereOurs('each', (key) => ['DEL', key]);
    } finally {
      await this.#connection.close();
    }
  }

  async #take(tenants: readonly string[]): Promise<HeldLease | DeniedLease | undefined> {
    try {
      for (const [index, tenant] of tenants.entries()) {
        const held = await this.#takeOne(tenant, this.#keys[index] ?? '');
        if (held !== undefined) return held;
      }
      // What renewing and releasing need is tried now: later it would be too late.
      await this.renew();
      return undefined;
    } catch (error) {
      if (error instanceof MigrateError && (error.code === 'denied' || error.code === 'store') && !error.retryable) {
        return { denied: error.message };
      }
      throw error;
    }
  }

  async #takeOne(tenant: string, key: string): Promise<HeldLease | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      const reply = await this.#set(key);
      if (requireValue(reply, this.#connection.address) === 'OK') return undefined;
      const [value, ttl] = await this.#connection.read((pipeline) => {
        pipeline.call('GET', key).call('PTTL', key);
      });
      const other = requireValue(value, this.#connection.address);
      const left = Number(requireValue(ttl, this.#connection.address));
      // -1: somebody has taken its expiry away.
      const ttlMs = left === -1 ? Number.POSITIVE_INFINITY : Math.max(0, left);
      // Ours where only the reply to the first request was lost.
      if (other === this.#value) return undefined;
      if (typeof other === 'string') return { tenant, heldBy: ownerOf(other), ageMs: this.ttlMs - ttlMs, ttlMs };
      if (attempt === MOST_TRIES) throw staysNotReady(this.#connection.address);
    }
  }

  /** Sent again after a loss: the key then holds our value, or nothing of this was done. */
  async #set(key: string): Promise<Reply | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const [reply] = await this.#connection.pipeline((pipeline) => {
          pipeline.call('SET', key, this.#value, 'NX', 'PX', String(this.ttlMs));
        });
        if (reply === undefined || !isPassing(replyError(reply)) || attempt === MOST_ATTEMPTS) return reply;
        await this.#connection.pauseBeforeRetry(attempt, replyError(reply));
      } catch (error) {
        if (!isLost(error)) throw error;
        await this.#connection.recover(attempt, error.message);
      }
    }
  }

  /**
   * Does it to our locks while nobody else writes them (WATCH: scripts are forbidden to many users). `all`: only where
   * all are ours. Returns to how many it was done.
   */
  async #whereOurs(which: 'all' | 'each', act: (key: string) => Command): Promise<number> {
    for (let attempt = 1; attempt <= MOST_TRIES; attempt += 1) {
      let ours: readonly string[] = [];
      const outcome = await this.#transactions.run({
        watched: this.#keys,
        choose: async () => {
          const values = await readValues(this.#connection, this.#keys);
          ours = this.#keys.filter((_, index) => values[index] === this.#value);
          if (which === 'all' && ours.length < this.#keys.length) ours = [];
          return ours.map(act);
        },
        // Looked at and done once more: it does no harm.
        wasDone: () => Promise.resolve(false),
      });
      if (outcome !== 'written') return ours.length;
      await sleep(10 * attempt);
    }
    return 0;
  }
}

/**
 * Silence is noticed while the lease still lasts, and the connection has another name than the run's: those are ended
 * when the run is continued.
 */
function leaseSettings(settings: RedisSettings): RedisSettings {
  const { connectTimeoutMs, replyTimeoutMs, clientName } = settings;
  return {
    ...settings,
    connectTimeoutMs: Math.min(connectTimeoutMs, LONGEST_SILENCE_MS),
    replyTimeoutMs: Math.min(replyTimeoutMs, LONGEST_SILENCE_MS),
    clientName: `${clientName}-lease`,
  };
}

async function readValues(connection: RedisLink, keys: readonly string[]): Promise<readonly (string | undefined)[]> {
  const replies = await connection.read((pipeline) => {
    for (const key of keys) pipeline.call('GET', key);
  });
  return replies.map((reply) => (requireValue(reply, connection.address) as string | null) ?? undefined);
}

/** Without the random token behind it. */
function ownerOf(value: string): string {
  return value.slice(0, Math.max(0, value.lastIndexOf(' ')));
}

function inByteOrder(tenants: readonly string[]): readonly string[] {
  return [...new Set(tenants)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** In a cluster all in one slot: they are renewed and released together. */
function namesOf(link: RedisLink, tenants: readonly string[]): readonly string[] {
  return tenants.map((tenant) => lockKey(tenant, link.cluster !== undefined));
}

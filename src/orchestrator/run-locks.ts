import { MigrateError } from '../model/errors.ts';
import type { Move } from '../model/move.ts';
import type { Clock } from '../stages/stage.ts';

/** How locks are taken: constructed where stores and files are known. */
export interface LockPorts {
  /** Takes this machine's locks. Throws MigrateError `refused` where another process holds one. */
  takeLocal(tenants: readonly string[], holder: LockHolder): Promise<LocalLocks>;
  /**
   * Takes the lease on the server that all machines see. Undefined where no stage has such a server.
   * Throws MigrateError `refused` where another process holds one.
   */
  readonly takeLease: ((tenants: readonly string[], holder: LockHolder) => Promise<TakenLease>) | undefined;
}

/** Who holds a lock, as others are told. */
export interface LockHolder {
  readonly runId: string;
  readonly command: string;
}

export interface LocalLocks {
  /** What the operator should know, such as a dead process whose lock was taken over. */
  readonly notes: readonly string[];
  /** Tenants whose lock is no longer ours. */
  lost(): Promise<readonly string[]>;
  release(): Promise<void>;
}

/** A lease, or why there is none. */
export type TakenLease = Lease | { readonly denied: string };

export interface Lease {
  /** How long it holds without being renewed, ms. */
  readonly ttlMs: number;
  /** Extends it where it is still ours; false where it is not. Throws where that cannot be told. */
  renew(): Promise<boolean>;
  release(): Promise<void>;
}

/** A moment by both clocks, ms. */
interface Instant {
  readonly wall: number;
  readonly steady: number;
}

/** Locks are looked at before a batch when the last look is older than this, ms. */
const LOOK_EVERY_MS = 1_000;

/** The locks of one run: one run at a time works on a tenant, whether as its source or its target. */
export class RunLocks {
  readonly #ports: LockPorts;
  readonly #tenants: readonly string[];
  readonly #clock: Clock;
  #local: LocalLocks | undefined;
  #lease: Lease | undefined;
  /** When the locks were last known to be ours: the time before they were asked for. */
  #sureAt: Instant | undefined;
  #looking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(ports: LockPorts, moves: readonly Move[], clock: Clock) {
    this.#ports = ports;
    this.#clock = clock;
    this.#tenants = [...new Set(moves.flatMap(({ source, target }) => [source, target]))];
  }

  /** Takes this machine's locks; returns what the operator should know. Throws MigrateError `refused`. */
  async takeLocal(holder: LockHolder): Promise<readonly string[]> {
    this.#local = await this.#ports.takeLocal(this.#tenants, holder);
    return this.#local.notes;
  }

  /** Takes the lease that other machines see; returns why there is none. Throws MigrateError `refused`. */
  async takeLease(holder: LockHolder): Promise<string | undefined> {
    if (this.#ports.takeLease === undefined) return 'Redis is left out';
    const before = this.#now();
    const taken = await this.#ports.takeLease(this.#tenants, holder);
    if ('denied' in taken) return taken.denied;
    this.#lease = taken;
    this.#sureAt = before;
    // Keeps it while nothing is being written: at the question, or in a long verify. A failure is met by the next check.
    this.#timer = setInterval(() => this.#look().catch(metByCheck), taken.ttlMs / 3);
    this.#timer.unref();
    return undefined;
  }

  /** How long the lease holds without being renewed, ms; undefined where there is none. */
  get leaseMs(): number | undefined {
    return this.#lease?.ttlMs;
  }

  /** Awaited before each batch: throws MigrateError `lock` once the locks are not surely ours. */
  async check(): Promise<void> {
    if (this.#sureForMs() >= LOOK_EVERY_MS) await this.#look();
  }

  /** Whether this machine's locks are still ours. Where not, another process may be writing the run's folder. */
  async holdsLocal(): Promise<boolean> {
    return ((await this.#local?.lost()) ?? []).length === 0;
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    // A look that is under way would connect anew to what is closed here.
    await this.#looking?.catch(metByCheck);
    const held = [this.#lease, this.#local];
    this.#lease = undefined;
    this.#local = undefined;
    // A lease that cannot be given back runs out; a lock file of a process that is gone is taken over.
    await Promise.allSettled(held.map(async (lock) => lock?.release()));
  }

  #now(): Instant {
    return { wall: this.#clock.now(), steady: performance.now() };
  }

  /**
   * How long ago the locks were known to be ours: by the clock that counts more. One jumps when it is set, the other
   * stands still while the machine sleeps.
   */
  #sureForMs(): number {
    const [before, now] = [this.#sureAt, this.#now()];
    return before === undefined
      ? Number.POSITIVE_INFINITY
      : Math.max(now.wall - before.wall, now.steady - before.steady);
  }

  #look(): Promise<void> {
    this.#looking ??= this.#renew().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #renew(): Promise<void> {
    const before = this.#now();
    const gone = (await this.#local?.lost()) ?? [];
    if (gone.length > 0) throw lost('the lock of this tenant in the state folder was taken away');
    if (await this.#isLeaseOurs()) this.#sureAt = before;
  }

  /** False where it cannot be told and the lease has not run out: Redis may be away for a moment. */
  async #isLeaseOurs(): Promise<boolean> {
    const lease = this.#lease;
    if (lease === undefined) return true;
    try {
      if (await lease.renew()) return true;
    } catch (error) {
      if (this.#sureForMs() < lease.ttlMs / 2) return false;
      throw lost('the lock of this tenant in Redis could not be renewed', error);
    }
    throw lost('the lock of this tenant in Redis was lost: another run may work on it now');
  }
}

function metByCheck(): void {
  // The next check looks again and throws it.
}

function lost(text: string, cause?: unknown): MigrateError {
  const next = 'see that no other run of this tenant is under way, then resume this one';
  return new MigrateError('lock', text, { next, cause });
}

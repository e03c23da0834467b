import { MigrateError } from '../model/errors.ts';
import { GO, strongest, type ThrottleLevel, type Verdict } from '../model/throttle-level.ts';
import type { Clock } from '../stages/stage.ts';
import { sleepUnlessAborted, unlessAborted } from './unless-aborted.ts';

/** Who looks at the stores' health in the background. */
export interface HealthWatch {
  /** Begins to look; resolves when everything has been looked at once. */
  start(take: (verdict: Verdict) => void): Promise<void>;
  stop(): void;
}

/** Whose batches they are that wait. */
export interface Passing {
  readonly signal: AbortSignal;
  /** In a rollback nothing aborts, and a store's state slows at most: to take back is what relieves a store. */
  readonly undoing: boolean;
  /** How long the last batch was under way, ms; undefined where that is not known. */
  readonly roundTripMs: number | undefined;
}

/** What restrains the run now. */
export interface Restrained {
  readonly level: ThrottleLevel;
  readonly reason: string;
  /** Ms since the epoch. */
  readonly since: number;
}

/** Under `slow` a batch waits so many times as long as the one before took: at most half of the rate is left. */
const SLOW_FACTOR = 1;
const LONGEST_WAIT_MS = 5_000;
const SHORTEST_WAIT_MS = 5;

/** Between two beats of a wait that keeps the process alive; nothing hangs on it. */
const STAY_MS = 60_000;

/** Where a person has paused the run. */
const BY_CONTROL = 'control';

/**
 * What holds a run's batches back beside its limits: the probes' strongest verdict, and whoever has paused it from outside.
 * One object for all stages, waves and rollbacks of a command. It says once when it begins to restrain, when that
 * changes, and when it ends.
 */
export class Throttle {
  readonly #clock: Clock;
  readonly #watch: HealthWatch | undefined;
  #probed: Verdict = GO;
  #paused: Verdict | undefined;
  #level: ThrottleLevel = 'go';
  /** Of the level. */
  #since: number;
  #told: Verdict = GO;
  #pausedAt: number | undefined;
  #tell: ((text: string) => void) | undefined;
  #undoing = false;
  /** Those that wait for any change. */
  readonly #waiting = new Set<() => void>();
  #lastPass: number | undefined;

  constructor({ clock, watch }: { readonly clock: Clock; readonly watch?: HealthWatch | undefined }) {
    this.#clock = clock;
    this.#watch = watch;
    this.#since = clock.now();
  }

  /** Batches come from now on: what restrains them is told. Resolves when the probes have been looked at. */
  async enter(tell: (text: string) => void, { undoing }: Pick<Passing, 'undoing'>): Promise<void> {
    this.#tell = tell;
    this.#undoing = undoing;
    this.#lastPass = undefined;
    await this.#watch?.start((verdict) => {
      this.#probed = verdict;
      this.#change();
    });
    this.#change();
  }

  /** No batches come for a while: nothing is looked at. */
  leave(): void {
    this.#watch?.stop();
    this.#tell = undefined;
  }

  /** Pauses the run, whatever the probes say, until {@link resume}. */
  pause(by: string): void {
    this.#paused = { level: 'pause', by: BY_CONTROL, reason: by, spoken: true };
    this.#change();
  }

  /** Takes {@link pause} back; false where there was none. */
  resume(): boolean {
    const was = this.#paused !== undefined;
    this.#paused = undefined;
    this.#change();
    return was;
  }

  /** What restrains the run now. */
  current(): Restrained {
    const { level, reason } = this.#now();
    return { level, reason, since: this.#since };
  }

  /** Resolves when a batch may be sent. Rejects with the signal's reason, or MigrateError `limit` where a probe ends the run. */
  async pass({ signal, undoing, roundTripMs }: Passing): Promise<void> {
    this.#undoing = undoing;
    for (;;) {
      const { level, reason } = this.#now();
      if (level === 'abort') throw ended(reason);
      if (level !== 'pause') break;
      await this.#anyChange(signal);
    }
    if (this.#now().level === 'slow') await this.#slowDown(roundTripMs, signal);
    this.#lastPass = performance.now();
  }

  /** What looks and listens meanwhile keeps no process alive, nor do idle connections to an HTTP store: the wait does. */
  async #anyChange(signal: AbortSignal): Promise<void> {
    const alive = setInterval(() => undefined, STAY_MS);
    try {
      await unlessAborted(new Promise<void>((wake) => this.#waiting.add(wake)), signal);
    } finally {
      clearInterval(alive);
    }
  }

  async #slowDown(roundTripMs: number | undefined, signal: AbortSignal): Promise<void> {
    const worked = this.#lastPass === undefined ? 0 : performance.now() - this.#lastPass;
    const ms = Math.max(roundTripMs ?? 0, worked, SHORTEST_WAIT_MS) * SLOW_FACTOR;
    await sleepUnlessAborted(Math.min(ms, LONGEST_WAIT_MS), signal);
  }

  #now(): Verdict {
    return strongest([...(this.#paused === undefined ? [] : [this.#paused]), this.#softened()]);
  }

  #softened(): Verdict {
    const { level, spoken } = this.#probed;
    if (!this.#undoing || level === 'go') return this.#probed;
    if (level === 'abort' || (level === 'pause' && !spoken)) return { ...this.#probed, level: 'slow' };
    return this.#probed;
  }

  #change(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
    const now = this.#now();
    const at = this.#clock.now();
    if (now.level !== this.#level) this.#since = at;
    this.#level = now.level;
    const { level, by } = this.#told;
    if (this.#tell === undefined || (now.level === level && now.by === by)) return;
    this.#told = now;
    const text = this.#text(now, level, at);
    if (now.level === 'go') this.#pausedAt = undefined;
    else this.#pausedAt ??= at;
    this.#tell(text);
  }

  #text({ level, reason }: Verdict, before: ThrottleLevel, at: number): string {
    const after = this.#pausedAt === undefined ? '' : `${Math.max(0, Math.round((at - this.#pausedAt) / 1_000))} s`;
    switch (level) {
      case 'go':
        return `goes on ${before === 'pause' ? '' : 'at full speed '}after ${after}`;
      case 'slow':
        return `slowed: ${reason}`;
      case 'pause':
        return `paused: ${reason}`;
      case 'abort':
        return `ends: ${reason}`;
    }
  }
}

function ended(reason: string): MigrateError {
  return new MigrateError('limit', `stopped early: ${reason}`, {
    next: 'see to what the probe says, or give other --probe levels: the run’s record keeps those it was given',
  });
}

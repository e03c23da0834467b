import { isStronger, type ThrottleLevel } from '../model/throttle-level.ts';
import type { Probe, Reading } from './probe.ts';

/** What holds after a look. */
export interface Held {
  readonly level: ThrottleLevel;
  readonly reason: string;
}

/**
 * One probe's level over time. It rises at once, but to `abort` only after so many looks in a row that want it (a pause
 * until then), and it falls only after so many looks in a row below it, with a margin: to the strongest of what these saw.
 */
export class Hysteresis {
  readonly #needed: Pick<Probe, 'calmLooks' | 'abortLooks'>;
  #held: Held = { level: 'go', reason: '' };
  /** Levels of the looks in a row that were below. */
  #calmer: Reading[] = [];
  #aborts = 0;

  constructor(needed: Pick<Probe, 'calmLooks' | 'abortLooks'>) {
    this.#needed = needed;
  }

  get held(): Held {
    return this.#held;
  }

  /** Takes what a look has seen, and returns what holds now. */
  take(reading: Reading): Held {
    this.#aborts = reading.level === 'abort' ? this.#aborts + 1 : 0;
    const level = reading.level === 'abort' && this.#aborts < this.#needed.abortLooks ? 'pause' : reading.level;
    const { level: held } = this.#held;
    if (!isStronger(held, level)) {
      this.#calmer = [];
      const last =
        reading.level === 'abort' && level === 'pause' ? `${reading.reason}: ends the run if it stays` : reading.reason;
      this.#held = { level, reason: last };
    } else if (isStronger(held, reading.calm)) {
      this.#calmer.push(reading);
      if (this.#calmer.length >= this.#needed.calmLooks) this.#fall();
    } else this.#calmer = [];
    return this.#held;
  }

  #fall(): void {
    let to: Held = { level: 'go', reason: '' };
    for (const { calm, reason } of this.#calmer) {
      if (!isStronger(to.level, calm)) to = { level: calm, reason };
    }
    this.#held = to;
    this.#calmer = [];
  }
}

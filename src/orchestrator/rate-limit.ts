import type { StageName, StagePlan } from '../stages/stage.ts';

/** How many records a stage may write in a second. The rates can be changed while batches wait. */
export class RateLimit {
  readonly #buckets = new Map<StageName, Bucket>();

  constructor(rates: Readonly<Partial<Record<StageName, number>>> = {}) {
    for (const [stage, perSecond] of Object.entries(rates)) this.set(stage as StageName, perSecond);
  }

  /** The rate of a stage, records a second; undefined where it has none. */
  of(stage: StageName): number | undefined {
    return this.#buckets.get(stage)?.perSecond;
  }

  /** The plan with the time that its stage will take at its rate. */
  paced(plan: StagePlan): StagePlan {
    const rate = this.of(plan.stage);
    if (rate === undefined) return plan;
    const records = plan.moves.reduce((sum, { found }) => sum + found, 0);
    return { ...plan, estimateMs: Math.max(plan.estimateMs, Math.round((records / rate) * 1_000)) };
  }

  /** Sets the rate of a stage, records a second, also for those that wait now; undefined takes it away. */
  set(stage: StageName, perSecond: number | undefined): void {
    const bucket = this.#buckets.get(stage);
    if (bucket !== undefined) bucket.change(perSecond);
    else if (perSecond !== undefined) this.#buckets.set(stage, new Bucket(perSecond));
  }

  /**
   * Resolves when a batch of so many records may be sent, in the order of asking. In any span of time no more pass than
   * the rate gives, and {@link BURST_SECONDS} of it on top. A batch that is larger than that passes alone, and those
   * behind it wait for as long as it should have taken. Rejects with the signal's reason as soon as that aborts.
   */
  take(stage: StageName, units: number, signal?: AbortSignal): Promise<void> {
    const bucket = units > 0 ? this.#buckets.get(stage) : undefined;
    return bucket?.take(units, signal) ?? Promise.resolve();
  }

  /** Records that a batch of the stage may hold without passing alone: no limit where it has no rate. At least 1. */
  mostInBatch(stage: StageName): number {
    const rate = this.of(stage);
    return rate === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(rate * BATCH_SECONDS));
  }
}

/** A batch holds what the rate gives in so long: ten a second are smooth, and few enough to be worth a request. */
export const BATCH_SECONDS = 0.1;
/** What was not used is kept for so long, so that a timer that comes late costs nothing. */
export const BURST_SECONDS = 0.2;

/** A token bucket whose tokens may go below nothing: what a large batch has taken is paid for by those behind it. */
class Bucket {
  #perSecond: number | undefined;
  #tokens: number;
  #filledAt = performance.now();
  #last: Promise<unknown> = Promise.resolve();
  /** Wakes the one that waits. */
  #changed: () => void = () => undefined;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#tokens = Math.max(1, perSecond * BATCH_SECONDS);
  }

  get perSecond(): number | undefined {
    return this.#perSecond;
  }

  change(perSecond: number | undefined): void {
    this.#fill();
    this.#perSecond = perSecond;
    // A debt that was made at another rate, or at none, is not to be paid at this one.
    this.#tokens = Math.max(this.#tokens, 0);
    this.#changed();
  }

  take(units: number, signal: AbortSignal | undefined): Promise<void> {
    const turn = this.#last.then(() => this.#takeInTurn(units, signal));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #takeInTurn(units: number, signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      signal?.throwIfAborted();
      const rate = this.#fill();
      if (rate === undefined) return;
      const short = Math.min(units, this.#most(rate)) - this.#tokens;
      if (short <= 0) break;
      await this.#wait((short / rate) * 1_000, signal);
    }
    this.#tokens -= units;
  }

  /** Adds what the time since the last filling has brought; returns the rate. */
  #fill(): number | undefined {
    const now = performance.now();
    const rate = this.#perSecond;
    if (rate !== undefined) {
      const brought = ((now - this.#filledAt) / 1_000) * rate;
      this.#tokens = Math.min(this.#most(rate), this.#tokens + brought);
    }
    this.#filledAt = now;
    return rate;
  }

  #most(rate: number): number {
    return Math.max(1, rate * BURST_SECONDS);
  }

  /** Ends early where the rate is changed or the signal aborts. */
  #wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', end);
        resolve();
      };
      // Timers take no longer time than some weeks; an hour at once is enough.
      const timer = setTimeout(end, Math.min(Math.max(1, Math.ceil(ms)), 3_600_000));
      signal?.addEventListener('abort', end, { once: true });
      this.#changed = end;
    });
  }
}

/** How fast what lies further back is forgotten: after so many ms it weighs a third. */
const MEMORY_MS = 10_000;
/** Nothing is told before so many ms of data. */
const ENOUGH_MS = 5_000;
/** Without progress for so long nobody can tell when the rest is done. */
const STALLED_MS = 30_000;

/**
 * Records a second as an exponentially weighted mean over time, and the time left at that rate. Each ms weighs the same
 * however many updates come in it, so bursts of small batches count no more than one large batch.
 */
export class Rate {
  readonly #startedAt: number;
  /** Weighted sums over the time so far: of records, and of ms. */
  #records = 0;
  #ms = 0;
  #done = 0;
  #at: number;
  #progressAt: number;

  constructor(now: number) {
    this.#startedAt = now;
    this.#at = now;
    this.#progressAt = now;
  }

  /** Takes the total done so far. */
  update(done: number, now: number): void {
    const fresh = Math.max(0, done - this.#done);
    this.#advance(now);
    this.#records += fresh;
    this.#done = Math.max(this.#done, done);
    if (fresh > 0) this.#progressAt = this.#at;
  }

  /** Records a second; undefined until there are some seconds of data. It falls while nothing is done. */
  perSecond(now: number): number | undefined {
    if (now - this.#startedAt < ENOUGH_MS || this.#done === 0) return undefined;
    this.#advance(now);
    return this.#ms === 0 ? undefined : (this.#records / this.#ms) * 1_000;
  }

  /** Ms until `total` is reached; undefined where nothing can be said: too early, or too long without progress. */
  etaMs(total: number, now: number): number | undefined {
    const perSecond = this.perSecond(now);
    if (perSecond === undefined || perSecond === 0 || now - this.#progressAt >= STALLED_MS) return undefined;
    return Math.max(0, ((total - this.#done) / perSecond) * 1_000);
  }

  /** Ms since the last record was done, or since the start. */
  stillMs(now: number): number {
    return Math.max(0, now - this.#progressAt);
  }

  /** Lets time pass. A clock that was set back counts as one that stood still. */
  #advance(now: number): void {
    const passed = now - this.#at;
    if (passed <= 0) return;
    const kept = Math.exp(-passed / MEMORY_MS);
    this.#records *= kept;
    // The weights of the ms that have just passed: the integral of the decay over them.
    this.#ms = this.#ms * kept + MEMORY_MS * (1 - kept);
    this.#at = now;
  }
}

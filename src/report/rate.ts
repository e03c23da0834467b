/** How fast what lies further back is forgotten: after so many ms it weighs a third. */
const MEMORY_MS = 10_000;
/** Nothing is told before so many ms of data. */
const ENOUGH_MS = 5_000;
/** A batch takes a while: only a longer wait, and one longer than the last, makes the rate fall. */
const PATIENCE_MS = 3_000;
/** Without progress for so long nobody can tell when the rest is done. */
const STALLED_MS = 30_000;

/**
 * Records a second as an exponentially weighted mean over time, and the time left at that rate. Each ms weighs the same
 * however many updates come in it, so bursts of small batches count no more than one large batch.
 */
export class Rate {
  readonly #startedAt: number;
  /** Weighted sums over the time until the last progress: of records, and of ms. */
  #records = 0;
  #ms = 0;
  #done = 0;
  #progressAt: number;
  #lastWait = 0;

  constructor(now: number) {
    this.#startedAt = now;
    this.#progressAt = now;
  }

  /** Takes the total done so far. A clock that was set back counts as one that stood still. */
  update(done: number, now: number): void {
    const fresh = done - this.#done;
    if (fresh <= 0) return;
    const passed = Math.max(0, now - this.#progressAt);
    const { records, ms } = this.#after(passed);
    // They were done over the time since the last ones, not all of them just now.
    const over = passed / MEMORY_MS;
    this.#records = records + (over === 0 ? fresh : (fresh * (1 - Math.exp(-over))) / over);
    this.#ms = ms;
    this.#done = done;
    this.#lastWait = passed;
    this.#progressAt += passed;
  }

  /** Records a second; undefined until there are some seconds of data. It falls while nothing is done. */
  perSecond(now: number): number | undefined {
    if (now - this.#startedAt < ENOUGH_MS || this.#done === 0) return undefined;
    const still = this.stillMs(now);
    const { records, ms } = this.#after(still > Math.max(PATIENCE_MS, 1.5 * this.#lastWait) ? still : 0);
    return ms === 0 ? undefined : (records / ms) * 1_000;
  }

  /** Ms until `total` is reached; undefined where nothing can be said: too early, or too long without progress. */
  etaMs(total: number, now: number): number | undefined {
    const perSecond = this.perSecond(now);
    if (perSecond === undefined || perSecond === 0 || this.stillMs(now) >= STALLED_MS) return undefined;
    return Math.max(0, ((total - this.#done) / perSecond) * 1_000);
  }

  /** Ms since the last record was done, or since the start. */
  stillMs(now: number): number {
    return Math.max(0, now - this.#progressAt);
  }

  /** The sums after so many ms more in which nothing was done. */
  #after(ms: number): { readonly records: number; readonly ms: number } {
    const kept = Math.exp(-ms / MEMORY_MS);
    return { records: this.#records * kept, ms: this.#ms * kept + MEMORY_MS * (1 - kept) };
  }
}

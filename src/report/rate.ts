const WEIGHT = 0.3;

/** Records a second as an exponentially weighted mean, and the time left at that rate. */
export class Rate {
  #perSecond: number | undefined;
  #done = 0;
  #at: number;

  constructor(now: number) {
    this.#at = now;
  }

  /** Takes the total done so far. */
  update(done: number, now: number): void {
    const seconds = (now - this.#at) / 1_000;
    if (seconds <= 0 || done <= this.#done) return;
    const latest = (done - this.#done) / seconds;
    this.#perSecond = this.#perSecond === undefined ? latest : WEIGHT * latest + (1 - WEIGHT) * this.#perSecond;
    this.#done = done;
    this.#at = now;
  }

  /** Records a second; undefined before the first measurement. */
  get perSecond(): number | undefined {
    return this.#perSecond;
  }

  /** Ms until `total` is reached; undefined before the first measurement. */
  etaMs(total: number): number | undefined {
    if (this.#perSecond === undefined || this.#perSecond === 0) return undefined;
    return Math.max(0, ((total - this.#done) / this.#perSecond) * 1_000);
  }
}

/** A repetition that is due later than this after the wait before it belongs to another trouble, ms. */
const SLACK_MS = 5_000;

/** Since when a store has not done what it was asked: from the first failed try of an unbroken row of them. */
export class Outage {
  #since = 0;
  #until = 0;

  /** The time of that first try, ms since the epoch. To be told of each failed try; `attempt` is 1 for the first of a request. */
  since({
    attempt,
    delayMs,
    now,
  }: {
    readonly attempt: number;
    readonly delayMs: number;
    readonly now: number;
  }): number {
    if (attempt === 1 && now > this.#until) this.#since = now;
    this.#until = Math.max(this.#until, now + delayMs + SLACK_MS);
    return this.#since;
  }
}

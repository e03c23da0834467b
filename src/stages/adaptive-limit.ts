/** How many pieces of work may be under way, and what it learns from those that are done. */
export interface InFlightLimit {
  readonly now: number;
  /** A piece of work took so many ms. `running`: how many were under way when it began, itself among them. */
  took(ms: number, running: number): void;
}

/** A round of batches may take this much longer than the shortest one and still be waiting for the link alone. */
const LONGER = 1.2;

/**
 * Finds how many batches fill the link: doubles as long as a batch takes no longer for it. Over a long link it does not,
 * since what takes time is the way there and back; a store that has enough to do lets them wait, and then it goes back to
 * what it was before and stays there. Since the time of a batch grows by no more than a fifth, twice as many under way
 * are at least 1.6 times as much done. Where batches come too slowly to fill the limit, it is left as it is.
 */
export class AdaptiveLimit implements InFlightLimit {
  readonly #most: number;
  #limit: number;
  #before: number;
  #shortest = Number.POSITIVE_INFINITY;
  #round: number[] = [];
  #settled: boolean;

  constructor({ start, most }: { readonly start: number; readonly most: number }) {
    this.#limit = start;
    this.#before = start;
    this.#most = most;
    this.#settled = start >= most;
  }

  get now(): number {
    return this.#limit;
  }

  took(ms: number, running: number): void {
    // What began with fewer beside it tells of fewer.
    if (this.#settled || running !== this.#limit) return;
    this.#round.push(ms);
    if (this.#round.length < this.#limit) return;
    const typical = median(this.#round);
    this.#round = [];
    if (typical > this.#shortest * LONGER) {
      this.#limit = this.#before;
      this.#settled = true;
      return;
    }
    this.#shortest = Math.min(this.#shortest, typical);
    this.#before = this.#limit;
    this.#limit = Math.min(this.#limit * 2, this.#most);
    this.#settled = this.#limit === this.#before;
  }
}

/** A number that is fixed where the operator gives one, else one that is found between these two. */
export function limitOf(
  given: number | undefined,
  own: { readonly start: number; readonly most: number },
): InFlightLimit {
  return given === undefined ? new AdaptiveLimit(own) : { now: given, took: () => undefined };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

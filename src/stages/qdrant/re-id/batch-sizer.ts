/** Aim for the text of the points of one batch: small enough that reading, inserting and reading back of several overlap. */
const BATCH_BYTES = 2 << 20;
const FIRST_BATCH = 32;

/** How many points a batch takes, learnt from the bytes of those that were read. */
export class BatchSizer {
  readonly #most: number;
  #size: number;

  /** `textBytes`: of one point, where a few were measured. */
  constructor(most: number, textBytes?: number) {
    this.#most = most;
    // Half of what would fit: the next ones may be larger than those that were measured.
    const first = textBytes === undefined ? FIRST_BATCH : Math.floor(BATCH_BYTES / 2 / Math.max(1, textBytes));
    this.#size = Math.max(1, Math.min(first, most));
  }

  get size(): number {
    return this.#size;
  }

  /** So many points had so many bytes. Grows at most fourfold, since the next ones may be larger. */
  learn(points: number, bytes: number): void {
    if (points === 0) return;
    const fitting = Math.floor((BATCH_BYTES * points) / Math.max(1, bytes));
    this.#size = Math.max(1, Math.min(fitting, this.#size * 4, this.#most));
  }
}

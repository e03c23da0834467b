/**
 * A uniform sample of a stream in memory bounded by `size` (algorithm R, Vitter 1985).
 * The same seed and the same stream give the same sample.
 */
export class Reservoir<T> {
  readonly items: T[] = [];
  readonly #size: number;
  readonly #random: () => number;
  #seen = 0;

  constructor(size: number, seed: number) {
    this.#size = size;
    this.#random = mulberry32(seed);
  }

  offer(item: T): void {
    this.#seen += 1;
    if (this.items.length < this.#size) {
      this.items.push(item);
      return;
    }
    const slot = Math.floor(this.#random() * this.#seen);
    if (slot < this.#size) this.items[slot] = item;
  }
}

/** A small seeded generator of numbers in [0, 1) (mulberry32, public domain): sampling only, never secrets. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

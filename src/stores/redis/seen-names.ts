import { createHash } from 'node:crypto';

const LEAST_SLOTS = 1 << 16;

/**
 * Tells names that were given before, by 64-bit hashes in an open table outside the heap: 16 to 32 bytes a name,
 * where a Set of the names takes several times as much of the heap. Two of 4 million names share a hash in one of
 * two million cases; a name is then left out, which shows as a difference and never hides one.
 */
export class SeenNames {
  #slots = new BigUint64Array(LEAST_SLOTS);
  #count = 0;

  /** False where the name was given before. */
  add(name: string | Buffer): boolean {
    // 0 marks a free slot.
    const hash = createHash('sha256').update(name).digest().readBigUInt64LE(0) || 1n;
    if (!insert(this.#slots, hash)) return false;
    this.#count += 1;
    if (this.#count * 2 > this.#slots.length) this.#grow();
    return true;
  }

  #grow(): void {
    const larger = new BigUint64Array(this.#slots.length * 2);
    for (const hash of this.#slots) if (hash !== 0n) insert(larger, hash);
    this.#slots = larger;
  }
}

function insert(slots: BigUint64Array, hash: bigint): boolean {
  const mask = slots.length - 1;
  for (let at = Number(hash & 0xffffffffn) & mask; ; at = (at + 1) & mask) {
    if (slots[at] === hash) return false;
    if (slots[at] === 0n) {
      slots[at] = hash;
      return true;
    }
  }
}

import { createHash } from 'node:crypto';

const MODULUS = 1n << 128n;

/** SHA-256 of the parts, each preceded by its length in bytes so that no two lists of parts look alike; hex. */
export function digest(...parts: readonly (string | Uint8Array)[]): string {
  return hashParts(parts).digest('hex');
}

function hashParts(parts: readonly (string | Uint8Array)[]): ReturnType<typeof createHash> {
  const hash = createHash('sha256');
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part;
    hash.update(`${bytes.length}:`).update(bytes);
  }
  return hash;
}

/**
 * A sum of 128-bit hashes modulo 2^128: the same records give the same sum in whatever order they come,
 * in constant memory. A record is hashed from its parts as {@link digest} does.
 */
export class CommutativeSum {
  #sum = 0n;
  #count = 0;

  add(...parts: readonly (string | Uint8Array)[]): void {
    this.#sum = (this.#sum + valueOfParts(parts)) % MODULUS;
    this.#count += 1;
  }

  /** Takes a record out again. It may be added later: the sum is then as if neither had been done. */
  remove(...parts: readonly (string | Uint8Array)[]): void {
    this.#sum = (this.#sum - valueOfParts(parts) + MODULUS) % MODULUS;
    this.#count -= 1;
  }

  /** Number of records that were added and not removed. */
  get count(): number {
    return this.#count;
  }

  /** The sum as 32 hex digits. */
  hex(): string {
    return this.#sum.toString(16).padStart(32, '0');
  }
}

function valueOfParts(parts: readonly (string | Uint8Array)[]): bigint {
  const bytes = hashParts(parts).digest();
  return (bytes.readBigUInt64BE(0) << 64n) | bytes.readBigUInt64BE(8);
}

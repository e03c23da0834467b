import type { ByteString } from '../../model/byte-string.ts';
import { CommutativeSum } from '../../model/fingerprint.ts';
import type { ShapeSum } from './redis-plan.ts';

const MINUTE_MS = 60_000;

interface Fingerprint {
  readonly type: string;
  readonly expiresAt: number;
  readonly digest: string;
}

interface Sums {
  readonly persistent: CommutativeSum;
  readonly volatile: Map<number, CommutativeSum>;
}

/** Whether a key can be part of a sum: not where its expiry is known only about, since then no two sums are alike. */
export function isSummed({ expiresAt }: Fingerprint, { exactExpiry }: { readonly exactExpiry: boolean }): boolean {
  return exactExpiry || expiresAt < 0;
}

/** Builds the sums of full verification: constant size for keys without expiry, one sum a minute for those with. */
export class ShapeSums {
  readonly #shapes = new Map<string, Sums>();

  add(shape: string, target: ByteString, fingerprint: Fingerprint): void {
    const { type, expiresAt, digest } = fingerprint;
    this.#sumOf(shape, fingerprint).add(target, type, String(expiresAt), digest);
  }

  /** Takes a key out that is to be overwritten. It may be added later. */
  remove(shape: string, target: ByteString, fingerprint: Fingerprint): void {
    const { type, expiresAt, digest } = fingerprint;
    this.#sumOf(shape, fingerprint).remove(target, type, String(expiresAt), digest);
  }

  #sumOf(shape: string, { expiresAt }: Fingerprint): CommutativeSum {
    const { persistent, volatile } = this.#of(shape);
    return expiresAt < 0 ? persistent : sumOfMinute(volatile, Math.floor(expiresAt / MINUTE_MS));
  }

  #of(shape: string): Sums {
    let sums = this.#shapes.get(shape);
    if (sums === undefined) {
      sums = { persistent: new CommutativeSum(), volatile: new Map() };
      this.#shapes.set(shape, sums);
    }
    return sums;
  }

  toJson(): readonly ShapeSum[] {
    return [...this.#shapes].map(([shape, { persistent, volatile }]) => ({
      shape,
      persistent: persistent.hex(),
      volatile: Object.fromEntries([...volatile].map(([minute, sum]) => [String(minute), sum.hex()])),
    }));
  }
}

function sumOfMinute(volatile: Map<number, CommutativeSum>, minute: number): CommutativeSum {
  let sum = volatile.get(minute);
  if (sum === undefined) {
    sum = new CommutativeSum();
    volatile.set(minute, sum);
  }
  return sum;
}

/** Shapes whose sums differ, leaving out the minutes that had begun by `now` (those keys may have expired). */
export function differingShapes(
  before: readonly ShapeSum[],
  after: readonly ShapeSum[],
  now: number,
): readonly string[] {
  const names = new Set([...before, ...after].map(({ shape }) => shape));
  const begun = Math.floor(now / MINUTE_MS);
  return [...names].filter((name) => {
    const a = before.find(({ shape }) => shape === name);
    const b = after.find(({ shape }) => shape === name);
    const empty = new CommutativeSum().hex();
    if ((a?.persistent ?? empty) !== (b?.persistent ?? empty)) return true;
    const minutes = new Set([...Object.keys(a?.volatile ?? {}), ...Object.keys(b?.volatile ?? {})]);
    return [...minutes].some(
      (minute) => Number(minute) > begun && (a?.volatile[minute] ?? empty) !== (b?.volatile[minute] ?? empty),
    );
  });
}

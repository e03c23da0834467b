import { createHash } from 'node:crypto';

/** Numbers in [0, 1) that depend on the seed alone. */
export type Random = () => number;

/** A generator for one purpose: the same words give the same numbers, whatever else is drawn beside it. Mulberry32. */
export function randomFor(...words: readonly (string | number)[]): Random {
  let state = createHash('sha256').update(words.join('\0')).digest().readUInt32LE();
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number in [from, to). */
export function between(random: Random, from: number, to: number): number {
  return from + Math.floor(random() * (to - from));
}

/** Some bytes as lower-case hexadecimal digits. */
export function hex(random: Random, bytes: number): string {
  return Array.from({ length: bytes }, () => between(random, 0, 256).toString(16).padStart(2, '0')).join('');
}

/** Words of no meaning, some of them not ASCII, `count` of them. */
export function sentence(random: Random, count: number): string {
  return Array.from({ length: count }, () => words[between(random, 0, words.length)]).join(' ');
}

const words =
  'river stone temple ledger harbour 蕭壠 合約 Straße naïve café "quoted" back\\slash tea archive 🌊 delta'.split(' ');

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CommutativeSum, digest } from '../../../src/model/fingerprint.ts';

const parts = fc.array(fc.string({ unit: 'binary', maxLength: 6 }), { maxLength: 4 });
const records = fc.array(parts, { maxLength: 8 });

describe('a digest', () => {
  test('tells any two lists of parts apart', () => {
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        expect(digest(...a) === digest(...b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
    expect(digest('ab', 'c')).not.toBe(digest('a', 'bc'));
    expect(digest('1:a')).not.toBe(digest('a'));
    expect(digest('')).not.toBe(digest());
  });

  test('of a text is that of its bytes', () => expect(digest('é')).toBe(digest(Buffer.from('é'))));
});

describe('a commutative sum', () => {
  test('is the same in whatever order the records come', () => {
    fc.assert(
      fc.property(
        records.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
        ([list, shuffled]) => {
          expect(sumOf(shuffled)).toEqual(sumOf(list));
        },
      ),
    );
  });

  test('notices a record that is missing, doubled or changed', () => {
    fc.assert(
      fc.property(records, parts, parts, (list, one, other) => {
        const base = sumOf([...list, one]).hex;
        expect(sumOf(list).hex).not.toBe(base);
        expect(sumOf([...list, one, one]).hex).not.toBe(base);
        if (JSON.stringify(one) !== JSON.stringify(other)) expect(sumOf([...list, other]).hex).not.toBe(base);
      }),
    );
  });

  test('has 128 bits and keeps them: two records in pairs do not cancel out', () => {
    expect(sumOf([['a'], ['a']]).hex).not.toBe(sumOf([['b'], ['b']]).hex);
    expect(sumOf([]).hex).toBe('0'.repeat(32));
    for (let count = 1; count < 50; count += 1) expect(sumOf(Array(count).fill(['x'])).hex).toMatch(/^[0-9a-f]{32}$/);
  });
});

function sumOf(list: readonly (readonly string[])[]): { hex: string; count: number } {
  const sum = new CommutativeSum();
  for (const record of list) sum.add(...record);
  return { hex: sum.hex(), count: sum.count };
}

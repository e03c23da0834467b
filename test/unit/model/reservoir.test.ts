import { describe, expect, test } from 'vitest';
import { Reservoir } from '../../../src/model/reservoir.ts';

describe('a reservoir', () => {
  test('holds everything where that is not more than its size', () => {
    expect(sample({ size: 5, of: 3, seed: 1 })).toEqual([0, 1, 2]);
    expect(sample({ size: 0, of: 3, seed: 1 })).toEqual([]);
  });

  test('holds as many different items as it may', () => {
    const items = sample({ size: 50, of: 10_000, seed: 9 });
    expect(new Set(items).size).toBe(50);
  });

  test('is the same for the same seed, and another for another', () => {
    expect(sample({ size: 20, of: 1_000, seed: 4 })).toEqual(sample({ size: 20, of: 1_000, seed: 4 }));
    expect(sample({ size: 20, of: 1_000, seed: 4 })).not.toEqual(sample({ size: 20, of: 1_000, seed: 5 }));
  });

  test('takes early, middle and late items alike', () => {
    const [size, of, rounds] = [20, 400, 2_000];
    const tenths = Array<number>(10).fill(0);
    for (let seed = 0; seed < rounds; seed += 1) {
      for (const item of sample({ size, of, seed })) tenths[Math.floor((item / of) * 10)]! += 1;
    }
    // Each tenth is expected 4,000 times; six standard deviations are about 350.
    for (const count of tenths) expect(Math.abs(count - (rounds * size) / 10)).toBeLessThan(350);
  });
});

function sample({ size, of, seed }: { size: number; of: number; seed: number }): readonly number[] {
  const reservoir = new Reservoir<number>(size, seed);
  for (let item = 0; item < of; item += 1) reservoir.offer(item);
  return reservoir.items;
}

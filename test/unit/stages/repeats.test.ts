import { expect, test } from 'vitest';
import { Repeats } from '../../../src/stages/redis/repeats.ts';

test('a key that a scan returns again in the same or the next page is told, and forgotten after that', () => {
  const repeats = new Repeats();
  const page = (...keys: string[]) => {
    repeats.nextPage();
    return keys.map((key) => repeats.has(key));
  };
  expect(page('a', 'b', 'a')).toEqual([false, false, true]);
  expect(page('b', 'c')).toEqual([true, false]);
  expect(page()).toEqual([]);
  expect(page('c')).toEqual([false]);
});

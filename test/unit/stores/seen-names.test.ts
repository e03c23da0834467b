import { expect, test } from 'vitest';
import { SeenNames } from '../../../src/stores/redis/seen-names.ts';

test('a name is new once, however many there are and however often they come', () => {
  const seen = new SeenNames();
  const names = Array.from({ length: 200_000 }, (_, n) => `name ${n}`);
  expect(names.filter((name) => seen.add(name))).toHaveLength(names.length);
  expect(names.filter((name) => seen.add(Buffer.from(name)))).toEqual([]);
  expect([seen.add(''), seen.add('')]).toEqual([true, false]);
});

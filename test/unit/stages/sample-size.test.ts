import { expect, it } from 'vitest';
import { contentSampleSize } from '../../../src/stages/redis/sample-size.ts';

it('the content of a list of tenants is sampled about as much as that of one, and each tenant’s a little', () => {
  expect([1, 2, 8, 50, 5_000].map(contentSampleSize)).toEqual([200, 100, 25, 4, 3]);
});

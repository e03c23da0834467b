import { expect, it } from 'vitest';
import { idPageSize, writeBatchSize } from '../../../src/stages/qdrant/page-sizes.ts';
import { collectionFacts } from '../../../src/stores/qdrant/collection-facts.ts';

function limits(strict: object): ReturnType<typeof collectionFacts>['limits'] {
  return collectionFacts('c', { config: { strict_mode_config: strict } }).limits;
}

it('without strict mode the stage chooses, and --batch-size is taken as it is', () => {
  const none = limits({});
  expect([idPageSize(none), writeBatchSize(none, undefined), writeBatchSize(none, 20_000)]).toEqual([
    10_000, 5_000, 20_000,
  ]);
});

it('strict mode bounds pages by max_query_limit and writes by the list and rate limits', () => {
  const strict = limits({ enabled: true, max_query_limit: 50, condition_max_size: 10, write_rate_limit: 7 });
  expect([idPageSize(strict), writeBatchSize(strict, undefined), writeBatchSize(strict, 5)]).toEqual([50, 7, 5]);
});

it('limits that are switched off do not count', () => {
  const off = limits({
    enabled: false,
    max_query_limit: 50,
    condition_max_size: 10,
    unindexed_filtering_retrieve: false,
  });
  expect([idPageSize(off), writeBatchSize(off, undefined), off.readNeedsIndex]).toEqual([10_000, 5_000, false]);
});

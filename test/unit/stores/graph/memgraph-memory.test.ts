import { expect, test } from 'vitest';
import { memgraphMemory } from '../../../../src/stores/graph/server-facts.ts';

const GIB = 1_024 ** 3;

test.each([
  [
    '2.12',
    [
      ['memory_allocated', '1.00GiB'],
      ['allocation_limit', '4.00GiB'],
    ],
  ],
  [
    '3.0',
    [
      ['memory_res', '3.00GiB'],
      ['memory_tracked', '1.00GiB'],
      ['allocation_limit', '4.00GiB'],
    ],
  ],
  [
    '3.10',
    [
      ['memory_tracked', '0.10GiB'],
      ['global_memory_tracked', '1.00GiB'],
      ['global_runtime_allocation_limit', '4.00GiB'],
    ],
  ],
  [
    '3.11',
    [
      ['memory_tracked', '1.00GiB'],
      ['memory_limit', '4.00GiB'],
    ],
  ],
] as const)('memory is read by the names of Memgraph %s', (_, rows) => {
  expect(memgraphMemory(rows)).toEqual({ usedBytes: GIB, limitBytes: 4 * GIB });
});

test('memory that is not told is none', () => {
  expect(memgraphMemory([['storage_mode', 'IN_MEMORY_TRANSACTIONAL']])).toBeUndefined();
});

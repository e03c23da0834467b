import { expect, it } from 'vitest';
import { undoBytes } from '../../../src/stages/qdrant/undo-bytes.ts';
import { pointsEntry } from '../../../src/stages/qdrant/undo-entry.ts';
import { collectionFacts } from '../../../src/stores/qdrant/collection-facts.ts';

const ID = '"ffffffff-ffff-4fff-bfff-ffffffffffff"';
const field = 'workspace_id';

it.each([
  { source: 25_000, batchSize: 50_000, batches: [10_000, 10_000, 5_000] },
  { source: 9_999, batchSize: undefined, batches: [5_000, 4_999] },
  { source: 21, batchSize: 2, batches: [...Array<number>(10).fill(2), 1] },
])('$source points in batches of $batchSize are not estimated too low, and little too high', (given) => {
  const { source, batchSize, batches } = given;
  const move = { source: 'tenänt', target: 'other "quoted"' };
  const collection = 'chunks';
  const log = batches.map((size, at) => {
    const entry = pointsEntry({ move, collection, field, ids: Array<string>(size).fill(ID) });
    return JSON.stringify([at + 1, [entry]]);
  });
  const bytes = Buffer.byteLength(log.join('\n'));
  const plan = { move, collection, source, target: 0, sample: [] };
  const estimated = undoBytes([plan], [collectionFacts(collection, {})], { field, batchSize });
  expect(estimated).toBeGreaterThanOrEqual(bytes);
  expect(estimated).toBeLessThan(bytes + 300 * (batches.length + 2));
});

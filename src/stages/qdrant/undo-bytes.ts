import type { CollectionFacts, StrictLimits } from '../../stores/qdrant/collection-facts.ts';
import { idPageSize, writeBatchSize } from './page-sizes.ts';
import type { CollectionPlan } from './qdrant-plan.ts';
import { pointsEntry } from './undo-entry.ts';

/** A UUID with the quotes of its token, both escaped, the quotes around that and a comma. Numbers are shorter. */
const ID_BYTES = 36 + 4 + 2 + 1;
/** What an undo log may put around a batch, and the entry of an index. */
const BATCH_BYTES = 200;

/** How many bytes the ids of all points to move take in an undo log that does not compress, at most. */
export function undoBytes(
  collections: readonly CollectionPlan[],
  facts: readonly CollectionFacts[],
  { field, batchSize }: { readonly field: string; readonly batchSize: number | undefined },
): number {
  const limits = new Map(facts.map((one) => [one.name, one.limits]));
  return collections.reduce((sum, { collection, move, source }) => {
    const own = limits.get(collection);
    const batches = own === undefined ? 0 : mostBatches(source, own, batchSize);
    const entry = Buffer.byteLength(JSON.stringify(pointsEntry({ move, collection, field, ids: [] })));
    return sum + source * ID_BYTES + (batches + 1) * (entry + BATCH_BYTES);
  }, 0);
}

/** Each page of ids is cut into batches for itself, so that its last batch may be a small one. */
function mostBatches(points: number, limits: StrictLimits, batchSize: number | undefined): number {
  const page = idPageSize(limits);
  const size = writeBatchSize(limits, batchSize);
  return Math.floor(points / page) * Math.ceil(page / size) + Math.ceil((points % page) / size);
}

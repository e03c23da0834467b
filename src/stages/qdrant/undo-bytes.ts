import type { CollectionFacts, StrictLimits } from '../../stores/qdrant/collection-facts.ts';
import { idPageSize, writeBatchSize } from './page-sizes.ts';
import type { CollectionPlan, ReIdPlan } from './qdrant-plan.ts';
import { pointsEntry } from './undo-entry.ts';

/** A UUID with the quotes of its token, both escaped, the quotes around that and a comma. Numbers are shorter. */
const ID_BYTES = 36 + 4 + 2 + 1;
/** A digest of 22 characters with its quotes, the brackets of its entry and commas. */
const DIGEST_BYTES = 30;
/** Batches of points aim at twice as many bytes. */
const SMALL_BATCH = 2 << 20;
/** What an undo log may put around a batch, and the entry of an index. */
const BATCH_BYTES = 200;

/** How many bytes the ids of all points to move take in an undo log that does not compress, at most. */
export function undoBytes(
  collections: readonly CollectionPlan[],
  facts: readonly CollectionFacts[],
  { field, batchSize }: { readonly field: string; readonly batchSize: number | undefined },
): number {
  const limits = new Map(facts.map((one) => [one.name, one.limits]));
  return collections.reduce((sum, { collection, move, source, reId }) => {
    const own = limits.get(collection);
    const batches = own === undefined ? 0 : mostBatches(source, own, batchSize);
    const entry = Buffer.byteLength(JSON.stringify(pointsEntry({ move, collection, field, ids: [] })));
    return sum + source * ID_BYTES + (batches + 1) * (entry + BATCH_BYTES) + reIdBytes(reId, entry);
  }, 0);
}

/** Two ids and a digest before a point is copied, two ids before its old one is deleted. */
function reIdBytes(reId: ReIdPlan | undefined, entry: number): number {
  if (reId === undefined) return 0;
  const points = reId.points + reId.repair;
  const batches = Math.ceil((points * reId.textBytes) / SMALL_BATCH) + Math.ceil(points / 100) + 8;
  return points * (4 * ID_BYTES + DIGEST_BYTES) + 3 * batches * (entry + BATCH_BYTES);
}

/** Each page of ids is cut into batches for itself, so that its last batch may be a small one. */
function mostBatches(points: number, limits: StrictLimits, batchSize: number | undefined): number {
  const page = idPageSize(limits);
  const size = writeBatchSize(limits, batchSize);
  return Math.floor(points / page) * Math.ceil(page / size) + Math.ceil((points % page) / size);
}

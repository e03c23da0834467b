import type { StrictLimits } from '../../stores/qdrant/collection-facts.ts';

/** Ids in one page: small pages make the server collect all matches again and again. */
const ID_PAGE = 10_000;
/** Points in one write: the server applies one write of a shard at a time, and others must get their turn. */
const WRITE_BATCH = 5_000;

/** Points in one page of ids. */
export function idPageSize(limits: StrictLimits): number {
  return Math.min(ID_PAGE, limits.maxQueryLimit ?? ID_PAGE);
}

/** Points in one write: a has_id list has a limit of its own, and a write over the whole rate limit is never let in. */
export function writeBatchSize(limits: StrictLimits, wanted: number | undefined): number {
  const most = Math.min(
    wanted ?? WRITE_BATCH,
    limits.conditionMaxSize ?? Number.POSITIVE_INFINITY,
    limits.writeRateLimit ?? Number.POSITIVE_INFINITY,
  );
  // A limit of 0 is refused beforehand; set during a run it fails the write, and must not make empty ones.
  return Math.max(1, most);
}

/** Points in one insert, beside the limit of its bytes: no limit where strict mode sets none. */
export function insertBatchSize(limits: StrictLimits): number {
  return Math.min(limits.upsertMaxBatch ?? Number.POSITIVE_INFINITY, limits.writeRateLimit ?? Number.POSITIVE_INFINITY);
}

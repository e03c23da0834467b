import type { Move } from '../../../model/move.ts';
import type { StrictLimits } from '../../../stores/qdrant/collection-facts.ts';
import type { PointRecord } from '../../../stores/qdrant/point-calls.ts';
import type { QdrantReader } from '../../../stores/qdrant/qdrant-reader.ts';
import { idPageSize } from '../page-sizes.ts';
import type { IdPair, NewIds } from './new-ids.ts';

/** Where a point with an old id stands: with the source's value in its field, or (moved without a new id) the target's. */
export type End = 'source' | 'target';

/** The points of one end of a move in one collection. */
export interface EndOf {
  readonly collection: string;
  readonly field: string;
  readonly move: Move;
  readonly end: End;
  readonly limits: StrictLimits;
}

/** The points of an end in pages, told apart by their ids: those that keep theirs, and those that get a new one. */
export interface ToldApart {
  readonly kept: readonly string[];
  readonly pairs: readonly IdPair[];
}

/** Points of a sample that are read at the start and at each of the places where ids are looked at. */
const SAMPLE_PAGE = 32;
/** Ids are hashes: a few places in their order are a sample. Numbers come before all of them. */
const SAMPLE_FROM = [undefined, ...'13579bdf'].map((digit) =>
  digit === undefined ? undefined : `"${digit}0000000-0000-0000-0000-000000000000"`,
);

/** Reads ids with what tells them apart, page by page, in ascending order. */
export async function* toldApart(store: QdrantReader, newIds: NewIds, of: EndOf): AsyncGenerator<ToldApart> {
  for await (const page of records(store, newIds, of)) yield tellApart(page, newIds, of.move);
}

/** The pairs among some points of an end, taken from places all over the ids, and how many were looked at. */
export async function samplePairs(
  store: QdrantReader,
  newIds: NewIds,
  of: EndOf,
): Promise<{ readonly pairs: readonly IdPair[]; readonly looked: number }> {
  const seen = new Map<string, PointRecord>();
  const pageSize = Math.min(SAMPLE_PAGE, idPageSize(of.limits));
  for (const from of SAMPLE_FROM) {
    for await (const page of records(store, newIds, { ...of, from, pageSize })) {
      for (const record of page) seen.set(record.id, record);
      // All there are: the other places would show the same.
      if (from === undefined && page.length < pageSize) return sampled();
      break;
    }
  }
  return sampled();

  function sampled() {
    return { pairs: tellApart([...seen.values()], newIds, of.move).pairs, looked: seen.size };
  }
}

function records(
  store: QdrantReader,
  { fields }: NewIds,
  of: EndOf & { readonly from?: string | undefined; readonly pageSize?: number },
): AsyncIterable<readonly PointRecord[]> {
  const { collection, field, move, end, limits, from, pageSize = idPageSize(limits) } = of;
  return store.scrollRecords({ collection, match: { field, value: move[end] }, fields, pageSize, from });
}

function tellApart(page: readonly PointRecord[], newIds: NewIds, move: Move): ToldApart {
  const kept: string[] = [];
  const pairs: IdPair[] = [];
  for (const record of page) {
    const pair = newIds.pairOf(record, move);
    if (pair === undefined) kept.push(record.id);
    else pairs.push(pair);
  }
  return { kept, pairs };
}

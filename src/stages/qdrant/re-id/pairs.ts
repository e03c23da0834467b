import { digest } from '../../../model/fingerprint.ts';
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

/** Points of a sample that are read at the start and at each of the places where ids are looked at: some 1,000. */
const SAMPLE_PAGE = 112;
/** Ids are hashes: a few places in their order are a sample. Numbers come before all of them. */
const SAMPLE_FROM = [undefined, ...'13579bdf'].map((digit) =>
  digit === undefined ? undefined : `"${digit}0000000-0000-0000-0000-000000000000"`,
);

/**
 * Reads ids with what tells them apart, page by page, in ascending order. `judged`: digests of pages of ids of which the
 * plan has found that none derives from the source. Such pages are read as ids alone, up to the first other one: from
 * there on ids have come or gone since.
 */
export async function* toldApart(
  store: QdrantReader,
  newIds: NewIds,
  of: EndOf,
  judged: readonly string[] = [],
): AsyncGenerator<ToldApart> {
  let from: string | undefined;
  if (judged.length > 0) {
    const { collection, field, move, end, limits } = of;
    const known = new Set(judged);
    const match = { field, value: move[end] };
    for await (const kept of store.scrollIds({ collection, match, pageSize: idPageSize(limits) })) {
      if (!known.has(pageDigest(kept))) {
        from = kept[0];
        break;
      }
      yield { kept, pairs: [] };
    }
    if (from === undefined) return;
  }
  for await (const page of recordPages(store, newIds.fields, { ...of, from })) yield tellApart(page, newIds, of.move);
}

/** Tells whether a page of ids is one that was seen before. */
export function pageDigest(ids: readonly string[]): string {
  return digest(ids.join());
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
    for await (const page of recordPages(store, newIds.fields, { ...of, from, pageSize })) {
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

/** Ids of an end with some payload fields, page by page, in ascending order. */
export function recordPages(
  store: QdrantReader,
  fields: readonly string[],
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

import type { Move } from '../../../model/move.ts';
import { idOfPoint, type PointText, payloadOf, pointUnder } from '../../../model/point-text.ts';
import type { QdrantReader } from '../../../stores/qdrant/qdrant-reader.ts';
import { tenantOf, withTenant } from '../tenant-field.ts';
import type { IdPair } from './new-ids.ts';
import type { End } from './pairs.ts';

/** A pair with its points as they stand now, as the server's own text; undefined where there is none. */
export interface StandingPair extends IdPair {
  readonly old: PointText | undefined;
  readonly new: PointText | undefined;
}

/** Reads both points of each pair. A point that another tenant has taken over is no part of a pair, and counts as absent. */
export async function standingPairs(
  store: QdrantReader,
  of: { readonly collection: string; readonly field: string; readonly move: Move; readonly end: End },
  pairs: readonly IdPair[],
): Promise<readonly StandingPair[]> {
  const { collection, field, move, end } = of;
  const texts = await store.retrieveTexts(
    collection,
    pairs.flatMap(({ from, to }) => [from, to]),
  );
  const found = new Map(texts.map((text) => [idOfPoint(text), text]));
  const own = (id: string, tenant: string) => {
    const text = found.get(id);
    return text !== undefined && tenantOf(payloadOf(text), field) === tenant ? text : undefined;
  };
  return pairs.map((pair) => ({ ...pair, old: own(pair.from, move[end]), new: own(pair.to, move.target) }));
}

/** The point as the target's, under its new id. */
export function asNew(old: PointText, { to }: IdPair, field: string, move: Move): PointText {
  return pointUnder(old, to, withTenant(payloadOf(old), field, move.target));
}

/** The point as it was before, under its old id. */
export function asOld(text: PointText, { from }: IdPair, field: string, tenant: string): PointText {
  return pointUnder(text, from, withTenant(payloadOf(text), field, tenant));
}

import type { Move } from '../../../model/move.ts';
import type { PointText } from '../../../model/point-text.ts';
import type { IdPair } from './new-ids.ts';
import type { End } from './pairs.ts';

/** These points are about to be inserted under their new ids; the old ones stay. */
export type CopyEntry = {
  readonly kind: 'copy';
  readonly move: { readonly source: string; readonly target: string };
  readonly collection: string;
  readonly field: string;
  /** Whose value the old points hold. */
  readonly end: End;
  /** Old id, new id (both JSON tokens), digest of the content without the tenant field. */
  readonly points: readonly (readonly [from: string, to: string, digest: string])[];
};

/** The points of an earlier batch stand as they were inserted, but for those that somebody else wrote. */
export type CopiedEntry = {
  readonly kind: 'copied';
  readonly of: number;
  /** New ids that are not ours. */
  readonly foreign: readonly string[];
  /** New ids of ours whose vectors the server keeps with other last digits, with the digest of what stands there. */
  readonly altered: readonly (readonly [to: string, digest: string])[];
};

/** These old points equal their new ones and are about to be deleted. */
export type RemoveEntry = {
  readonly kind: 'remove';
  readonly move: { readonly source: string; readonly target: string };
  readonly collection: string;
  readonly field: string;
  readonly end: End;
  readonly points: readonly (readonly [from: string, to: string])[];
};

interface Place {
  readonly move: Move;
  readonly collection: string;
  readonly field: string;
  readonly end: End;
}

/** A pair whose point is about to be inserted. */
export interface LoggedPoint extends IdPair {
  /** The point as it shall stand. */
  readonly text: PointText;
  /** Of its content without the tenant field. */
  readonly digest: string;
}

/** What is logged before points are inserted. */
export function copyEntry(place: Place, points: readonly LoggedPoint[]): CopyEntry {
  return { kind: 'copy', ...placeOf(place), points: points.map(({ from, to, digest }) => [from, to, digest]) };
}

/** What is logged before old points are deleted. */
export function removeEntry(place: Place, pairs: readonly IdPair[]): RemoveEntry {
  return { kind: 'remove', ...placeOf(place), points: pairs.map(({ from, to }) => [from, to]) };
}

function placeOf({ move: { source, target }, collection, field, end }: Place): Place {
  return { move: { source, target }, collection, field, end };
}

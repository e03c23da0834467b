import type { Move } from '../../../model/move.ts';
import { fieldsOf, idMaker } from '../../../model/point-id.ts';
import { idOfPoint, type PointText, payloadOf } from '../../../model/point-text.ts';
import { rawMembers } from '../../../model/raw-json.ts';
import type { Profile } from '../../../profiles/profile.ts';
import type { PointRecord } from '../../../stores/qdrant/point-calls.ts';
import type { PointContent } from '../../../stores/qdrant/qdrant-reader.ts';
import type { StageOptions } from '../../stage.ts';

/** A point's id now and the id that the application will compute for it. */
export interface IdPair {
  readonly from: string;
  readonly to: string;
}

/** Tells the ids that derive from a tenant, by the schemes that the profile knows. */
export interface NewIds {
  /** Paths of the payload that must be read to tell. */
  readonly fields: readonly string[];
  /** The pair for a point whose id derives from the source; undefined where the point keeps its id. */
  pairOf(point: PointRecord, move: Move): IdPair | undefined;
  pairOfText(point: PointText, move: Move): IdPair | undefined;
  /** The same of a payload in pieces. */
  pairOfMembers(id: string, payload: ReadonlyMap<string, string>, move: Move): IdPair | undefined;
  pairOfContent(point: PointContent, move: Move): IdPair | undefined;
}

/** Undefined where no point gets a new id: in payload mode, and where the profile knows no scheme. */
export function newIdsOf(
  { pointIdSchemes }: Pick<Profile, 'pointIdSchemes'>,
  mode: StageOptions['qdrantMode'] | undefined,
): NewIds | undefined {
  // A plan that an earlier version stored has no mode, and schemes of another form: its run goes on without new ids.
  const schemes = pointIdSchemes.filter(({ make }) => make !== undefined);
  if (mode === undefined || mode === 'payload' || schemes.length === 0) return undefined;
  const makers = schemes.map(idMaker);
  const pairOfMembers: NewIds['pairOfMembers'] = (id, payload, { source, target }) => {
    // A number is nobody's hash.
    if (!id.startsWith('"')) return undefined;
    for (const make of makers) {
      const idOf = make(payload);
      if (idOf === undefined || idOf(source) !== id) continue;
      const to = idOf(target);
      if (to !== id) return { from: id, to };
    }
    return undefined;
  };
  const pairOf: NewIds['pairOf'] = ({ id, payload }, move) => pairOfMembers(id, rawMembers(payload), move);
  return {
    fields: [...new Set(schemes.flatMap(fieldsOf))],
    pairOf,
    pairOfMembers,
    pairOfText: (point, move) => pairOf({ id: idOfPoint(point), payload: payloadOf(point) }, move),
    pairOfContent: ({ id, payload }, move) => pairOfMembers(id, payload, move),
  };
}

import type { Move } from '../../model/move.ts';
import { derivedId, type PointIdScheme } from '../../model/point-id.ts';
import type { PointContent } from '../../stores/qdrant/qdrant-reader.ts';

/** The scheme by which the most of the points derive from the source, with their number; undefined where none does. */
export function derivingScheme(
  schemes: readonly PointIdScheme[],
  points: readonly PointContent[],
  { source }: Pick<Move, 'source'>,
): { readonly scheme: PointIdScheme; readonly count: number } | undefined {
  return schemes
    .filter(({ make }) => make !== undefined)
    .map((scheme) => ({ scheme, count: points.filter((point) => derives(scheme, point, source)).length }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count)[0];
}

function derives(scheme: PointIdScheme, { id, payload }: PointContent, tenant: string): boolean {
  const members = [...payload].map(([name, text]) => `${JSON.stringify(name)}:${text}`);
  return derivedId(scheme, tenant, `{${members.join(',')}}`) === id;
}

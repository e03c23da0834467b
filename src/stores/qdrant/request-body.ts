import type { PointId } from './point-json.ts';
import type { FieldMatch } from './qdrant-reader.ts';

/** Which points a request is about; conditions are joined by "and". */
export interface PointFilter {
  readonly match?: FieldMatch | undefined;
  readonly ids?: readonly PointId[] | undefined;
  readonly severalValues?: boolean | undefined;
}

/** The filter's JSON text, or undefined where it names no condition. Ids go in as the tokens they are. */
export function filterText({ match, ids, severalValues }: PointFilter): string | undefined {
  const must: string[] = [];
  if (ids !== undefined) must.push(`{"has_id":[${ids.join(',')}]}`);
  if (match !== undefined) must.push(JSON.stringify({ key: match.field, match: { value: match.value } }));
  if (match !== undefined && severalValues) must.push(JSON.stringify({ key: match.field, values_count: { gt: 1 } }));
  return must.length === 0 ? undefined : `{"must":[${must.join(',')}]}`;
}

/** A JSON object from members that are JSON text already; undefined ones are left out. */
export function objectText(members: Readonly<Record<string, string | undefined>>): string {
  const parts = Object.entries(members)
    .filter(([, text]) => text !== undefined)
    .map(([name, text]) => `${JSON.stringify(name)}:${text}`);
  return `{${parts.join(',')}}`;
}

/** The path of a collection, percent-encoded. */
export function collectionPath(collection: string): string {
  return `/collections/${encodeURIComponent(collection)}`;
}

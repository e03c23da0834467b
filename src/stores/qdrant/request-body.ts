import { knownPath, pathText } from '../../model/payload-path.ts';
import type { PointId } from './point-json.ts';
import type { FieldMatch, ShardKey, ShardScopes } from './qdrant-reader.ts';

/** Which points a request is about; conditions are joined by "and". */
export interface PointFilter {
  readonly match?: FieldMatch | undefined;
  readonly also?: FieldMatch | undefined;
  readonly ids?: readonly PointId[] | undefined;
  readonly severalValues?: boolean | undefined;
  readonly inArrays?: boolean | undefined;
  readonly notInArrays?: boolean | undefined;
  readonly array?: ArrayMatch | undefined;
}

/** An array of exactly these elements, JSON tokens of texts, whole numbers and truth values. */
export interface ArrayMatch {
  readonly field: string;
  readonly elements: readonly string[];
  readonly unordered?: boolean | undefined;
}

/** The filter's JSON text, or undefined where it names no condition. Ids go in as the tokens they are. */
export function filterText(filter: PointFilter): string | undefined {
  const { match, also, ids, severalValues, inArrays, notInArrays, array } = filter;
  const must: string[] = [];
  if (ids !== undefined) must.push(`{"has_id":[${ids.join(',')}]}`);
  // Among points that are named, what an array must hold says enough: strict mode may allow two conditions only.
  const plain = ids !== undefined && (severalValues || inArrays) ? undefined : match;
  for (const one of [plain, also]) if (one !== undefined) must.push(matchText(one.field, valueText(one)));
  if (match !== undefined && severalValues) must.push(JSON.stringify({ key: match.field, values_count: { gt: 1 } }));
  if (match !== undefined && inArrays) must.push(matchText(`${match.field}[]`, valueText(match)));
  if (array !== undefined) must.push(...arrayConditions(array));
  const not = match !== undefined && notInArrays ? matchText(`${match.field}[]`, valueText(match)) : undefined;
  if (must.length === 0) return undefined;
  return `{"must":[${must.join(',')}]${not === undefined ? '' : `,"must_not":[${not}]`}}`;
}

/** How many conditions the filter for such an array has, beside the one on ids. */
export function arrayConditionCount(elements: number): number {
  return elements + 1;
}

/** An index serves a condition on the field, and none on a place in it. */
function arrayConditions({ field, elements, unordered }: ArrayMatch): readonly string[] {
  const count = { gte: elements.length, lte: elements.length };
  const texts = unordered ? [...new Set(elements)] : elements;
  return [
    ...texts.map((text, at) => matchText(unordered ? field : `${field}[${at}]`, text)),
    JSON.stringify({ key: field, values_count: count }),
  ];
}

function matchText(key: string, value: string): string {
  return `{"key":${JSON.stringify(key)},"match":{"value":${value}}}`;
}

/** The JSON token of the value that is matched. */
export function valueText({ value, number }: Pick<FieldMatch, 'value' | 'number'>): string {
  return number === true ? value : JSON.stringify(value);
}

/** The members of a body that sets one field to a value, given as JSON text: a nested one is merged into its parent. */
export function settingOf(field: string, value: string): Readonly<Record<string, string | undefined>> {
  const path = knownPath(field);
  const name = path.at(-1) ?? '';
  return {
    payload: `{${JSON.stringify(name)}:${value}}`,
    key: path.length === 1 ? undefined : JSON.stringify(pathText(path.slice(0, -1))),
  };
}

/** The member that names the shards to write to; a collection whose shards nobody named takes none. */
export function shardKeyText(keys: readonly ShardKey[] | undefined): string | undefined {
  return keys === undefined || keys.length === 0 ? undefined : JSON.stringify(keys);
}

/** The member that names the shards to read: those asked for, else those that a connection is bound to, else all. */
export function scopeText(
  { scopes }: { readonly scopes: ShardScopes },
  { collection, shardKeys }: { readonly collection: string; readonly shardKeys?: readonly ShardKey[] | undefined },
): string | undefined {
  return shardKeyText(shardKeys) ?? shardKeyText(scopes.get(collection));
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

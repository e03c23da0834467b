import type { Move } from '../../model/move.ts';
import type { PayloadPath } from '../../model/payload-path.ts';
import { rawItems, rawMembers } from '../../model/raw-json.ts';
import { uuidOf } from '../../model/uuid-of.ts';
import type { CollectionFacts, PayloadIndex } from '../../stores/qdrant/collection-facts.ts';
import type { FieldMatch } from '../../stores/qdrant/qdrant-reader.ts';

/** One type in which the tenant may stand in its field: as text, or as a whole number. */
export interface Form {
  /** As a whole number; as text where absent. */
  readonly number?: true;
}

export const AS_TEXT: Form = {};
export const AS_NUMBER: Form = { number: true };

/** The numbers that a payload can hold and a filter can ask for. */
const SMALLEST = -(2n ** 63n);
const LARGEST = 2n ** 63n - 1n;

/** True for an id that could stand in a payload as a whole number: `42`, but not `007`. */
export function couldBeNumber(id: string): boolean {
  return /^(0|-?[1-9]\d{0,18})$/.test(id) && BigInt(id) >= SMALLEST && BigInt(id) <= LARGEST;
}

/** An id in one type. */
export interface Value extends Form {
  readonly value: string;
}

/** Whether an index serves a filter for this value. */
export function serves(index: PayloadIndex | undefined, { value, number }: Value): boolean {
  if (number === true) return index?.type === 'integer';
  return index?.type === 'keyword' || (index?.type === 'uuid' && uuidOf(value) !== undefined);
}

/** The same for an id in any type that it can have. */
function servesId(index: PayloadIndex | undefined, value: string): boolean {
  return serves(index, { value }) || (couldBeNumber(value) && serves(index, { value, ...AS_NUMBER }));
}

export function servesBoth(index: PayloadIndex | undefined, { source, target }: Move): boolean {
  return servesId(index, source) && servesId(index, target);
}

/** Whether the server lets anybody filter the field by this value. */
export function mayFilter({ limits, indexes }: CollectionFacts, field: string, value: Value): boolean {
  return !limits.readNeedsIndex || serves(indexes.get(field), value);
}

export function matchOf(field: string, value: string, { number }: Form): FieldMatch {
  return number === true ? { field, value, number } : { field, value };
}

/** The JSON token of an id in this form. */
export function tokenOf(id: string, { number }: Form): string {
  return number === true ? id : JSON.stringify(id);
}

/** The JSON token of a text, number or truth value that the store parsed; undefined for anything else. */
export function scalarToken(value: unknown): string | undefined {
  if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number')
    return JSON.stringify(value);
  return isNumberToken(value) ? value.text : undefined;
}

/** A number that the store kept as it is written. */
function isNumberToken(value: unknown): value is { readonly text: string } {
  return typeof value === 'object' && value !== null && 'text' in value && value.constructor.name === 'NumberToken';
}

/** The tokens of an array's elements; undefined where one is of a type that no filter can ask for. */
export function elementTokens(value: readonly unknown[]): readonly string[] | undefined {
  const tokens = value.map(scalarToken);
  return tokens.every((token) => token !== undefined && /^("|true$|false$|-?\d+$)/.test(token))
    ? (tokens as readonly string[])
    : undefined;
}

/**
 * The elements after a move: the first that is source or target becomes the target, further ones are dropped. All
 * others keep their order.
 */
export function movedElements(
  elements: readonly string[],
  { source, target }: Pick<Move, 'source' | 'target'>,
): readonly string[] {
  const first = elements.findIndex((element) => element === source || element === target);
  return elements.flatMap((element, at) => {
    if (at === first) return [target];
    return element === source || element === target ? [] : [element];
  });
}

/** Which member of a payload a move may change, and between which values. */
export interface TenantField {
  readonly path: PayloadPath;
  /** Source and target as JSON tokens. */
  readonly tokens: readonly [string, string];
  /** The same two in the other type, where a payload may hold either. */
  readonly also?: readonly [string, string];
}

export function tenantField(path: PayloadPath, { source, target }: Move, form: Form): TenantField {
  return { path, tokens: [tokenOf(source, form), tokenOf(target, form)] };
}

/** The member's JSON text; undefined where there is none. */
export function fieldText(payload: ReadonlyMap<string, string>, [head, ...rest]: PayloadPath): string | undefined {
  return rest.reduce<string | undefined>((text, name) => {
    return text?.startsWith('{') ? rawMembers(text).get(name) : undefined;
  }, payload.get(head));
}

/** True where the member's text is the token, or an array that holds it and not the other. */
export function holds(text: string | undefined, token: string, other: string): boolean {
  if (text === undefined || !text.startsWith('[')) return text === token;
  const elements = rawItems(text);
  return elements.includes(token) && !elements.includes(other);
}

/**
 * A payload as text without what a move changes: a tenant that stands alone is left out, one in an array is written in
 * one way for source and target.
 */
export function payloadWithout(payload: ReadonlyMap<string, string>, { path, tokens, also }: TenantField): string {
  return withoutAt(payload, path, also === undefined ? [tokens] : [tokens, also]);
}

/** Source and target, in each type that counts. */
type Ends = readonly (readonly [string, string])[];

function withoutAt(members: ReadonlyMap<string, string>, [head, ...rest]: readonly string[], ends: Ends): string {
  const kept = [...members].flatMap(([name, text]) => {
    if (name !== head) return [[name, text] as const];
    if (rest.length > 0)
      return [[name, text.startsWith('{') ? withoutAt(rawMembers(text), rest, ends) : text] as const];
    return text.startsWith('[') ? [[name, neutralArray(text, ends)] as const] : [];
  });
  const sorted = kept.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`;
}

function neutralArray(text: string, ends: Ends): string {
  const elements = ends.reduce(
    (all, [source, target]) =>
      movedElements(all, { source, target }).map((element) => (element === target ? '*' : element)),
    rawItems(text) as readonly string[],
  );
  return `[${elements.join(',')}]`;
}

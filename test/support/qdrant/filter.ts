import { asDouble, isObject, type Json, type JsonObject } from './exact-json.ts';
import { type FieldIndex, type Scalar, uuidNumber } from './field-index.ts';
import { type JsonPath, parsePath, valuesAt } from './json-path.ts';
import type { OrderedPoints } from './ordered-points.ts';
import type { Point } from './point.ts';
import { type PointId, pointIdOf } from './point-id.ts';
import { badFormat, invalid, notSimulated } from './qdrant-error.ts';

export type Test = (point: Point) => boolean;

/** A filter, ready to be asked. */
export interface Filter {
  readonly test: Test;
  /** Ids of which every match has one, where the filter names some. */
  readonly ids?: readonly PointId[];
  /** What is left to ask of a point that is one of `ids`. */
  readonly testOfNamed?: Test;
  /** A set of points that holds every match, where an index knows one. */
  readonly candidates?: OrderedPoints;
  /** Whether `candidates` are the matches, so that none needs to be asked. */
  readonly settled?: boolean;
  /** Fields that the filter asks about, with the index types that would serve: for strict mode. */
  readonly fields: readonly { readonly key: string; readonly types: readonly string[] }[];
  readonly conditions: number;
  /** The most values that one condition lists. */
  readonly largest: number;
}

export type Indexes = ReadonlyMap<string, FieldIndex>;

const CONDITIONS = new Set(['match', 'range', 'values_count', 'is_empty', 'is_null']);
const NOT_SIMULATED = ['geo_bounding_box', 'geo_radius', 'geo_polygon'];

/** Reads a filter. `path` names it in the error that a wrong one gets. */
export function filterOf(given: Json, indexes: Indexes, path: string): Filter {
  if (!isObject(given)) throw badFormat('invalid type: expected struct Filter');
  const must = listOf(given.must, indexes, `${path}.must`);
  const should = listOf(given.should, indexes, `${path}.should`);
  const not = listOf(given.must_not, indexes, `${path}.must_not`);
  const least = isObject(given.min_should) ? given.min_should : undefined;
  const atLeast = listOf(least?.conditions, indexes, `${path}.min_should.conditions`);
  const minimum = asDouble(least?.min_count) ?? 0;
  const all = [...must, ...should, ...not, ...atLeast];
  const naming = must.find((condition) => condition.ids !== undefined);
  const candidates = must.flatMap((condition) => condition.candidates ?? []).sort((a, b) => a.size - b.size)[0];
  const settled = all.length === 1 && least === undefined && must[0]?.settled === true;
  const others = must.filter((condition) => condition !== naming);
  const testOfNamed: Test = (point) =>
    (naming?.testOfNamed?.(point) ?? true) &&
    others.every(({ test }) => test(point)) &&
    (should.length === 0 || should.some(({ test }) => test(point))) &&
    !not.some(({ test }) => test(point)) &&
    (least === undefined || atLeast.filter(({ test }) => test(point)).length >= minimum);
  return {
    test: (point) => (naming?.test(point) ?? true) && testOfNamed(point),
    ...(naming?.ids === undefined ? {} : { ids: naming.ids, testOfNamed }),
    ...(candidates === undefined ? {} : { candidates, settled }),
    fields: all.flatMap(({ fields }) => fields),
    conditions: all.reduce((sum, { conditions }) => sum + conditions, 0),
    largest: Math.max(0, ...all.map(({ largest }) => largest)),
  };
}

function listOf(given: Json | undefined, indexes: Indexes, path: string): readonly Filter[] {
  if (given === undefined || given === null) return [];
  const list = (Array.isArray(given) ? given : [given]) as readonly Json[];
  return list.map((condition, at) => conditionOf(condition, indexes, `${path}[${at}]`));
}

function conditionOf(given: Json, indexes: Indexes, path: string): Filter {
  if (!isObject(given)) throw badFormat('data did not match any variant of untagged enum Condition');
  if (given.has_id !== undefined) return hasId(given.has_id);
  if (given.has_vector !== undefined) {
    const name = String(given.has_vector);
    return plain((point) => point.vectors[name] !== undefined);
  }
  if (isObject(given.nested)) return nested(given.nested, indexes, path);
  if (isObject(given.is_empty)) return fieldCondition(String(given.is_empty.key), { is_empty: true }, indexes, path);
  if (isObject(given.is_null)) return fieldCondition(String(given.is_null.key), { is_null: true }, indexes, path);
  if (typeof given.key === 'string') return fieldCondition(given.key, given, indexes, path);
  if ('must' in given || 'should' in given || 'must_not' in given || 'min_should' in given) {
    return filterOf(given, indexes, path);
  }
  throw badFormat('data did not match any variant of untagged enum Condition');
}

function plain(test: Test): Filter {
  return { test, fields: [], conditions: 1, largest: 0 };
}

function hasId(given: Json): Filter {
  if (!Array.isArray(given)) throw badFormat('data did not match any variant of untagged enum Condition');
  const ids = given.map(pointIdOf);
  let wanted: ReadonlySet<PointId> | undefined;
  const test: Test = (point) => {
    wanted ??= new Set(ids);
    return wanted.has(point.id);
  };
  return { ...plain(test), ids, largest: ids.length };
}

function nested(given: JsonObject, indexes: Indexes, path: string): Filter {
  const inner = filterOf(given.filter ?? {}, new Map(), `${path}.nested.filter`);
  const place = parsePath(String(given.key));
  const test: Test = (point) =>
    valuesAt(point.payload, place)
      .flat()
      .some((element) => isObject(element) && inner.test({ ...point, payload: element }));
  const fields = inner.fields.map(({ key, types }) => ({ key: `${String(given.key)}[].${key}`, types }));
  return { ...plain(test), fields: fields.filter(({ key }) => !indexes.has(key)), conditions: inner.conditions };
}

function fieldCondition(key: string, given: JsonObject, indexes: Indexes, path: string): Filter {
  const unknown = NOT_SIMULATED.find((word) => given[word] !== undefined);
  if (unknown !== undefined) throw notSimulated(`condition ${unknown}`);
  const words = Object.keys(given).filter((word) => CONDITIONS.has(word) && given[word] !== null);
  if (words.length === 0) {
    throw invalid(`${path}.__all__`, 'Validation error: At least one field condition must be specified [{}]');
  }
  const place = parsePath(key);
  const parts = words.map((word) => fieldTest(word, given[word] as Json, place, indexes.get(key)));
  const types = parts.flatMap((part) => part.types);
  const value = isObject(given.match) ? (given.match.value as Scalar | undefined) : undefined;
  const candidates = value === undefined ? undefined : indexes.get(key)?.lookup(value);
  return {
    test: (point) => parts.every(({ test }) => test(point.payload)),
    ...(candidates === undefined ? {} : { candidates, settled: words.length === 1 }),
    fields: types.length === 0 ? [] : [{ key, types }],
    conditions: 1,
    largest: Math.max(0, ...parts.map(({ size }) => size)),
  };
}

interface FieldTest {
  readonly test: (payload: JsonObject) => boolean;
  readonly types: readonly string[];
  readonly size: number;
}

function fieldTest(word: string, given: Json, place: JsonPath, index: FieldIndex | undefined): FieldTest {
  const none = { types: [], size: 0 };
  switch (word) {
    case 'match':
      return matchTest(given, place, index);
    case 'range':
      return { ...none, test: rangeTest(given, place), types: ['integer', 'float'] };
    case 'values_count': {
      const within = boundsOf(given);
      const count = (payload: JsonObject) =>
        valuesAt(payload, place).reduce<number>((sum, value) => sum + countOf(value), 0);
      return { ...none, test: (payload) => within(count(payload)) };
    }
    case 'is_empty':
      return { ...none, test: (payload) => isEmpty(valuesAt(payload, place)) === (given !== false) };
    default:
      return { ...none, test: (payload) => valuesAt(payload, place).flat().includes(null) === (given !== false) };
  }
}

function matchTest(given: Json, place: JsonPath, index: FieldIndex | undefined): FieldTest {
  if (!isObject(given)) throw badFormat('data did not match any variant of untagged enum Match');
  if (given.value !== undefined) {
    const wanted = given.value;
    if (!isScalar(wanted)) throw badFormat('data did not match any variant of untagged enum Match');
    const uuid = typeof wanted === 'string' ? uuidNumber(wanted) : undefined;
    const types = [typeOf(wanted), ...(uuid === undefined ? [] : ['uuid'])];
    if (uuid !== undefined && index?.type === 'uuid') {
      const test = anyElement(place, (value) => typeof value === 'string' && uuidNumber(value) === uuid);
      return { test, types, size: 0 };
    }
    return { test: anyElement(place, (value) => value === wanted), types, size: 0 };
  }
  if (Array.isArray(given.any) || Array.isArray(given.except)) {
    const listed = (given.any ?? given.except) as readonly Json[];
    const wanted = new Set(listed);
    const has = Array.isArray(given.any);
    const types = [typeOf(listed[0] ?? '')];
    return { test: anyElement(place, (value) => wanted.has(value) === has), types, size: listed.length };
  }
  if (typeof given.text === 'string') {
    const text = given.text;
    const test = anyElement(place, (value) => typeof value === 'string' && value.includes(text));
    return { test, types: ['text'], size: 0 };
  }
  throw badFormat('data did not match any variant of untagged enum Match');
}

/** True where one of the values, or of the elements of an array, passes. */
function anyElement(place: JsonPath, passes: (value: Json) => boolean): FieldTest['test'] {
  const [key] = place;
  if (place.length === 1 && typeof key === 'string') {
    return (payload) => {
      const value = Object.hasOwn(payload, key) ? payload[key] : undefined;
      if (value === undefined) return false;
      return Array.isArray(value) ? (value as readonly Json[]).some(passes) : passes(value);
    };
  }
  return (payload) => {
    for (const value of valuesAt(payload, place)) {
      if (Array.isArray(value) ? (value as readonly Json[]).some(passes) : passes(value)) return true;
    }
    return false;
  };
}

function rangeTest(given: Json, place: JsonPath): FieldTest['test'] {
  const bounds = isObject(given) ? Object.values(given) : [];
  if (bounds.some((bound) => typeof bound === 'string')) {
    const within = boundsOf(given, (bound) => Date.parse(String(bound)));
    return anyElement(place, (value) => typeof value === 'string' && within(Date.parse(value)));
  }
  const within = boundsOf(given);
  return anyElement(place, (value) => {
    const number = asDouble(value);
    return number !== undefined && within(number);
  });
}

function boundsOf(given: Json, read: (bound: Json) => number | undefined = asDouble): (value: number) => boolean {
  if (!isObject(given)) throw badFormat('data did not match any variant of untagged enum RangeInterface');
  const bound = (name: string) => {
    const value = given[name];
    return value === undefined || value === null ? undefined : read(value);
  };
  const [gt, gte, lt, lte] = [bound('gt'), bound('gte'), bound('lt'), bound('lte')];
  return (value) =>
    (gt === undefined || value > gt) &&
    (gte === undefined || value >= gte) &&
    (lt === undefined || value < lt) &&
    (lte === undefined || value <= lte);
}

function countOf(value: Json): number {
  if (Array.isArray(value)) return value.length;
  return value === null ? 0 : 1;
}

function isEmpty(values: readonly Json[]): boolean {
  return values.every((value) => value === null || (Array.isArray(value) && value.length === 0));
}

function isScalar(value: Json): value is Scalar {
  return (
    typeof value === 'string' || typeof value === 'boolean' || typeof value === 'bigint' || Number.isInteger(value)
  );
}

function typeOf(value: Json): string {
  if (typeof value === 'string') return 'keyword';
  return typeof value === 'boolean' ? 'bool' : 'integer';
}

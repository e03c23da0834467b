import type { Json } from '../../model/json.ts';

/** The driver's classes for what JSON has no form for. */
export type DriverTypes = typeof import('neo4j-driver').default.types;

/**
 * A property's value as JSON from which {@link propertyValue} makes the same value again: `{"int":"5"}`, `1.5`,
 * `{"float":"NaN"}`, `{"bytes":"<base64>"}`, `{"date":["2026","1","2"]}` … Undefined for a type that is not known here.
 * Expects values as the driver gives them with `useBigInt`.
 */
export function propertyJson(value: unknown): Json | undefined {
  switch (typeof value) {
    case 'bigint':
      return { int: String(value) };
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { float: Object.is(value, -0) ? '-0' : `${value}` };
    case 'string':
    case 'boolean':
      return value;
    case 'object':
      return value === null ? null : objectJson(value);
    default:
      return undefined;
  }
}

/** The inverse of {@link propertyJson}. Throws a TypeError on anything else. */
export function propertyValue(json: Json, types: DriverTypes): unknown {
  if (json === null || typeof json !== 'object') return json;
  if (Array.isArray(json)) return json.map((item: Json) => propertyValue(item, types));
  const [[kind, inner] = ['', null], ...more] = Object.entries(json) as [string, Json][];
  if (more.length > 0) throw new TypeError('a property value of more than one kind');
  if (kind === 'map') return membersOf(inner as Readonly<Record<string, Json>>, types);
  if (typeof inner === 'string') return scalarOf(kind, inner);
  if (Array.isArray(inner)) return temporalOf(kind, inner as (string | null)[], types);
  throw new TypeError(`a property value of the unknown kind ${kind}`);
}

/** The parts of each class in the order of its constructor. */
const PARTS = {
  Date: ['date', 'year', 'month', 'day'],
  LocalTime: ['localtime', 'hour', 'minute', 'second', 'nanosecond'],
  Time: ['time', 'hour', 'minute', 'second', 'nanosecond', 'timeZoneOffsetSeconds'],
  LocalDateTime: ['localdatetime', 'year', 'month', 'day', 'hour', 'minute', 'second', 'nanosecond'],
  DateTime: [
    'datetime',
    ...['year', 'month', 'day', 'hour', 'minute', 'second', 'nanosecond', 'timeZoneOffsetSeconds', 'timeZoneId'],
  ],
  Duration: ['duration', 'months', 'days', 'seconds', 'nanoseconds'],
  Point: ['point', 'srid', 'x', 'y', 'z'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** Parts that are no integers. */
const FLOATS = new Set(['x', 'y', 'z']);

function objectJson(value: object): Json | undefined {
  if (Array.isArray(value)) {
    const items = value.map(propertyJson);
    return items.includes(undefined) ? undefined : (items as Json[]);
  }
  if (ArrayBuffer.isView(value)) {
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return { bytes: bytes.toString('base64') };
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) return mapJson(value as Record<string, unknown>);
  const parts = PARTS[prototype.constructor?.name as keyof typeof PARTS];
  if (parts === undefined) return undefined;
  const [kind, ...names] = parts;
  const members = value as Record<string, unknown>;
  return { [kind]: names.map((name) => partJson(members[name])) };
}

function partJson(part: unknown): string | null {
  if (part === undefined || part === null) return null;
  return Object.is(part, -0) ? '-0' : String(part);
}

function mapJson(members: Record<string, unknown>): Json | undefined {
  const entries = Object.entries(members).map(([name, member]) => [name, propertyJson(member)] as const);
  if (entries.some(([, member]) => member === undefined)) return undefined;
  return { map: Object.fromEntries(entries) as Record<string, Json> };
}

function membersOf(members: Readonly<Record<string, Json>>, types: DriverTypes): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).map(([name, member]) => [name, propertyValue(member, types)]));
}

function scalarOf(kind: string, text: string): unknown {
  if (kind === 'int') return BigInt(text);
  if (kind === 'float') return Number(text);
  if (kind === 'bytes') return new Int8Array(Buffer.from(text, 'base64'));
  throw new TypeError(`a property value of the unknown kind ${kind}`);
}

function temporalOf(kind: string, texts: readonly (string | null)[], types: DriverTypes): unknown {
  const known = Object.entries(PARTS).find(([, [name]]) => name === kind);
  if (known === undefined) throw new TypeError(`a property value of the unknown kind ${kind}`);
  const [className, [, ...names]] = known;
  const parts = texts.map((text, index) => {
    const name = names[index] ?? '';
    if (text === null) return undefined;
    return name === 'timeZoneId' ? text : FLOATS.has(name) ? Number(text) : BigInt(text);
  });
  const Class = types[className as keyof typeof PARTS] as unknown as new (...values: unknown[]) => unknown;
  return new Class(...parts);
}

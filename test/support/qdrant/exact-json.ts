import { parse } from 'lossless-json';
import { doubleText } from './float-text.ts';
import { badFormat } from './qdrant-error.ts';

/** A number written as a float whose value is whole: `1.0`, `1e21`. It prints as a float again. */
export class WholeFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

export type JsonObject = { readonly [key: string]: Json };
/** JSON in which integers above 2^53 are bigints and whole floats are told apart from integers. */
export type Json = null | boolean | number | bigint | string | WholeFloat | readonly Json[] | JsonObject;

const LONG_INTEGER = /[:,[\s]-?\d{16}/;
const WHOLE_FLOAT = /\.0+[\s,\]}]/;
const EXPONENT = /\d[eE][+-]?\d+[\s,\]}]/;
const U64_MAX = 18446744073709551615n;
const I64_MIN = -9223372036854775808n;

export interface ParsedJson {
  readonly value: Json;
  /** Whether the text may hold numbers that `JSON.parse` and `JSON.stringify` would alter. */
  readonly exact: boolean;
}

/** Reads a request's body. Takes the fast way where a look at the text shows no number that needs care. */
export function parseJson(text: string): ParsedJson {
  const rest = withoutVectors(text);
  if (rest.cut > 0 && !needsCare(rest.text)) {
    const value = parsePlainly(text);
    if (areAll(value, rest.cut)) return { value, exact: false };
  }
  if (!needsCare(text)) return { value: parsePlainly(text), exact: false };
  try {
    const options = { parseNumber: exactNumber, onDuplicateKey: ({ newValue }: { newValue: unknown }) => newValue };
    return { value: parse(text, undefined, options) as Json, exact: true };
  } catch {
    return { value: parsePlainly(text), exact: true };
  }
}

function needsCare(text: string): boolean {
  return LONG_INTEGER.test(text) || WHOLE_FLOAT.test(text) || EXPONENT.test(text);
}

const VECTOR = '"vector":[';

/** The numbers of a vector become 32-bit floats, and are printed as such: however they are written, none needs care. */
function withoutVectors(text: string): { readonly text: string; readonly cut: number } {
  const parts: string[] = [];
  let kept = 0;
  for (let at = text.indexOf(VECTOR); at >= 0; at = text.indexOf(VECTOR, kept)) {
    const end = text.indexOf(']', at);
    if (end < 0) break;
    parts.push(text.slice(kept, at));
    kept = end;
  }
  return { text: parts.join('') + text.slice(kept), cut: parts.length };
}

/** Whether what was cut out are the vectors of these points, one each, and nothing of a payload. */
function areAll(value: Json, cut: number): boolean {
  if (!isObject(value) || !Array.isArray(value.points) || value.points.length !== cut) return false;
  return value.points.every((point: Json) => isObject(point) && isPlainVector(point.vector));
}

function isPlainVector(vector: Json | undefined): boolean {
  return Array.isArray(vector) && !Array.isArray(vector[0]);
}

/** JSON text as Qdrant prints it. */
export function jsonText(value: Json, exact: boolean): string {
  return exact ? exactText(value) : JSON.stringify(value);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof WholeFloat);
}

/** The value as a double, where it is a number at all. */
export function asDouble(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  return value instanceof WholeFloat ? value.value : undefined;
}

function exactNumber(text: string): number | bigint | WholeFloat {
  const value = Number(text);
  if (/[.eE]/.test(text)) return Number.isInteger(value) ? new WholeFloat(value) : value;
  if (Number.isSafeInteger(value)) return value;
  const integer = BigInt(text);
  return integer > U64_MAX || integer < I64_MIN ? new WholeFloat(value) : integer;
}

function exactText(value: Json): string {
  if (typeof value === 'bigint') return String(value);
  if (value instanceof WholeFloat) return doubleText(value.value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(exactText).join(',')}]`;
  return `{${Object.entries(value)
    .map(([key, member]) => `${JSON.stringify(key)}:${exactText(member)}`)
    .join(',')}}`;
}

function parsePlainly(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    const message = (error as Error).message;
    const position = /position (\d+)/.exec(message);
    if (position === null) throw badFormat(`EOF while parsing a value at ${placeOf(text, text.length)}`);
    throw badFormat(`expected value at ${placeOf(text, Number(position[1]) + 1)}`);
  }
}

/** Where a reader stands after `length` characters, as serde_json words it. */
export function placeOf(text: string, length: number): string {
  const read = text.slice(0, length);
  const lineStart = read.lastIndexOf('\n') + 1;
  return `line ${read.split('\n').length} column ${read.length - lineStart}`;
}

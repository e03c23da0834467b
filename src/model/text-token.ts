import { createHash } from 'node:crypto';
import { memberSpans } from './raw-json.ts';

/**
 * What stands in one field of a JSON value: `text`: a string, and where its token is; `scalar`: a number or so;
 * `none`: no such field; `odd`: it cannot be told, or not be changed without doubt.
 */
export type FieldToken =
  | TextToken
  | { readonly kind: 'scalar'; readonly text: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'odd'; readonly why: 'not JSON' | 'the field stands there twice' };

export interface TextToken {
  readonly kind: 'text';
  /** What the string says, whatever its spelling. */
  readonly value: string;
  /** Bytes of the token, its quotes included. */
  readonly start: number;
  readonly end: number;
  /** Whether the whole value is ASCII, as some writers keep it with escapes. */
  readonly ascii: boolean;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Looks a field up without changing a byte: the value is read as JSON to be sure of it, and cut as bytes. */
export function fieldToken(bytes: Buffer, path: readonly string[]): FieldToken {
  const root = parse(bytes);
  if (root === undefined) return { kind: 'odd', why: 'not JSON' };
  // One character a byte: what marks JSON's structure is ASCII, and never part of another character in UTF-8.
  const text = bytes.toString('latin1');
  let span = { start: 0, end: text.length };
  let value: unknown = root.value;
  for (const step of path) {
    if (!isObject(value) || !Object.hasOwn(value, step)) return { kind: 'none' };
    value = value[step];
    const found = memberSpans(text, span.start).filter(
      ({ nameStart, nameEnd }) => parseToken(bytes, nameStart, nameEnd) === step,
    );
    const [only, ...others] = found;
    // Parsers differ in which of them they take.
    if (only === undefined || others.length > 0) return { kind: 'odd', why: 'the field stands there twice' };
    span = only;
  }
  if (typeof value === 'string') return { kind: 'text', value, ...pick(span), ascii: isAscii(text) };
  return value === null || typeof value === 'object'
    ? { kind: 'none' }
    : { kind: 'scalar', text: text.slice(span.start, span.end) };
}

/** The bytes with another token in that place; all else as it was. */
export function withToken(bytes: Buffer, { start, end }: Pick<TextToken, 'start' | 'end'>, token: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, start), token, bytes.subarray(end)]);
}

/** By which a store tells whether a value is still what it was; the one that Redis can compute, too. */
export function textHash(bytes: Buffer): string {
  return createHash('sha1').update(bytes).digest('hex');
}

/** A string as JSON; `ascii` with escapes, for a value that holds nothing but ASCII. */
export function tokenOf(value: string, ascii: boolean): Buffer {
  const token = JSON.stringify(value);
  return Buffer.from(ascii ? asciiJson(token) : token);
}

/** JSON text with an escape in place of every character that is not ASCII. */
export function asciiJson(token: string): string {
  return token.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function parse(bytes: Buffer): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(utf8.decode(bytes)) };
  } catch {
    // Not UTF-8, or not JSON: a byte order mark at the start is neither white space nor a value.
    return undefined;
  }
}

function parseToken(bytes: Buffer, start: number, end: number): unknown {
  return JSON.parse(bytes.toString('utf8', start, end));
}

function pick({ start, end }: { start: number; end: number }): { start: number; end: number } {
  return { start, end };
}

function isAscii(latin1: string): boolean {
  return Buffer.byteLength(latin1) === latin1.length;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

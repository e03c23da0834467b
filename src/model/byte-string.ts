import type { Json } from './json.ts';

/**
 * Bytes as a string in which each character is one byte (Latin-1). Keys are bytes, not text: in this form
 * they can be compared, searched and used in maps without loss, at the speed of strings.
 */
export type ByteString = string;

/** In UTF-8 only ASCII takes one byte a character. Three times as fast as an expression, and asked for every key. */
const isAscii = (text: string): boolean => Buffer.byteLength(text) === text.length;

/** The UTF-8 bytes of a text. */
export function fromText(text: string): ByteString {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

export function fromBytes(bytes: Buffer): ByteString {
  return bytes.toString('latin1');
}

/** What a Redis client is to send: the string itself where it is ASCII (fast), the bytes elsewhere. */
export function toArgument(bytes: ByteString): string | Buffer {
  return isAscii(bytes) ? bytes : Buffer.from(bytes, 'latin1');
}

/** For people: the text where the bytes are UTF-8 without control characters, else escaped as `\xff`. */
export function printable(bytes: ByteString): string {
  const text = asUtf8(bytes);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (text !== undefined && !/[\0-\x1f\x7f-\x9f]/.test(text)) return text;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped
  return bytes.replace(/[\0-\x1f\x7f-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** For files: the text where the bytes are UTF-8, else `{"base64": …}`. {@link fromJson} takes it back exactly. */
export function toJson(bytes: ByteString): Json {
  return asUtf8(bytes) ?? { base64: Buffer.from(bytes, 'latin1').toString('base64') };
}

/** The inverse of {@link toJson}. Throws a TypeError on anything else. */
export function fromJson(value: unknown): ByteString {
  if (typeof value === 'string') return fromText(value);
  if (typeof value === 'object' && value !== null && 'base64' in value && typeof value.base64 === 'string') {
    return Buffer.from(value.base64, 'base64').toString('latin1');
  }
  throw new TypeError('neither a text nor {"base64": …}');
}

function asUtf8(bytes: ByteString): string | undefined {
  if (isAscii(bytes)) return bytes;
  const buffer = Buffer.from(bytes, 'latin1');
  const text = buffer.toString('utf8');
  return Buffer.from(text, 'utf8').equals(buffer) ? text : undefined;
}

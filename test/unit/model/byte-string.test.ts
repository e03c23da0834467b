import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromBytes, fromJson, fromText, printable, toArgument, toJson } from '../../../src/model/byte-string.ts';

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
const text = fc.string({ unit: 'grapheme', maxLength: 20 });

describe('a byte string', () => {
  test('comes back from JSON text as the bytes that it was', () => {
    fc.assert(
      fc.property(fc.oneof(bytes, text.map(Buffer.from)), (value) => {
        const through = fromJson(JSON.parse(JSON.stringify(toJson(fromBytes(value)))));
        expect(Buffer.from(through, 'latin1').equals(value)).toBe(true);
      }),
    );
  });

  test('is sent to the server as the bytes that it was', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(Buffer.from(toArgument(fromBytes(value))).equals(value)).toBe(true);
      }),
    );
  });

  test('of a text is its UTF-8, and stands in JSON and for people as that text', () => {
    fc.assert(
      fc.property(text, (value) => {
        expect(fromText(value)).toBe(fromBytes(Buffer.from(value)));
        expect(toJson(fromText(value))).toBe(value);
      }),
    );
    expect(printable(fromText('sïráya:日本'))).toBe('sïráya:日本');
  });

  test('keeps a byte order mark, and NUL', () => {
    for (const value of ['\ufeffkey', 'a\0b', '']) expect(fromJson(toJson(fromText(value)))).toBe(fromText(value));
  });

  test('shows bytes that are no text, and control characters, escaped', () => {
    expect(printable(fromBytes(Buffer.from([0x61, 0xff, 0x00])))).toBe('a\\xff\\x00');
    expect(printable('a\x1b[31mb')).toBe('a\\x1b[31mb');
  });

  test.each([[undefined], [null], [7], [{}], [{ base64: 7 }], [['a']]])('is not read from %j', (value) =>
    expect(() => fromJson(value)).toThrow(TypeError),
  );
});

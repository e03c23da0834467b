import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fieldToken, textHash, tokenOf, withToken } from '../../../src/model/text-token.ts';

const PATH = ['tenant_id'];
const kindOf = (text: string | Buffer, path = PATH) => {
  const found = fieldToken(Buffer.from(text as string), path);
  return found.kind === 'text' ? found.value : found.kind === 'odd' ? found.why : found.kind;
};

describe('the token of a field', () => {
  test.each<[string, string]>([
    ['{"tenant_id":"acme"}', 'acme'],
    ['{"tenant_id":"\\u0061cm\\u0065"}', 'acme'],
    [' { "a" : {"tenant_id": "no"}, "tenant_id"\t:\n"acme" } ', 'acme'],
    ['{"tenant\\u005fid":"acme"}', 'acme'],
    ['{"x":"\\"tenant_id\\":\\"no\\"","tenant_id":"acme"}', 'acme'],
    ['{"tenant_id":7}', 'scalar'],
    ['{"tenant_id":null}', 'none'],
    ['{"tenant_id":["acme"]}', 'none'],
    ['{"a":{"tenant_id":"acme"}}', 'none'],
    ['["tenant_id","acme"]', 'none'],
    ['"acme"', 'none'],
    ['{"tenant_id":"acme","tenant_id":"acme"}', 'the field stands there twice'],
    ['{"tenant_id":"acme","tenant\\u005fid":"x"}', 'the field stands there twice'],
    ['\u{feff}{"tenant_id":"acme"}', 'not JSON'],
    ['{"tenant_id":"acme"', 'not JSON'],
    ['{"tenant_id":"acme"} x', 'not JSON'],
    ['{"progress":NaN,"tenant_id":"acme"}', 'not JSON'],
    ['', 'not JSON'],
  ])('of %j is %j', (text, expected) => {
    expect(kindOf(text)).toBe(expected);
  });

  test('of bytes that are no UTF-8 is not told', () => {
    expect(kindOf(Buffer.from('7b2274656e616e745f6964223a2261636d65222c2278223a22ff227d', 'hex'))).toBe('not JSON');
  });

  test('is found on a path, and not where a member on the way is doubled', () => {
    expect(kindOf('{"meta":{"x":1,"tenant_id":"acme"}}', ['meta', 'tenant_id'])).toBe('acme');
    expect(kindOf('{"meta":{},"meta":{"tenant_id":"acme"}}', ['meta', 'tenant_id'])).toBe(
      'the field stands there twice',
    );
  });

  test('keeps a value of ASCII one of ASCII', () => {
    expect(tokenOf('é🌊"', true).toString()).toBe('"\\u00e9\\ud83c\\udf0a\\""');
    expect(tokenOf('é', false).toString()).toBe('"é"');
    expect(JSON.parse(tokenOf('é🌊"\u2028', true).toString())).toBe('é🌊"\u2028');
  });
});

/** JSON text as different writers give it: white space, escapes, numbers of many digits, any order. */
const blank = fc.constantFrom('', ' ', '\n  ', '\t');
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
  fc.string().map((text) => JSON.stringify(text).replace(/[a-z]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`)),
);
const anyJson = fc.letrec<{ value: string; object: string }>((tie) => ({
  object: fc
    .array(fc.tuple(blank, anyText, blank, tie('value')), { maxLength: 4 })
    .map((members) => `{${members.map(([a, name, b, value]) => `${a}${name}${b}:${b}${value}${a}`).join(',')}}`),
  value: fc.oneof(
    { depthSize: 'small' },
    anyText,
    fc.constantFrom('1e400', '-0.000', '12345678901234567890', 'true', 'null', '[]', '[1, "tenant_id"]'),
    tie('object'),
    fc.array(tie('value'), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`),
  ),
})).object;

/** Half a pair is no character: in UTF-8 JSON writes it as an escape, which reads back as it was. */
const wellFormed = (text: string) => JSON.parse(JSON.stringify(text)) as string;

test('only the token’s bytes change, and they change back', () => {
  const id = fc.string({ unit: 'binary', minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(anyJson, id, id, fc.nat(), blank, (object, source, target, place, around) => {
      // The member stands somewhere among the others, between two of them.
      const inner = object.slice(1, -1);
      const member = `"tenant_id"${around}:${around}${JSON.stringify(source)}`;
      const text = inner === '' ? `{${member}}` : place % 2 === 0 ? `{${member},${inner}}` : `{${inner},${member}}`;
      const bytes = Buffer.from(text);
      const found = fieldToken(bytes, PATH);
      if (found.kind === 'odd') {
        // Only a member of the same name beside it makes it so.
        expect(Object.keys(JSON.parse(object))).toContain('tenant_id');
        return;
      }
      if (found.kind !== 'text') throw new Error(found.kind);
      expect(found.value).toBe(wellFormed(source));
      const old = bytes.subarray(found.start, found.end);
      const after = withToken(bytes, found, tokenOf(target, found.ascii));
      expect(JSON.parse(after.toString())).toEqual({ ...JSON.parse(text), tenant_id: wellFormed(target) });
      expect(after.subarray(0, found.start)).toEqual(bytes.subarray(0, found.start));
      expect(after.subarray(after.length - (bytes.length - found.end))).toEqual(bytes.subarray(found.end));
      const now = fieldToken(after, PATH);
      if (now.kind !== 'text') throw new Error(now.kind);
      expect(textHash(withToken(after, now, Buffer.from(old)))).toBe(textHash(bytes));
    }),
    { numRuns: 500 },
  );
});

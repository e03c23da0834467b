import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalRaw, onOneLine, rawItems, rawMembers, withRawMember } from '../../../src/model/raw-json.ts';

describe('JSON text in pieces', () => {
  it('keeps every digit of a number, and the order of the members', () => {
    const members = rawMembers('{"id":9007199254740993, "payload":{"b":1.0,"a":[1e-7,-0.0]},"vector":null}');
    expect([...members]).toEqual([
      ['id', '9007199254740993'],
      ['payload', '{"b":1.0,"a":[1e-7,-0.0]}'],
      ['vector', 'null'],
    ]);
  });

  it('keeps members that an object in JavaScript would lose or reorder', () => {
    const text = '{"10":1,"2":2,"__proto__":{"x":1}}';
    expect([...rawMembers(text).keys()]).toEqual(['10', '2', '__proto__']);
  });

  it('finds the pieces of any object and any array, with and without blanks', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(0, 2), (value, indent) => {
        const members = rawMembers(JSON.stringify(value, undefined, indent));
        expect(Object.keys(JSON.parse(JSON.stringify(value))).sort()).toEqual([...members.keys()].sort());
        for (const [name, text] of members) expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value))[name]);
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.constantFrom(0, 2), (value, indent) => {
        expect(rawItems(JSON.stringify(value, undefined, indent)).map((item) => JSON.parse(item))).toEqual(
          JSON.parse(JSON.stringify(value)),
        );
      }),
    );
  });

  it('refuses what is cut off', () => {
    for (const text of ['{"a":1', '{"a', '{"a":[1,2', '', '[]']) expect(() => rawMembers(text)).toThrow(SyntaxError);
    expect(() => rawItems('["a"')).toThrow(SyntaxError);
  });

  it('puts what was indented on one line without a change of meaning', () => {
    const value = { text: 'a\nb\u2028', list: [1, { x: 'y\r' }] };
    const line = onOneLine(JSON.stringify(value, undefined, 2));
    expect(line).not.toMatch(/[\r\n]/);
    expect(JSON.parse(line)).toEqual(value);
  });
});

describe('another value for a member', () => {
  it('changes that value and no other character, wherever the name is repeated', () => {
    const text = '{ "a" : 1.0, "t":"old\\u0041", "b":{"t":"old"},"t":[1e-45] }';
    expect(withRawMember(text, 't', '"new"')).toBe('{ "a" : 1.0, "t":"new", "b":{"t":"old"},"t":"new" }');
    expect(withRawMember(text, 'none', '1')).toBe(text);
  });

  it('is what parsing, changing and writing gives, for any payload and any name', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), fc.string(), (value, name, to) => {
        const own = Object.defineProperty({ ...value }, name, { value: 'old', enumerable: true, writable: true });
        const changed = withRawMember(JSON.stringify(own), name, JSON.stringify(to));
        expect(rawMembers(changed).get(name)).toBe(JSON.stringify(to));
        expect(withRawMember(changed, name, '"old"')).toBe(JSON.stringify(own));
      }),
    );
  });
});

describe('the canonical text', () => {
  it('is the same for equal values however they are written, and keeps every digit', () => {
    expect(canonicalRaw('{ "b": [1.0, 1e-45,{"y":1,"x":[ ]}], "a":"\\u00e9\\/" }')).toBe(
      '{"a":"é/","b":[1.0,1e-45,{"x":[],"y":1}]}',
    );
    expect(canonicalRaw('[1.0, 2]')).not.toBe(canonicalRaw('[1, 2]'));
  });

  it('parses to the value it was made of', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 2), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        expect(JSON.parse(canonicalRaw(text))).toEqual(JSON.parse(text));
        expect(canonicalRaw(canonicalRaw(text))).toBe(canonicalRaw(text));
      }),
    );
  });
});

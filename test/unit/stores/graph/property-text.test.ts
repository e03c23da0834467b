import fc from 'fast-check';
import neo4j from 'neo4j-driver';
import { describe, expect, it } from 'vitest';
import { propertyText } from '../../../../src/stores/graph/property-text.ts';

const different: readonly (readonly [string, unknown, unknown])[] = [
  ['integers above 2^53', 9007199254740993n, 9007199254740992n],
  ['an integer and a float', 1n, 1],
  ['a number and its text', 1n, '1'],
  ['zero and minus zero', 0, -0],
  ['NaN and infinity', Number.NaN, Number.POSITIVE_INFINITY],
  ['true and its text', true, 'true'],
  ['composed and decomposed text', 'é', 'e\u0301'],
  ['one list item and two', ['a,b'], ['a', 'b']],
  ['points in two systems', new neo4j.types.Point(4326n, 1, 2), new neo4j.types.Point(7203n, 1, 2)],
  ['points in two and three dimensions', new neo4j.types.Point(7203n, 1, 2), new neo4j.types.Point(9157n, 1, 2, 0)],
  [
    'a date and a local date-time',
    new neo4j.types.Date(2026n, 1n, 2n),
    new neo4j.types.LocalDateTime(2026n, 1n, 2n, 0n, 0n, 0n, 0n),
  ],
  ['nanoseconds', new neo4j.types.LocalTime(1n, 2n, 3n, 4n), new neo4j.types.LocalTime(1n, 2n, 3n, 5n)],
  ['a month and thirty days', new neo4j.types.Duration(1n, 0n, 0n, 0n), new neo4j.types.Duration(0n, 30n, 0n, 0n)],
  ['bytes', new Int8Array([1, -1]), new Int8Array([1, 1])],
  [
    'an offset and a zone',
    new neo4j.types.DateTime(2026n, 1n, 1n, 0n, 0n, 0n, 0n, 3600n),
    new neo4j.types.DateTime(2026n, 1n, 1n, 0n, 0n, 0n, 0n, 3600n, 'Europe/Berlin'),
  ],
];

describe('the text of property values', () => {
  it.each(different)('tells apart %s', (_, one, other) => {
    expect(propertyText({ p: one })).not.toBe(propertyText({ p: other }));
  });

  it('does not depend on the order of the properties', () => {
    expect(propertyText({ a: 1n, b: ['x'] })).toBe(propertyText({ b: ['x'], a: 1n }));
  });

  it('sees a bytes value alike wherever it lies in its buffer', () => {
    const shared = new Int8Array([9, 1, 2, 9]);
    expect(propertyText(shared.subarray(1, 3))).toBe(propertyText(new Int8Array([1, 2])));
  });

  it('is the same for equal values and differs for others', () => {
    const value = fc.oneof(fc.string(), fc.double(), fc.bigInt(), fc.boolean(), fc.array(fc.string()));
    const properties = fc.dictionary(fc.string(), value);
    fc.assert(
      fc.property(properties, properties, (one, other) => {
        expect(propertyText(structuredClone(one))).toBe(propertyText(one));
        const equal =
          Object.keys(one).length === Object.keys(other).length &&
          Object.entries(one).every(([name, member]) => Object.hasOwn(other, name) && isSame(member, other[name]));
        expect(propertyText(one) === propertyText(other)).toBe(equal);
      }),
    );
  });
});

function isSame(one: unknown, other: unknown): boolean {
  if (Array.isArray(one) && Array.isArray(other))
    return one.length === other.length && one.every((each, i) => Object.is(each, other[i]));
  return Object.is(one, other);
}

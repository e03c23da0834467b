import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  exactText,
  loadPointJson,
  mayHoldLongInteger,
  pointId,
  pointIdText,
} from '../../../src/stores/qdrant/point-json.ts';

const json = await loadPointJson();

it('an id keeps every digit, below and above 2^53', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (id) => {
      const { result } = json.parse(`{"result":[{"id":${id}}]}`) as { result: [{ id: unknown }] };
      expect(pointId(result[0].id)).toBe(String(id));
    }),
  );
});

it('a UUID keeps its quotes as an id and loses them for people', () => {
  const id = pointId('5c56c793-69f3-4fbf-87e6-c4bf54c28c26');
  expect(id).toBe('"5c56c793-69f3-4fbf-87e6-c4bf54c28c26"');
  expect(pointIdText(id)).toBe('5c56c793-69f3-4fbf-87e6-c4bf54c28c26');
});

it('what is no id is refused', () => {
  for (const value of [null, undefined, 1.5, 2 ** 60, {}]) expect(() => pointId(value)).toThrow(TypeError);
});

it('the guard sees every unsafe integer where a value may stand, and no float', () => {
  for (const text of ['{"id":9007199254740993}', '[1, -9007199254740993]', '{"a": 18446744073709551615}']) {
    expect(mayHoldLongInteger(text)).toBe(true);
  }
  for (const text of ['{"id":900719925474099}', '[0.12345678901234567890]', '["9007199254740993"]']) {
    expect(mayHoldLongInteger(text)).toBe(false);
  }
});

it('exact text is the same whatever the order of keys, and tells 1 from 1.0', () => {
  expect(exactText(json.parseExact('{"b":[1.0,1e+21],"a":{"y":null,"x":"é"}}'))).toBe(
    '{"a":{"x":"é","y":null},"b":[1.0,1e+21]}',
  );
  expect(exactText(json.parseExact('1'))).not.toBe(exactText(json.parseExact('1.0')));
});

it('exact text gives back any value', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(exactText(json.parseExact(JSON.stringify(value))))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

import { expect, test } from 'vitest';
import { parseRates, ratesText } from '../../../src/model/rates.ts';

const all = (rate: number) => ({ config: rate, redis: rate, qdrant: rate, graph: rate });

test.each([
  ['5000', all(5_000)],
  ['5000/s', all(5_000)],
  ['0.5', all(0.5)],
  ['redis=20000,qdrant=500,graph=1000', { redis: 20_000, qdrant: 500, graph: 1_000 }],
  ['20000keys/s,500points/s,1000nodes/s', { redis: 20_000, qdrant: 500, graph: 1_000 }],
  ['redis=20000keys/s, 500points/s', { redis: 20_000, qdrant: 500 }],
  ['5000,qdrant=500', { ...all(5_000), qdrant: 500 }],
  ['none', {}],
])('%s is a rate', (text, rates) => {
  expect(parseRates(text)).toEqual(rates);
  expect(parseRates(ratesText(rates))).toEqual(rates);
});

test.each([
  ['', '-1', '0', '0.01', '1e9', '99999999', 'NaN', 'fast', '5000keys', '500rows/s', 'memgraph=5', 'redis=500points/s'],
  ['5000,6000', 'redis=1,redis=2', 'redis=1,2keys/s', 'redis=', '=5', 'redis=none', '5000,', 'redis:5', '1,000'],
])('what is no rate, or says two things of one stage, is refused', (...texts) => {
  for (const text of texts) expect([text, parseRates(text)]).toEqual([text, undefined]);
});

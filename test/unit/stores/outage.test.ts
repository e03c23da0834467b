import { expect, test } from 'vitest';
import { retryText } from '../../../src/report/stage-progress.ts';
import { Outage } from '../../../src/stores/outage.ts';

test('a trouble begins with its first failed try, also where several requests fail at once, and ends by a success', () => {
  const outage = new Outage();
  const since = (now: number, attempt: number) => outage.since({ now, attempt, delayMs: 1_000 });
  expect([since(100_000, 1), since(100_400, 1), since(101_100, 2), since(131_200, 3)]).toEqual(Array(4).fill(100_000));
  // A request that failed for the first time long after the last wait was over.
  expect(since(200_000, 1)).toBe(200_000);
  expect(since(201_000, 2)).toBe(200_000);
});

test('a store that goes on failing says since when', () => {
  const since = new Date(2026, 0, 1, 4, 3, 12).getTime();
  const retry = { type: 'retry', stage: 'redis', attempt: 1, delayMs: 2_000, reason: 'ECONNREFUSED', since } as const;
  expect(retryText(retry)).toBe('try 1 failed (ECONNREFUSED), again in 2s');
  expect(retryText({ ...retry, attempt: 2 })).toBe('failing since 04:03:12: try 2 failed (ECONNREFUSED), again in 2s');
});

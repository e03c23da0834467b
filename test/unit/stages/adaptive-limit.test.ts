import { expect, test } from 'vitest';
import { AdaptiveLimit, limitOf } from '../../../src/stages/adaptive-limit.ts';
import { inFlight } from '../../../src/stages/in-flight.ts';

/** Fills the limit so often with batches that take so long with so many under way. */
function afterRounds(rounds: number, msOf: (running: number) => number, start = 4, most = 32): AdaptiveLimit {
  const limit = new AdaptiveLimit({ start, most });
  for (let round = 0; round < rounds; round += 1) {
    const running = limit.now;
    for (let batch = 0; batch < running; batch += 1) limit.took(msOf(running), running);
  }
  return limit;
}

test.each([
  ['over a long link, up to the most', () => 200, 32],
  ['no further than a store works side by side', (running: number) => 10 * Math.max(1, running / 8), 8],
  ['not at all where the store has enough to do', (running: number) => running * 10, 4],
])('grows %s', (_, msOf, expected) => {
  expect(afterRounds(3, msOf).now).toBe(expected);
  // And stays there, whatever comes.
  expect(afterRounds(30, msOf).now).toBe(expected);
});

test('learns nothing from batches that had fewer beside them, as where the source of batches is slow', () => {
  const limit = new AdaptiveLimit({ start: 4, most: 32 });
  for (let batch = 0; batch < 100; batch += 1) limit.took(1, 3);
  expect(limit.now).toBe(4);
});

test('one slow batch in a round is no sign', () => {
  const limit = new AdaptiveLimit({ start: 4, most: 8 });
  for (const ms of [10, 10, 10, 10]) limit.took(ms, 4);
  for (const ms of [10, 11, 10, 900, 10, 10, 11, 10]) limit.took(ms, 8);
  expect(limit.now).toBe(8);
});

test('is never the number that the operator gives', () => {
  const limit = limitOf(2, { start: 4, most: 32 });
  for (let batch = 0; batch < 100; batch += 1) limit.took(200, 2);
  expect(limit.now).toBe(2);
});

test('batches over a link of 30 ms come to be twice as many under way and more, and each is done once', async () => {
  async function* items() {
    for (let item = 0; item < 60; item += 1) yield item;
  }
  let [running, most] = [0, 0];
  const done: number[] = [];
  const work = async (item: number): Promise<number> => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 30));
    running -= 1;
    return item;
  };
  for await (const item of inFlight(items(), new AdaptiveLimit({ start: 2, most: 16 }), work)) done.push(item);
  expect(done.sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, item) => item));
  expect(most).toBeGreaterThanOrEqual(4);
  expect(most).toBeLessThanOrEqual(16);
});

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { inFlight } from '../../../src/stages/in-flight.ts';

describe('inFlight', () => {
  test('runs every item once, never more than the limit at a time', async () => {
    const load = meter();
    const done = await collect(
      inFlight(counting(20), 3, async (item) => load.during(sleep(item % 4).then(() => item))),
    );
    expect(done.results.sort((a, b) => a - b)).toEqual([...Array(20).keys()]);
    expect(done.error).toBeUndefined();
    expect(load.most).toBe(3);
  });

  test('yields what is finished first', async () => {
    const { results } = await collect(inFlight(counting(3), 3, (item) => sleep(40 - item * 15).then(() => item)));
    expect(results).toEqual([2, 1, 0]);
  });

  test('has an empty list done at once', async () => {
    expect(await collect(inFlight(counting(0), 3, () => Promise.reject(new Error('never'))))).toEqual({ results: [] });
  });

  test('starts nothing after a failure, also while items are slow and the limit is not reached', async () => {
    const started: number[] = [];
    const { error } = await collect(
      inFlight(counting(10, 10), 4, async (item) => {
        started.push(item);
        if (item === 0) throw new Error('zero');
        return item;
      }),
    );
    expect(started).toEqual([0]);
    expect(error).toEqual(new Error('zero'));
  });

  test('awaits everything under way before it throws, and yields what succeeded', async () => {
    const load = meter();
    const { results, error } = await collect(
      inFlight(counting(10), 4, (item) =>
        load.during(
          sleep(item === 1 ? 5 : 40).then(() => {
            if (item === 1) throw new Error('one');
            return item;
          }),
        ),
      ),
    );
    expect(load.now).toBe(0);
    expect(error).toEqual(new Error('one'));
    expect(results.sort()).toEqual([0, 2, 3]);
  });

  test('joins several failures, and names one that is shared once', async () => {
    const shared = new Error('the connection');
    const fails = (errors: readonly Error[]) =>
      collect(inFlight(counting(errors.length), 5, (item) => sleep(5).then(() => Promise.reject(errors[item]))));
    expect((await fails([shared, shared, shared])).error).toBe(shared);
    const { error } = await fails([new Error('a'), new Error('b')]);
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors).toEqual([new Error('a'), new Error('b')]);
  });

  test('yields what is done while the next item is held back', async () => {
    let release = (): void => undefined;
    async function* heldBack() {
      yield 1;
      yield 2;
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      yield 3;
    }
    const results: number[] = [];
    for await (const result of inFlight(heldBack(), 4, async (item) => item)) {
      results.push(result);
      if (results.length === 2) release();
    }
    expect(results).toEqual([1, 2, 3]);
  }, 2_000);

  test('passes on a failure of the items, once everything under way is done', async () => {
    const load = meter();
    async function* stopped() {
      yield 1;
      yield 2;
      throw new Error('stop');
    }
    const { results, error } = await collect(inFlight(stopped(), 4, (item) => load.during(sleep(20).then(() => item))));
    expect(error).toEqual(new Error('stop'));
    expect(load.now).toBe(0);
    expect(results).toEqual([1, 2]);
  });

  test('left early, it closes the items and awaits everything under way', async () => {
    const load = meter();
    let closed = false;
    async function* items() {
      try {
        for (let item = 0; ; item += 1) yield item;
      } finally {
        closed = true;
      }
    }
    for await (const _ of inFlight(items(), 3, (item) => load.during(sleep(item === 0 ? 1 : 30)))) break;
    expect([closed, load.now]).toEqual([true, 0]);
  });
});

async function* counting(count: number, pauseMs = 0): AsyncGenerator<number> {
  for (let item = 0; item < count; item += 1) {
    if (pauseMs > 0) await sleep(pauseMs);
    yield item;
  }
}

async function collect<U>(results: AsyncIterable<U>): Promise<{ results: U[]; error?: unknown }> {
  const collected: U[] = [];
  try {
    for await (const result of results) collected.push(result);
  } catch (error) {
    return { results: collected, error };
  }
  return { results: collected };
}

/** Counts what is under way. */
function meter() {
  const load = {
    now: 0,
    most: 0,
    async during<U>(work: Promise<U>): Promise<U> {
      load.now += 1;
      load.most = Math.max(load.most, load.now);
      try {
        return await work;
      } finally {
        load.now -= 1;
      }
    },
  };
  return load;
}

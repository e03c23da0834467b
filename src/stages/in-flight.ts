import { errorText } from '../model/errors.ts';

/**
 * Runs `work` on the items with at most `limit` under way and yields results as they come, in any order.
 * Whenever it ends (exhausted, failed, or left by the caller) everything under way has settled first. No item is
 * started after a failure, and what succeeds beside it is yielded before the failure is thrown.
 * Several different failures are joined into one AggregateError.
 */
export async function* inFlight<T, U>(
  items: AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<U>,
): AsyncGenerator<U> {
  const running = new Map<number, Promise<Settled<U>>>();
  const errors: unknown[] = [];
  const fail = (error: unknown): void => {
    // Batches that wait for one connection fail alike: one failure, not several.
    if (!errors.some((known) => known === error || errorText(known) === errorText(error))) errors.push(error);
  };
  let nextKey = 0;
  const start = (item: T): void => {
    const key = nextKey++;
    const failed = (error: unknown): Settled<U> => {
      fail(error);
      return { key, results: [] };
    };
    running.set(
      key,
      work(item).then((result) => ({ key, results: [result] }), failed),
    );
  };
  try {
    for await (const item of items) {
      if (errors.length > 0) break;
      start(item);
      if (running.size >= limit) yield* await settleOne(running);
      if (errors.length > 0) break;
    }
    while (running.size > 0) yield* await settleOne(running);
  } catch (error) {
    fail(error);
  } finally {
    await Promise.all(running.values());
  }
  while (running.size > 0) yield* await settleOne(running);
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, 'several batches failed');
}

interface Settled<U> {
  readonly key: number;
  /** One result, or none where the work failed. */
  readonly results: readonly U[];
}

async function settleOne<U>(running: Map<number, Promise<Settled<U>>>): Promise<readonly U[]> {
  const { key, results } = await Promise.race(running.values());
  running.delete(key);
  return results;
}

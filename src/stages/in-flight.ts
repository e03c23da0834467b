import { errorText } from '../model/errors.ts';
import type { InFlightLimit } from './adaptive-limit.ts';

/**
 * Runs `work` on the items with at most `limit` under way (also one that changes) and yields results as they come, in any order.
 * Whenever it ends (exhausted, failed, or left by the caller) everything under way has settled first. No item is
 * started after a failure, and what succeeds beside it is yielded before the failure is thrown.
 * Several different failures are joined into one AggregateError.
 */
export async function* inFlight<T, U>(
  items: AsyncIterable<T>,
  limit: number | InFlightLimit,
  work: (item: T) => Promise<U>,
): AsyncGenerator<U> {
  const running = new Map<number, Promise<Settled<U>>>();
  const errors: unknown[] = [];
  const fail = (error: unknown): void => {
    // Batches that wait for one connection fail alike: one failure, not several.
    if (!errors.some((known) => known === error || errorText(known) === errorText(error))) errors.push(error);
  };
  const most = (): number => (typeof limit === 'number' ? limit : limit.now);
  let nextKey = 0;
  const start = (item: T): void => {
    const key = nextKey++;
    const failed = (error: unknown): Settled<U> => {
      fail(error);
      return { key, results: [] };
    };
    const began = performance.now();
    const beside = running.size + 1;
    const done = (result: U): Settled<U> => {
      if (typeof limit !== 'number') limit.took(performance.now() - began, beside);
      return { key, results: [result] };
    };
    running.set(key, work(item).then(done, failed));
  };
  const iterator = items[Symbol.asyncIterator]();
  try {
    for (;;) {
      while (errors.length === 0 && running.size >= most()) yield* await settleOne(running);
      if (errors.length > 0) break;
      // The next item may be held back for long: what is done meanwhile is told at once.
      const next = iterator.next().then((came): Came<T> => ({ came }));
      let first = await Promise.race<Came<T> | Settled<U>>([next, ...running.values()]);
      for (; !('came' in first); first = await Promise.race([next, ...running.values()])) {
        running.delete(first.key);
        yield* first.results;
      }
      if (first.came.done === true || errors.length > 0) break;
      start(first.came.value);
    }
    while (running.size > 0) yield* await settleOne(running);
  } catch (error) {
    fail(error);
  } finally {
    await Promise.all(running.values());
    // Where it is left with items to come, they are told; what is asked for already is awaited first.
    await Promise.resolve(iterator.return?.()).catch(fail);
  }
  while (running.size > 0) yield* await settleOne(running);
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, 'several batches failed');
}

interface Came<T> {
  readonly came: IteratorResult<T>;
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

/**
 * Runs `work` on the items with at most `limit` under way and yields results as they come, in any order.
 * Whenever it ends (exhausted, failed, or left by the caller) everything under way has settled first, and
 * no item is taken after a failure. Several failures are joined into one AggregateError.
 */
export async function* inFlight<T, U>(
  items: AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<U>,
): AsyncGenerator<U> {
  const running = new Map<number, Promise<{ key: number; result: U }>>();
  const errors: unknown[] = [];
  let nextKey = 0;
  try {
    for await (const item of items) {
      const key = nextKey++;
      running.set(
        key,
        work(item).then((result) => ({ key, result })),
      );
      // A failure is noticed at the race below; this keeps it from being reported as unhandled before that.
      running.get(key)?.catch(() => undefined);
      if (running.size >= limit) yield await settleOne(running);
    }
    while (running.size > 0) yield await settleOne(running);
  } catch (error) {
    errors.push(error);
  } finally {
    for (const outcome of await Promise.allSettled(running.values())) {
      if (outcome.status === 'rejected' && !errors.includes(outcome.reason)) errors.push(outcome.reason);
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, 'several batches failed');
}

async function settleOne<U>(running: Map<number, Promise<{ key: number; result: U }>>): Promise<U> {
  const { key, result } = await Promise.race(running.values());
  running.delete(key);
  return result;
}

import { expect, test } from 'vitest';
import { RateLimit } from '../../../src/orchestrator/rate-limit.ts';

/** When each batch passed, ms from the start. */
async function passing(limit: RateLimit, sizes: readonly number[]): Promise<readonly { at: number; units: number }[]> {
  const start = performance.now();
  const passed: { at: number; units: number }[] = [];
  for (const units of sizes) {
    await limit.take('redis', units);
    passed.push({ at: performance.now() - start, units });
  }
  return passed;
}

/** Most units that passed in any span of so many ms. */
function mostWithin(spanMs: number, passed: Awaited<ReturnType<typeof passing>>): number {
  return Math.max(
    ...passed.map(({ at }) =>
      passed.filter((one) => one.at >= at && one.at < at + spanMs).reduce((sum, { units }) => sum + units, 0),
    ),
  );
}

test('in any second no more pass than the rate and a fifth of it, however they are cut, and not much fewer', async () => {
  const limit = new RateLimit({ redis: 1_000 });
  const sizes = Array.from({ length: 60 }, (_, index) => [100, 7, 33, 60][index % 4] ?? 1);
  const units = sizes.reduce((sum, size) => sum + size, 0);
  const passed = await passing(limit, sizes);
  const last = passed.at(-1)?.at ?? 0;
  expect(units).toBe(3_000);
  expect(mostWithin(1_000, passed)).toBeLessThanOrEqual(1_200);
  expect(last).toBeGreaterThan(2_700);
  expect(last).toBeLessThan(4_500);
});

test('a batch that is larger than the rate passes alone, and those behind it wait for as long as it should have taken', async () => {
  const [first, second, third] = await passing(new RateLimit({ redis: 1_000 }), [700, 1, 1]);
  // Also what stands in an undo log is one piece.
  expect(first?.at).toBeLessThan(400);
  expect(second?.at).toBeGreaterThan(450);
  expect(third?.at).toBeLessThan((second?.at ?? 0) + 200);
});

test('time that was not used is kept for a fifth of a second, not longer', async () => {
  const limit = new RateLimit({ redis: 1_000 });
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(mostWithin(100, await passing(limit, Array(40).fill(10)))).toBeLessThanOrEqual(320);
});

test('stages have rates of their own, and those without one, and batches of nothing, do not wait', async () => {
  const limit = new RateLimit({ redis: 1 });
  const start = performance.now();
  await limit.take('redis', 1);
  await Promise.all([limit.take('qdrant', 1_000_000), limit.take('graph', 1_000_000), limit.take('redis', 0)]);
  expect(performance.now() - start).toBeLessThan(200);
  expect([limit.mostInBatch('redis'), limit.mostInBatch('qdrant')]).toEqual([1, Number.POSITIVE_INFINITY]);
});

test('a rate that is changed or taken away holds for those that wait', async () => {
  const limit = new RateLimit({ redis: 0.1 });
  await limit.take('redis', 1);
  const start = performance.now();
  const waiting = [limit.take('redis', 1), limit.take('redis', 1)];
  limit.set('redis', 10);
  await Promise.all(waiting);
  expect(performance.now() - start).toBeLessThan(2_000);
  limit.set('redis', 0.1);
  const last = limit.take('redis', 5);
  limit.set('redis', undefined);
  await last;
  expect(limit.of('redis')).toBeUndefined();
  limit.set('qdrant', 500);
  expect([limit.of('qdrant'), limit.mostInBatch('qdrant')]).toEqual([500, 50]);
});

test('who is told to stop leaves at once with the reason, and takes nothing from those behind', async () => {
  const limit = new RateLimit({ redis: 1 });
  await limit.take('redis', 1);
  const controller = new AbortController();
  const start = performance.now();
  const stopped = limit.take('redis', 1, controller.signal);
  const next = limit.take('redis', 1);
  controller.abort(new Error('stopped by SIGINT'));
  await expect(stopped).rejects.toThrow('stopped by SIGINT');
  expect(performance.now() - start).toBeLessThan(300);
  await next;
  expect(performance.now() - start).toBeLessThan(2_000);
});

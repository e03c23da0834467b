import { describe, expect, test } from 'vitest';
import { Deadline } from '../../../src/orchestrator/deadline.ts';
import { Limits } from '../../../src/orchestrator/limits.ts';

const clock = { now: () => Date.now() };

describe('a deadline', () => {
  test('ends what runs between two batches, with the limit as its reason', async () => {
    const limits = new Limits({ clock, timeoutMs: 100 });
    const { signal } = new Deadline(limits, 100);
    expect(signal.aborted).toBe(false);
    const start = Date.now();
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    expect(Date.now() - start).toBeLessThan(1_500);
    expect(signal.reason).toMatchObject({ code: 'limit', message: expect.stringContaining('--timeout') });
  });

  test('leaves every other limit to the next batch', async () => {
    const limits = new Limits({ clock, maxErrors: 0, timeoutMs: 60_000 });
    limits.count('redis', { ok: 0, failed: 1 });
    const deadline = new Deadline(limits, 60_000);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(deadline.signal.aborted).toBe(false);
    deadline.cancel();
  });

  test.each([
    ['is none without a time limit', undefined],
    ['ends nothing once it was called off', 50],
  ])('%s', async (_, timeoutMs) => {
    const deadline = new Deadline(new Limits({ clock, timeoutMs }), timeoutMs);
    deadline.cancel();
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(deadline.signal.aborted).toBe(false);
  });
});

import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Verdict } from '../../../src/model/throttle-level.ts';
import { Throttle } from '../../../src/orchestrator/throttle.ts';

let now: number;
let probed: (verdict: Partial<Verdict>) => void;
let told: string[];
let throttle: Throttle;
let controller: AbortController;

beforeEach(async () => {
  now = 1_000_000;
  told = [];
  controller = new AbortController();
  const watch = {
    start: async (take: (verdict: Verdict) => void) => {
      probed = (verdict) => take({ level: 'go', by: '', reason: '', spoken: false, ...verdict });
    },
    stop: () => undefined,
  };
  throttle = new Throttle({ clock: { now: () => now }, watch });
  await throttle.enter((text) => told.push(text), { undoing: false });
});

const pass = (more: { undoing?: boolean; roundTripMs?: number } = {}) =>
  throttle.pass({ signal: controller.signal, undoing: false, roundTripMs: undefined, ...more });

async function isWaiting(passing: Promise<void>): Promise<boolean> {
  return (await Promise.race([passing.then(() => 'passed'), sleep(30, 'waits')])) === 'waits';
}

describe('the throttle', () => {
  test('says once what holds the run back, when that changes, and how long it was', async () => {
    probed({ level: 'slow', by: 'redis-latency', reason: 'redis latency 35 ms > 20 ms' });
    probed({ level: 'slow', by: 'redis-latency', reason: 'redis latency 36 ms > 20 ms' });
    probed({ level: 'pause', by: 'redis-latency', reason: 'redis latency 300 ms > 100 ms' });
    const passing = pass();
    expect(await isWaiting(passing)).toBe(true);
    now += 12_000;
    probed({});
    await passing;
    expect(told).toEqual([
      'slowed: redis latency 35 ms > 20 ms',
      'paused: redis latency 300 ms > 100 ms',
      'goes on after 12 s',
    ]);
  });

  test('slowed, a batch waits as long as the last one took', async () => {
    probed({ level: 'slow', by: 'a', reason: 'x' });
    await pass({ roundTripMs: 10 });
    const start = performance.now();
    await pass({ roundTripMs: 80 });
    expect(performance.now() - start).toBeGreaterThan(75);
  });

  test('what was paused from outside goes on only when both allow it', async () => {
    throttle.pause('by hand');
    probed({ level: 'pause', by: 'a', reason: 'full' });
    const passing = pass();
    expect(throttle.resume()).toBe(true);
    expect(await isWaiting(passing)).toBe(true);
    expect(throttle.current()).toMatchObject({ level: 'pause', reason: 'full' });
    probed({});
    await passing;
    expect(throttle.resume()).toBe(false);
  });

  test('ends the run with the reason as a limit does, also while it is paused; a stop ends the waiting', async () => {
    throttle.pause('by hand');
    const stopped = pass();
    controller.abort(new Error('stopped by SIGINT'));
    await expect(stopped).rejects.toThrow('stopped by SIGINT');
    controller = new AbortController();
    const passing = pass();
    probed({ level: 'abort', by: 'redis-memory', reason: 'redis memory 97% > 95%' });
    await expect(passing).rejects.toMatchObject({ code: 'limit', message: 'stopped early: redis memory 97% > 95%' });
  });

  test('a rollback is ended by nothing, and a store’s state only slows it; a file still pauses it', async () => {
    await throttle.enter((text) => told.push(text), { undoing: true });
    probed({ level: 'abort', by: 'redis-memory', reason: 'full' });
    await pass({ undoing: true });
    probed({ level: 'pause', by: 'redis-memory', reason: 'full' });
    await pass({ undoing: true });
    probed({ level: 'pause', by: 'file /x', reason: 'the file /x is there', spoken: true });
    const passing = pass({ undoing: true });
    expect(await isWaiting(passing)).toBe(true);
    probed({});
    await passing;
    expect(told.slice(0, 2)).toEqual(['slowed: full', 'paused: the file /x is there']);
  });
});

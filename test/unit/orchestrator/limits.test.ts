import { describe, expect, test } from 'vitest';
import { FEWEST_RECORDS, type LimitSettings, Limits, SAMPLES, STREAK } from '../../../src/orchestrator/limits.ts';

let now = 1_000;
const clock = { now: () => now };

function limits(settings: Omit<LimitSettings, 'clock'> = {}): Limits {
  return new Limits({ ...settings, clock });
}

describe('the number of errors', () => {
  test('has no limit of its own accord', () => {
    const run = limits({ maxErrorRate: 1 });
    run.count('redis', { ok: 0, failed: 1_000_000 });
    expect(run.check()).toBeUndefined();
  });

  test('may reach its limit, over all stages together, but not pass it', () => {
    const run = limits({ maxErrors: 3 });
    run.count('redis', { ok: 10, failed: 2 });
    run.count('qdrant', { ok: 10, failed: 1 });
    expect(run.check()).toBeUndefined();
    run.count('graph', { ok: 10, failed: 1 });
    expect(run.check()).toEqual({
      name: 'max-errors',
      limit: 3,
      value: 4,
      text: '4 records failed: more than --max-errors 3',
    });
  });

  test('of 0 stops at the first', () => {
    const run = limits({ maxErrors: 0 });
    run.count('redis', { ok: 50, failed: 0 });
    expect(run.check()).toBeUndefined();
    run.count('redis', { ok: 0, failed: 1 });
    expect(run.check()?.text).toBe('1 record failed: more than --max-errors 0');
  });
});

describe('the error rate', () => {
  test('of a small run stops nothing, even where all failed', () => {
    const run = limits();
    run.count('redis', { ok: 2, failed: 1 });
    run.count('redis', { ok: 0, failed: FEWEST_RECORDS - 4 });
    expect(run.check()).toBeUndefined();
    run.count('redis', { ok: 0, failed: 1 });
    expect(run.check()).toMatchObject({ name: 'max-error-rate' });
  });

  test('is 5 % where nothing else is said, and 5 % itself is within it', () => {
    const run = limits();
    run.count('redis', { ok: 950, failed: 50 });
    expect(run.check()).toBeUndefined();
    run.count('redis', { ok: 0, failed: 10 });
    expect(run.check()).toEqual({
      name: 'max-error-rate',
      limit: 0.05,
      value: 60 / 1010,
      text: '60 of 1,010 records failed in redis (5.9%): more than --max-error-rate 5%',
    });
  });

  test('of one stage is not hidden by the many records of another', () => {
    const run = limits();
    run.count('redis', { ok: 1_000_000, failed: 0 });
    run.count('qdrant', { ok: 80, failed: 20 });
    expect(run.check()?.text).toContain('20 of 100 records failed in qdrant (20%)');
  });

  test('is asked of all stages together where each is small', () => {
    const run = limits();
    run.count('config', { ok: 0, failed: 40 });
    run.count('graph', { ok: 20, failed: 40 });
    expect(run.check()?.text).toContain('80 of 100 records failed in all stages');
  });

  test('that was passed once stays so, whatever comes and whenever it is asked', () => {
    const run = limits({ maxErrors: 1_000, timeoutMs: 1 });
    run.count('redis', { ok: 90, failed: 10 });
    run.count('redis', { ok: 1_000_000, failed: 0 });
    now += 10;
    const first = run.check();
    expect(first).toMatchObject({ name: 'max-error-rate', value: 0.1 });
    run.count('redis', { ok: 0, failed: 1_000_000 });
    expect(run.check()).toBe(first);
  });

  test('of 1 is no limit', () => {
    const run = limits({ maxErrorRate: 1 });
    run.count('redis', { ok: 0, failed: 500 });
    expect(run.check()).toBeUndefined();
  });
});

describe('the slowdown', () => {
  test('has no limit of its own accord', () => {
    const run = limits();
    times(run, SAMPLES, 10);
    times(run, 500, 10_000);
    expect(run.check()).toBeUndefined();
  });

  test('stops a run whose round trips stay a fifth longer than before', () => {
    const run = limits({ maxSlowdown: 0.2 });
    times(run, SAMPLES, 50);
    times(run, SAMPLES + STREAK, 61);
    expect(run.check()).toMatchObject({
      name: 'max-slowdown',
      limit: 0.2,
      text: 'round trips of redis take 61.0 ms, before 50.0 ms (+22%): more than --max-slowdown 20%',
    });
  });

  test('is not told by one outlier, nor by a burst that ends', () => {
    const run = limits({ maxSlowdown: 0.2 });
    times(run, SAMPLES, 50);
    for (let round = 0; round < 20; round += 1) {
      times(run, SAMPLES, 50);
      times(run, 1, 30_000);
      times(run, SAMPLES, 50);
      times(run, STREAK - 1, 5_000);
    }
    times(run, SAMPLES, 50);
    expect(run.check()).toBeUndefined();
  });

  test('that has just begun stops nothing before it has lasted', () => {
    const run = limits({ maxSlowdown: 0.2 });
    times(run, 2 * SAMPLES, 50);
    const untilMedian = Math.ceil(SAMPLES / 2);
    times(run, untilMedian + STREAK - 2, 100);
    expect(run.check()).toBeUndefined();
    times(run, 1, 100);
    expect(run.check()).toMatchObject({ name: 'max-slowdown', value: 1 });
  });

  test('of exactly the limit is within it', () => {
    const run = limits({ maxSlowdown: 0.5 });
    times(run, SAMPLES, 50);
    times(run, 200, 75);
    expect(run.check()).toBeUndefined();
  });

  test('is noise where a round trip takes less than 2 ms more', () => {
    const run = limits({ maxSlowdown: 0.2 });
    times(run, SAMPLES, 0.2);
    times(run, 200, 1.9);
    expect(run.check()).toBeUndefined();
    times(run, 200, 2.3);
    expect(run.check()).toMatchObject({ name: 'max-slowdown' });
  });

  test('compares each stage with its own beginning', () => {
    const run = limits({ maxSlowdown: 0.2 });
    times(run, SAMPLES, 10, 'redis');
    times(run, SAMPLES, 80, 'qdrant');
    times(run, 100, 10, 'redis');
    times(run, 100, 80, 'qdrant');
    expect(run.check()).toBeUndefined();
  });

  test('is not led astray by an outlier among the first', () => {
    const run = limits({ maxSlowdown: 0.2 });
    times(run, 1, 9_000);
    times(run, SAMPLES - 1, 50);
    times(run, 100, 61);
    expect(run.check()).toMatchObject({ name: 'max-slowdown' });
  });
});

describe('the time of the run', () => {
  test('has no limit of its own accord', () => {
    const run = limits();
    now += 1_000_000_000;
    expect(run.check()).toBeUndefined();
  });

  test('is counted from the beginning, and stays over', () => {
    const run = limits({ timeoutMs: 90_000 });
    now += 90_000;
    expect(run.check()).toBeUndefined();
    now += 1;
    const passed = run.check();
    expect(passed).toEqual({
      name: 'timeout',
      limit: 90_000,
      value: 90_001,
      text: 'the run takes 90 s: longer than --timeout 90 s',
    });
    now -= 50_000;
    expect(run.check()).toBe(passed);
  });
});

function times(run: Limits, count: number, ms: number, stage: 'redis' | 'qdrant' = 'redis'): void {
  for (let index = 0; index < count; index += 1) run.latency(stage, ms);
}

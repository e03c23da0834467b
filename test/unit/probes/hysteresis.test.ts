import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { THROTTLE_LEVELS, type ThrottleLevel } from '../../../src/model/throttle-level.ts';
import { Hysteresis } from '../../../src/probes/hysteresis.ts';
import { measured } from '../../../src/probes/measured.ts';

const spec = { kind: 'redis-latency', levels: { slow: 20, pause: 100, abort: 2_000 } } as const;
const needed = { calmLooks: 3, abortLooks: 3 };

/** The level after each of these values. */
function levelsAfter(values: readonly number[]): readonly ThrottleLevel[] {
  const hysteresis = new Hysteresis(needed);
  return values.map((value) => hysteresis.take(measured(spec, 'redis latency', value)).level);
}

const rank = (level: ThrottleLevel | undefined) => THROTTLE_LEVELS.indexOf(level ?? 'go');
const value = fc.oneof(
  fc.double({ min: 0, max: 4_000, noNaN: true }),
  fc.constantFrom(18, 18.1, 20, 20.1, 90, 100, 101, 2_001),
);

describe('a level', () => {
  test('rises at once and falls after three looks in a row well below it', () => {
    expect(levelsAfter([5, 35, 5, 5, 5])).toEqual(['go', 'slow', 'slow', 'slow', 'go']);
    expect(levelsAfter([150, 5, 5, 95, 5, 5, 5])).toEqual(['pause', 'pause', 'pause', 'pause', 'pause', 'pause', 'go']);
    expect(levelsAfter([150, 5, 50, 5])).toEqual(['pause', 'pause', 'pause', 'slow']);
  });

  test('ends the run only where three looks in a row want it, and pauses until then', () => {
    expect(levelsAfter([3_000, 3_000, 5, 3_000, 3_000, 3_000])).toEqual([
      'pause',
      'pause',
      'pause',
      'pause',
      'pause',
      'abort',
    ]);
  });

  test('says what was measured and what it was compared with', () => {
    expect(measured(spec, 'redis latency', 35.04).reason).toBe('redis latency 35 ms > 20 ms');
    expect(measured(spec, 'redis latency', 19).reason).toBe('redis latency 19 ms, hardly below 20 ms');
    const share = { kind: 'redis-memory', levels: { pause: 0.85 } } as const;
    expect(measured(share, 'redis memory', 0.913).reason).toBe('redis memory 91.3% > 85%');
  });

  test('never flaps at its threshold: within the margin it stays what it is', () => {
    const near = fc.double({ min: 18.01, max: 25, noNaN: true });
    fc.assert(fc.property(fc.array(near), (values) => new Set(levelsAfter([21, ...values])).size === 1));
  });

  test('holds for any series: what is wanted now is never above what holds, and it falls only after three calmer looks', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 40 }), (values) => {
        const levels = levelsAfter(values);
        for (const [index, level] of levels.entries()) {
          const { level: wanted } = measured(spec, '', values[index] ?? 0);
          expect(rank(level)).toBeGreaterThanOrEqual(Math.min(rank(wanted), rank('pause')));
          if (level === 'go') continue;
          const lastFall = levels.findLastIndex((one, at) => at <= index && rank(one) < rank(levels[at - 1]));
          if (lastFall !== index) continue;
          const calmer = values.slice(index - 2, index + 1).map((one) => rank(measured(spec, '', one).calm));
          expect(calmer).toHaveLength(3);
          expect(Math.max(...calmer)).toBe(rank(level));
        }
        if (levels.includes('abort')) {
          const at = levels.indexOf('abort');
          expect(values.slice(at - 2, at + 1).filter((one) => one > 2_000)).toHaveLength(3);
        }
      }),
    );
  });
});

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { strongest, type Verdict } from '../../../src/model/throttle-level.ts';
import type { Probe, Reading } from '../../../src/probes/probe.ts';
import { ProbeWatch } from '../../../src/probes/probe-watch.ts';

let watch: ProbeWatch;
afterEach(() => watch.close());

const wants = (level: Reading['level'], reason = ''): Reading => ({ level, calm: level, reason });

function probe(name: string, look: Probe['look']): Probe {
  return { name, spoken: false, calmLooks: 1, abortLooks: 1, look, close: async () => undefined };
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 5_000; !holds(); await sleep(2))
    if (Date.now() > end) throw new Error('not within 5 s');
}

function watching(probes: readonly Probe[]) {
  const told: string[] = [];
  const verdicts: Verdict[] = [];
  watch = new ProbeWatch({ probes, intervalMs: 5, tell: (text) => told.push(text), longestLookMs: 50 });
  const started = watch.start((verdict) => verdicts.push(verdict));
  return { told, verdicts, started, last: () => strongest(verdicts.slice(-1)) };
}

describe('probes', () => {
  test('the strongest is the run’s, of equal ones the first', async () => {
    const { started, last } = watching([
      probe('a', async () => wants('slow', 'a is slow')),
      probe('b', async () => wants('pause', 'b is full')),
      probe('c', async () => wants('pause', 'c is full')),
    ]);
    await started;
    expect(last()).toEqual({ level: 'pause', by: 'b', reason: 'b is full', spoken: false });
  });

  test('one that is silent pauses after three looks, delays no other, and is told once it answers again', async () => {
    let silent = true;
    let others = 0;
    const { started, verdicts, last } = watching([
      probe('a', () => (silent ? new Promise(() => undefined) : Promise.resolve(wants('go')))),
      probe('b', async () => {
        others += 1;
        return wants('go');
      }),
    ]);
    await started;
    expect(last().level).toBe('go');
    await until(() => last().level === 'pause');
    expect(others).toBeGreaterThan(9);
    expect(last()).toMatchObject({ by: 'a', reason: 'a gives no answer: none within 0.05 s' });
    silent = false;
    await until(() => last().level === 'go');
    expect(verdicts.length).toBeGreaterThan(12);
  });

  test('one that sees nothing says so once and wants nothing; stopped, nobody looks', async () => {
    let looks = 0;
    const { started, told, last } = watching([
      probe('a', async () => {
        looks += 1;
        return { ...wants('go'), blind: 'no limit is set' };
      }),
    ]);
    await started;
    await until(() => looks > 3);
    expect(told).toEqual(['probe a sees nothing here: no limit is set']);
    expect(last().level).toBe('go');
    watch.stop();
    const before = looks;
    await sleep(30);
    expect(looks).toBeLessThanOrEqual(before + 1);
  });
});

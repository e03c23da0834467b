import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { faults } from '../support/chaos/faults.ts';
import { rows } from '../support/chaos/faults-document.ts';
import { inLanes } from '../support/chaos/lanes.ts';
import { runSchedule } from '../support/chaos/run-schedule.ts';
import { scheduleOf } from '../support/chaos/schedule.ts';
import type { Slot } from '../support/chaos/slot.ts';

/**
 * Each fault comes first in two of them, and with others in more; what came in neither has a third chance.
 * `npm run chaos` makes as many as it is told.
 */
const RUNS = 2 * faults.length;
/** Of schedules side by side: each waits for pauses and time-outs most of its time. */
const LANES = 8;
/** On a busy machine; else some two minutes. */
const LONGEST_MS = 1_500_000;
const DOCUMENT = join(import.meta.dirname, '../../docs/faults.md');

describe('whatever goes wrong, nothing is lost, doubled or touched that is another’s, and the exit code is true', () => {
  it(
    `in ${RUNS} schedules of faults`,
    async () => {
      const wrong: string[] = [];
      const came = new Set<string>();
      // Without a graph its faults cannot come; the others are drawn as if it were there, so that a seed keeps its meaning.
      const graphUrl = inject('graphUrl') || undefined;
      const drawn = faults.filter(({ proxy }) => graphUrl !== undefined || proxy !== 'graph').map(({ kind }) => kind);
      const missing = () => drawn.filter((kind) => !came.has(kind));
      const seeds = (from: number, to: number) =>
        Array.from({ length: to - from }, (_, i) => from + i + 1).filter(
          (seed) => graphUrl !== undefined || !scheduleOf(seed).graph,
        );
      const holdsMissing = (seed: number) => scheduleOf(seed).faults.some(({ kind }) => missing().includes(kind));
      const run = async (slot: Slot, seed: number) => {
        const verdict = await runSchedule(slot, scheduleOf(seed));
        for (const [kind, met] of verdict.tried) if (met) came.add(kind);
        if (verdict.wrong.length > 0)
          wrong.push([`npm run chaos -- --seed ${seed} --runs 1`, ...verdict.story, ...verdict.wrong].join('\n  '));
      };
      await inLanes(seeds(0, RUNS), { lanes: LANES, graphUrl }, run);
      await inLanes(seeds(RUNS, RUNS + faults.length).filter(holdsMissing), { lanes: LANES, graphUrl }, run);
      expect(wrong.join('\n')).toBe('');
      expect(missing()).toEqual([]);
    },
    LONGEST_MS,
  );
});

describe('docs/faults.md', () => {
  it('lists every fault that is tried, with its texts and how often it came', () => {
    const listed = readFileSync(DOCUMENT, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('| ') && !line.startsWith('| fault |'))
      .map((line) => line.slice(2, -2).split(' | '));
    expect(listed.map(([kind, caughtBy, userSees]) => ({ kind, caughtBy, userSees }))).toEqual(
      rows.map(({ kind, caughtBy, userSees }) => ({ kind, caughtBy, userSees })),
    );
    for (const [kind, , , runs] of listed) expect(`${kind}: ${runs}`).toMatch(/: [1-9][\d,]*$/);
  });
});

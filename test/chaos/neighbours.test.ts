import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { anyNeighbours, mustBeRefused, neighbourWorld } from '../support/chaos/any-neighbours.ts';
import { moveArgs, reportOf, rollbackArgs } from '../support/chaos/commands.ts';
import { runInProcess } from '../support/chaos/run-tool.ts';
import { type Slot, startSlot } from '../support/chaos/slot.ts';

const RUNS = { numRuns: 4, endOnFailure: true };

/** On a busy machine; else some ten seconds. */
const LONGEST_MS = 300_000;

const graphUrl = inject('graphUrl') || undefined;
let slot: Slot;

beforeAll(async () => {
  slot = await startSlot(graphUrl);
});
afterAll(() => slot.stop());

it(
  'of tenants whose ids resemble each other one is moved and taken back, and every other record stays as it is',
  async () => {
    let moved = 0;
    await fc.assert(
      fc.asyncProperty(anyNeighbours, async (given) => {
        const world = neighbourWorld(given);
        const graph = given.graph && graphUrl !== undefined;
        const loaded = await slot.load(world, { graph });
        try {
          const reason = mustBeRefused(world, graph);
          const first = await runInProcess({ args: moveArgs(loaded, 7, 'patient'), env: loaded.env });
          expect(first.code, first.stdout).toBe(reason === undefined ? 0 : 5);
          if (reason !== undefined) {
            expect(reportOf(first.stdout)?.problems).toContainEqual(expect.objectContaining({ code: reason }));
            expect(await loaded.fromStart()).toEqual([]);
          }
          if (reason !== undefined && reason !== 'ambiguous-keys') return;
          const told = reason === undefined ? first : await runInProcess({ args: claiming(loaded), env: loaded.env });
          expect(told.code, told.stdout).toBe(0);
          expect(await loaded.fromMoved()).toEqual([]);
          moved += 1;
          const run = (reportOf(told.stdout) as { runId?: string }).runId;
          const back = await runInProcess({ args: rollbackArgs(loaded, 'patient', run), env: loaded.env });
          expect(back.code, back.stdout).toBe(0);
          expect(await loaded.fromStart()).toEqual([]);
        } finally {
          await loaded.dispose();
        }
      }),
      RUNS,
    );
    expect(moved).toBeGreaterThan(0);
  },
  LONGEST_MS,
);

/** By the templates a neighbour's own key may stand where the target's would: so both have data. */
const claiming = (loaded: Parameters<typeof moveArgs>[0]) => [
  ...moveArgs(loaded, 7, 'patient'),
  '--ambiguous-keys',
  'claim',
  '--merge',
];

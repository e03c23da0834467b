import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anyWorld } from '../support/chaos/any-world.ts';
import { moveArgs, reportOf, rollbackArgs } from '../support/chaos/commands.ts';
import type { Loaded } from '../support/chaos/loaded.ts';
import { runInProcess } from '../support/chaos/run-tool.ts';
import { type Slot, startSlot } from '../support/chaos/slot.ts';

const RUNS = { numRuns: 8 };
/** On a busy machine; else a few seconds. */
const LONGEST_MS = 180_000;

describe('for any tenant and any data', () => {
  let slot: Slot;
  let moved = 0;

  beforeAll(async () => {
    slot = await startSlot(undefined);
  });
  afterAll(() => slot.stop());

  /** Moves, checks every record, and goes on with a moved tenant. A move that is refused has changed nothing. */
  const afterMove = (then: (loaded: Loaded, run: string) => Promise<void>) =>
    fc.assert(
      fc.asyncProperty(anyWorld, async (world) => {
        const loaded = await slot.load(world);
        try {
          const { code, stdout } = await runInProcess({ args: argsOf(loaded), env: loaded.env });
          if (code === 5 || code === 64) {
            expect(await loaded.fromStart()).toEqual([]);
            return;
          }
          expect(code, stdout).toBe(0);
          expect(await loaded.fromMoved()).toEqual([]);
          moved += 1;
          await then(loaded, (reportOf(stdout) as { runId?: string }).runId ?? '');
        } finally {
          await loaded.dispose();
        }
      }),
      RUNS,
    );

  it(
    'a move that is rolled back leaves the start',
    async () => {
      await afterMove(async (loaded, run) => {
        const back = await runInProcess({ args: rollbackArgs(loaded, 'patient', run), env: loaded.env });
        expect(back.code, back.stdout).toBe(0);
        expect(await loaded.fromStart()).toEqual([]);
      });
    },
    LONGEST_MS,
  );

  it(
    'a move there and one back leave the start',
    async () => {
      await afterMove(async (loaded) => {
        const { source, target } = loaded.world;
        const args = argsOf({ ...loaded, world: { ...loaded.world, source: target, target: source } });
        const back = await runInProcess({ args, env: loaded.env });
        expect(back.code, back.stdout).toBe(0);
        expect(await loaded.fromStart()).toEqual([]);
      });
    },
    LONGEST_MS,
  );

  it(
    'a move that is made twice leaves what it left once',
    async () => {
      await afterMove(async (loaded) => {
        const again = await runInProcess({ args: argsOf(loaded), env: loaded.env });
        expect(again.code, again.stdout).toBe(0);
        expect(reportOf(again.stdout)?.outcome).toBe('nothing-to-do');
        expect(await loaded.fromMoved()).toEqual([]);
      });
    },
    LONGEST_MS,
  );

  it('most of these were moved and not refused', () => {
    expect(moved).toBeGreaterThan(RUNS.numRuns);
  });
});

/** The config stays at the source, and would be in the way of the move back. */
function argsOf(loaded: Loaded): readonly string[] {
  return [...moveArgs(loaded, 7, 'patient'), '--skip-config'];
}

import { describe, expect, inject, it } from 'vitest';
import type { FileOperation } from '../support/chaos/file-operations.mjs';
import { allKills, type Kill, killAndEnd, operationsOf, someKills } from '../support/chaos/kills.ts';
import { inLanes } from '../support/chaos/lanes.ts';
import { startSlot } from '../support/chaos/slot.ts';
import { smallWorld } from '../support/chaos/small-world.ts';

/** Of the changes of the record one in so many; the long series has all. */
const ONE_IN = 6;
/** Of kills with a graph, which takes its time. */
const WITH_GRAPH = 2;
/** Of a world whose secrets only Redis keeps. */
const SEED = 8;
/** What changes the record itself; `npm run chaos` also kills at every sync, open and mkdir. */
const RECORD: readonly string[] = ['write', 'rename'];

describe('any moment may be the last', () => {
  it('a process killed before, within or after a line of its record is continued to the same end or rolled back to the start', async () => {
    const graphUrl = inject('graphUrl') || undefined;
    expect(smallWorld(SEED).kept).toBe(true);
    const kills = [...(await spread(undefined)), ...(graphUrl ? await spread(graphUrl, WITH_GRAPH) : [])];
    const wrong: string[] = [];
    await inLanes(kills, { lanes: 3, graphUrl }, async (slot, kill) => {
      const problems = await killAndEnd(slot, kill);
      if (problems.length > 0) wrong.push([JSON.stringify(kill), ...problems].join('\n  '));
    });
    expect(wrong.join('\n')).toBe('');
  }, 300_000);
});

/** One kill at every sixth change of the record, or so many of them; how it dies and what follows is another from one to the next. */
async function spread(graphUrl: string | undefined, most?: number): Promise<readonly Kill[]> {
  const slot = await startSlot(graphUrl);
  try {
    const graph = graphUrl !== undefined;
    const what = { seed: SEED, graph, copies: false };
    const operations = await operationsOf(slot, what);
    const ofRecord = ({ kind, path }: FileOperation) => RECORD.includes(kind) && path.includes('/runs/');
    const places = operations.filter(ofRecord).length;
    // Otherwise the preload watches other files than those that are written.
    expect(places).toBeGreaterThan(30);
    const kills = allKills(what, operations).filter(({ point }) => ofRecord(operations[point.at - 1]!));
    return someKills(kills, most ?? places / ONE_IN);
  } finally {
    await slot.stop();
  }
}

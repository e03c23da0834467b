import { describe, expect, inject, it } from 'vitest';
import { allKills, killAndEnd, operationsOf, someKills } from '../support/chaos/kills.ts';
import { inLanes } from '../support/chaos/lanes.ts';
import { startSlot } from '../support/chaos/slot.ts';

/** The last few with a graph, which takes its time. */
const KILLS = 66;
const WITH_GRAPH = 6;
const SEED = 7;

describe('any moment may be the last', () => {
  it('a process killed before, within or after a line of its record is continued to the same end or rolled back to the start', async () => {
    const graphUrl = inject('graphUrl') || undefined;
    const kills = [...(await spread(KILLS, undefined)), ...(graphUrl ? await spread(WITH_GRAPH, graphUrl) : [])];
    const wrong: string[] = [];
    await inLanes(kills, { lanes: 3, graphUrl }, async (slot, kill) => {
      const problems = await killAndEnd(slot, kill);
      if (problems.length > 0) wrong.push([JSON.stringify(kill), ...problems].join('\n  '));
    });
    expect(wrong.join('\n')).toBe('');
  }, 300_000);
});

async function spread(most: number, graphUrl: string | undefined) {
  const slot = await startSlot(graphUrl);
  try {
    const graph = graphUrl !== undefined;
    const operations = await operationsOf(slot, { seed: SEED, graph });
    // Otherwise the preload watches other files than those that are written.
    expect(operations.filter(({ kind }) => kind === 'write').length).toBeGreaterThan(10);
    return someKills(allKills(SEED, operations, graph), most);
  } finally {
    await slot.stop();
  }
}

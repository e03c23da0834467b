import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { faultsDocument } from '../test/support/chaos/faults-document.ts';
import { graphRestart, startRestartableGraph } from '../test/support/chaos/graph-restart.ts';
import { allKills, type Kill, killAndEnd, killTexts, operationsOf, someKills } from '../test/support/chaos/kills.ts';
import { inLanes } from '../test/support/chaos/lanes.ts';
import type { RedisForm } from '../test/support/chaos/redis-place.ts';
import { runSchedule } from '../test/support/chaos/run-schedule.ts';
import { scheduleOf } from '../test/support/chaos/schedule.ts';
import { startSlot } from '../test/support/chaos/slot.ts';
import { startServices } from './services/start-services.ts';

const DOCUMENT = join(import.meta.dirname, '../docs/faults.md');
/** From here on a run counts as long: what it tried is written down. */
const LONG = 1_000;

interface Chaos {
  readonly first: number;
  readonly runs: number;
  readonly lanes: number;
  readonly graphUrl: string | undefined;
  readonly form: RedisForm;
  /** Whether every world is moved by copies. */
  readonly copies: boolean;
  readonly tally: Map<string, number>;
}

/** Schedules of faults, one for each seed. Returns how many were made and how many went wrong. */
async function schedules(chaos: Chaos): Promise<{ made: number; wrong: number }> {
  const { first, runs, lanes, graphUrl, form, copies, tally } = chaos;
  let wrong = 0;
  let done = 0;
  // Without a graph its schedules are left out; the others keep their meaning.
  const seeds = Array.from({ length: runs }, (_, i) => first + i).filter(
    (seed) => graphUrl !== undefined || !scheduleOf(seed).graph,
  );
  await inLanes(seeds, { lanes, graphUrl, form }, async (slot, seed) => {
    const schedule = scheduleOf(seed);
    const verdict = await runSchedule(slot, copies ? { ...schedule, copies } : schedule);
    for (const [kind, met] of verdict.tried) if (met) add(tally, kind);
    if (verdict.wrong.length > 0) wrong += 1;
    if (verdict.wrong.length > 0 || runs === 1) {
      console.log(
        [
          `seed ${seed}: ${verdict.wrong.length === 0 ? 'as it must be' : 'WRONG'}`,
          ...verdict.story,
          ...verdict.wrong,
        ].join('\n  '),
      );
      if (verdict.wrong.length > 0)
        console.log(
          `  again: npm run chaos -- --seed ${seed} --runs 1${form === 'cluster' ? ' --redis cluster' : copies ? ' --redis copy' : ''}`,
        );
    }
    done += 1;
    if (done % 100 === 0) console.error(`${done} of ${seeds.length} schedules, ${wrong} wrong`);
  });
  return { made: seeds.length, wrong };
}

/**
 * Kills at every file operation of a run, in every way; one in ten with a graph as well, which takes its time. Returns
 * how many were made and how many went wrong.
 */
async function kills(chaos: Chaos, most: number): Promise<{ made: number; wrong: number }> {
  const { lanes, graphUrl, form, tally } = chaos;
  const plain = await killsOf({ ...chaos, graphUrl: undefined });
  const withGraph = graphUrl === undefined ? [] : await killsOf(chaos);
  const all = [...someKills(plain, most), ...someKills(withGraph, Math.min(most, plain.length) / 10)];
  let wrong = 0;
  let done = 0;
  await inLanes(all, { lanes: Math.min(lanes, 4), graphUrl, form }, async (slot, kill) => {
    const problems = await killAndEnd(slot, kill);
    add(tally, killTexts[kill.series].kind);
    if (problems.length > 0) {
      wrong += 1;
      console.log([`kill ${JSON.stringify(kill)}: WRONG`, ...problems].join('\n  '));
    }
    done += 1;
    if (done % 100 === 0) console.error(`${done} of ${all.length} kills, ${wrong} wrong`);
  });
  return { made: all.length, wrong };
}

async function killsOf({ first, graphUrl, form, copies }: Chaos): Promise<readonly Kill[]> {
  const slot = await startSlot(graphUrl, form);
  const what = { seed: first, graph: graphUrl !== undefined, copies };
  const operations = await operationsOf(slot, what).finally(() => slot.stop());
  return allKills(what, operations);
}

/** A real graph server of its own, killed and started again in the middle of a move. Returns how many went wrong. */
async function graphRestarts({ first, tally }: Chaos, times: number): Promise<number> {
  if (times === 0) return 0;
  const graph = await startRestartableGraph();
  let mended = Promise.resolve();
  const fault = graphRestart(graph, (done) => {
    mended = done;
  });
  let wrong = 0;
  const seeds = Array.from({ length: times }, (_, i) => first + i);
  try {
    await inLanes(seeds, { lanes: 1, graphUrl: graph.url }, async (slot, seed) => {
      const schedule = { ...scheduleOf(seed, [fault]), faults: [fault], endingFault: undefined, mended: () => mended };
      const verdict = await runSchedule(slot, schedule);
      for (const [kind, met] of verdict.tried) if (met) add(tally, kind);
      if (verdict.wrong.length === 0) return;
      wrong += 1;
      console.log([`graph restart ${seed}: WRONG`, ...verdict.story, ...verdict.wrong].join('\n  '));
    });
  } finally {
    await graph.stop();
  }
  return wrong;
}

function add(tally: Map<string, number>, kind: string): void {
  tally.set(kind, (tally.get(kind) ?? 0) + 1);
}

/**
 * `npm run chaos -- --runs 5000 [--seed N] [--lanes N] [--most-kills N] [--restarts N]
 * [--redis rename|copy|cluster] [--write]`. Exit 1 where anything was not as it must be. A long run, or `--write`, puts its
 * numbers into docs/faults.md; with every key copied, or in a cluster, it writes none.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '1000' },
      seed: { type: 'string', default: '1' },
      lanes: { type: 'string', default: '6' },
      'most-kills': { type: 'string', default: '1000000' },
      restarts: { type: 'string', default: '3' },
      redis: { type: 'string', default: 'rename' },
      write: { type: 'boolean', default: false },
    },
  });
  const log = (line: string) => console.error(line);
  const { services, stop } = await startServices({ stores: ['graph'], lifetime: 'with-parent', env: process.env, log });
  const graphUrl = services[0]?.url || undefined;
  if (graphUrl === undefined) log('no graph can be run here: its faults are left out');
  const chaos = {
    first: Number(values.seed),
    runs: Number(values.runs),
    lanes: Number(values.lanes),
    graphUrl,
    form: values.redis === 'cluster' ? ('cluster' as const) : ('server' as const),
    copies: values.redis === 'copy',
    tally: new Map(),
  };
  try {
    const alone = chaos.runs === 1;
    const { made, wrong } = await schedules(chaos);
    const killed = alone ? { made: 0, wrong: 0 } : await kills(chaos, Number(values['most-kills']));
    const restarts = alone || graphUrl === undefined ? 0 : Number(values.restarts);
    const broken = await graphRestarts(chaos, restarts);
    console.log(
      `${made} schedules, ${wrong} wrong; ${killed.made} kills, ${killed.wrong} wrong; ${restarts} restarts of a graph, ${broken} wrong`,
    );
    if (wrong + killed.wrong + broken > 0) process.exitCode = 1;
    else if (values.redis === 'rename' && (chaos.runs >= LONG || values.write)) {
      await writeFile(DOCUMENT, faultsDocument({ tally: chaos.tally, schedules: made, kills: killed.made }));
      console.log('docs/faults.md holds these numbers now');
    }
  } finally {
    await stop();
  }
}

if (process.argv[1] === import.meta.filename) {
  await main();
  // Runs that were broken off in this process may have left connections and timers behind.
  process.exit();
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { between, randomFor } from '../../../scripts/seed/random.ts';
import { finish, moveArgs, newestRun, resumeArgs, rollbackArgs, told } from './commands.ts';
import type { FileOperation } from './file-operations.mjs';
import type { Loaded } from './loaded.ts';
import { type KillPoint, runProcess } from './run-tool.ts';
import type { Slot } from './slot.ts';
import { smallWorld } from './small-world.ts';

/** What follows a kill. `again`: the command that ends it is killed as well, and then given once more. */
export type Series = 'resume' | 'rollback' | 'again';

/** One kill: where in the record the process ends itself, and what follows. */
export interface Kill {
  readonly seed: number;
  readonly point: KillPoint;
  readonly series: Series;
  readonly graph: boolean;
  /** Whether keys are copied. */
  readonly copies: boolean;
}

/** Small, so that a run has many lines. */
const BATCH = 20;
const HOWS = ['before', 'torn', 'after', 'later'] as const;
const SERIES: readonly Series[] = ['resume', 'rollback', 'again'];

/** The changes of files that an undisturbed run makes, in their order. */
export async function operationsOf(
  slot: Slot,
  { seed, graph, copies }: Pick<Kill, 'seed' | 'graph' | 'copies'>,
): Promise<readonly FileOperation[]> {
  const loaded = await slot.load(smallWorld(seed, { fresh: graph }), { graph, copies });
  try {
    const count = join(loaded.stateDir, '..', `operations-${loaded.world.source}.json`);
    const run = await runProcess({
      args: moveArgs(loaded, BATCH, 'patient'),
      env: loaded.env,
      kill: { at: 0, how: 'never', count },
    });
    if (run.code !== 0) throw new Error(`an undisturbed run failed: ${told(run)}`);
    return JSON.parse(readFileSync(count, 'utf8')) as FileOperation[];
  } finally {
    await loaded.dispose();
  }
}

/** Every operation with every way to die at it and everything that may follow. */
export function allKills(
  { seed, graph, copies }: Pick<Kill, 'seed' | 'graph' | 'copies'>,
  operations: readonly FileOperation[],
): readonly Kill[] {
  return operations.flatMap((operation, index) =>
    HOWS.filter((how) => how !== 'torn' || operation.kind === 'write').flatMap((how) =>
      SERIES.map((series) => ({ seed, series, graph, copies, point: pointAt(seed, index + 1, how, series) })),
    ),
  );
}

/** `most` of them, spread evenly: what is left out in one place of the record is there in the next. */
export function someKills(kills: readonly Kill[], limit: number): readonly Kill[] {
  const most = Math.floor(limit);
  if (kills.length <= most) return kills;
  return Array.from({ length: most }, (_, i) => kills[Math.floor((i * kills.length) / most)]).filter(
    (kill) => kill !== undefined,
  );
}

function pointAt(seed: number, at: number, how: (typeof HOWS)[number], series: Series): KillPoint {
  const random = randomFor(seed, at, how, series);
  return { at, how, share: random(), delayUs: Math.floor(10 ** (1 + 4 * random())) };
}

/** Moves, is killed, and ends it; returns what is not as it must be. */
export async function killAndEnd(slot: Slot, kill: Kill): Promise<readonly string[]> {
  const { seed, point, series, graph, copies } = kill;
  const random = randomFor(seed, point.at, point.how, 'ending');
  const ending = series === 'again' ? (random() < 0.5 ? 'resume' : 'rollback') : series;
  const loaded = await slot.load(smallWorld(seed, { fresh: graph }), { graph, copies });
  try {
    const killed = await runProcess({ args: moveArgs(loaded, BATCH, 'patient'), env: loaded.env, kill: point });
    // A run has not always as many lines: what is written together is chance.
    if (killed.code !== undefined && killed.code !== 0) return [told(killed)];
    if (series === 'again') {
      const second = { ...point, at: between(random, 1, 40), how: HOWS[between(random, 0, HOWS.length)] ?? 'before' };
      const again = await runProcess({ args: endingArgs(loaded, ending), env: loaded.env, kill: second });
      if (again.code !== undefined && ![0, 5, 64].includes(again.code)) return [`killed again: ${told(again)}`];
    }
    return await finish(loaded, ending, BATCH);
  } finally {
    await loaded.dispose();
  }
}

function endingArgs(loaded: Loaded, ending: 'resume' | 'rollback'): readonly string[] {
  const run = newestRun(loaded);
  return ending === 'resume'
    ? resumeArgs(loaded, 'patient')
    : rollbackArgs(loaded, 'patient', run?.state === 'done' ? run.id : undefined);
}

/** For the table: what the three series are. */
export const killTexts: Readonly<
  Record<Series, { readonly kind: string; readonly caughtBy: string; readonly userSees: string }>
> = {
  resume: {
    kind: 'process: killed at each of its file operations, then continued',
    caughtBy: 'intents on record before each request; the stores are looked at',
    userSees: 'the same command continues the run: exit 0',
  },
  rollback: {
    kind: 'process: killed at each of its file operations, then rolled back',
    caughtBy: 'the undo log names all that may have been changed',
    userSees: '`rollback` takes it back: exit 0',
  },
  again: {
    kind: 'process: killed, and killed again while it is continued or rolled back',
    caughtBy: 'continuing and taking back are safe to begin again',
    userSees: 'the same command once more: exit 0',
  },
};

import { type Random, randomFor } from '../../../scripts/seed/random.ts';
import { healDisk } from './broken-disk.ts';
import { again, finish, moveArgs, named, newestRun, reportOf, resumeArgs, rollbackArgs, told } from './commands.ts';
import type { Fault, Site } from './fault.ts';
import type { Loaded } from './loaded.ts';
import { interruption, runInProcess, runProcess, type ToolResult } from './run-tool.ts';
import type { Schedule } from './schedule.ts';
import { withClock } from './skewed-clock.ts';
import type { Slot } from './slot.ts';
import { smallWorld } from './small-world.ts';

/** What came of a schedule. */
export interface Verdict {
  readonly seed: number;
  /** Kinds of the faults that were prepared, and whether each came. */
  readonly tried: ReadonlyMap<string, boolean>;
  /** What was done, for people. */
  readonly story: readonly string[];
  /** What is not as it must be; none where all is well. */
  readonly wrong: readonly string[];
}

/** For a hang; a busy machine takes its time. */
const LONGEST_MS = 600_000;

/** Moves a small world while things go wrong, and judges by reading all stores. */
export async function runSchedule(slot: Slot, schedule: Schedule): Promise<Verdict> {
  const { seed, ending, batchSize } = schedule;
  const random = randomFor(seed, 'faults');
  const tried = new Map<string, boolean>();
  const story = [
    `${schedule.faults.map(({ kind }) => kind).join(' + ')}; then ${ending}; batches of ${batchSize}${schedule.copies ? '; copies' : ''}`,
  ];
  const { graph, copies } = schedule;
  const loaded = await slot.load(smallWorld(seed, { fresh: graph }), { graph, copies });
  const attempt = async (args: readonly string[], armed: readonly Fault[]) => {
    const ended = await withFaults({ slot, loaded, random, args, faults: armed, tried, story });
    await schedule.mended?.();
    return ended;
  };
  const judged = async (): Promise<readonly string[]> => {
    const ended = await attempt(moveArgs(loaded, batchSize, 'hasty'), schedule.faults);
    const untrue = await judge(ended, loaded, schedule);
    if (untrue.length > 0 || schedule.faults.some(({ loses }) => loses === true)) return untrue;
    if (ended.code === 0 && ending === 'resume') return schedule.again ? again(loaded, batchSize) : [];
    if (schedule.endingFault !== undefined) {
      const wrong = await brokenEnding(attempt, loaded, schedule, schedule.endingFault);
      if (wrong.length > 0) return wrong;
    }
    const wrong = await finish(loaded, ending, batchSize);
    return wrong.length === 0 && schedule.again && ending === 'resume' ? again(loaded, batchSize) : wrong;
  };
  try {
    const wrong = await inTime(judged());
    return { seed, tried, story, wrong };
  } finally {
    healDisk(loaded.stateDir);
    await slot.heal();
    await loaded.dispose();
  }
}

interface Ended extends ToolResult {
  /** The harness ended it: by a signal, or by its interrupt. */
  readonly stopped: boolean;
  readonly killed: boolean;
}

interface Attempt {
  readonly slot: Slot;
  readonly loaded: Loaded;
  readonly random: Random;
  readonly args: readonly string[];
  readonly faults: readonly Fault[];
  readonly tried: Map<string, boolean>;
  readonly story: string[];
}

async function withFaults({ slot, loaded, random, args, faults: armed, tried, story }: Attempt): Promise<Ended> {
  const controller = new AbortController();
  const reason = await interruption();
  const timers: NodeJS.Timeout[] = [];
  const toRun: { -readonly [K in keyof Site['process']]: Site['process'][K] } = {};
  let endProcess: (() => void) | undefined;
  let killed = false;
  const clocked = armed.some(({ where }) => where === 'clock');
  const result = await (clocked ? withClock : withTrueTime)(async (clock) => {
    for (const fault of armed) {
      if (!tried.has(fault.kind)) tried.set(fault.kind, false);
      const site: Site = {
        slot,
        loaded,
        random,
        met: () => void tried.set(fault.kind, true),
        interrupt: () => controller.abort(reason),
        kill: () => {
          killed = true;
          endProcess?.();
        },
        jump: (ms) => clock.jump(ms),
        later: (ms, work) => void timers.push(setTimeout(() => void work(), ms)),
        process: toRun,
      };
      story.push(`${args[0]}: ${fault.kind}: ${fault.arm(site)}`);
    }
    if (!armed.some(({ drive }) => drive === 'process'))
      return runInProcess({ args, env: loaded.env, signal: controller.signal });
    return runProcess({ args, env: loaded.env, ...toRun, started: (kill) => (endProcess = kill) });
  });
  for (const timer of timers) clearTimeout(timer);
  healDisk(loaded.stateDir);
  await slot.heal();
  if (result.code !== undefined) await loaded.forgetLocks();
  story.push(`${args[0]}: ${told(result)}`);
  return { ...result, stopped: controller.signal.aborted, killed: killed || result.code === undefined };
}

function withTrueTime<T>(work: (clock: { jump(ms: number): void }) => Promise<T>): Promise<T> {
  const jump = () => {
    throw new Error('a fault that is none of the clock moves it');
  };
  return work({ jump });
}

/** Whether what the exit code says is so. */
async function judge(ended: Ended, loaded: Loaded, { faults: armed }: Schedule): Promise<readonly string[]> {
  const { code, stdout } = ended;
  const report = reportOf(stdout);
  const lost = armed.some(({ loses }) => loses === true);
  switch (code) {
    case 0: {
      const differences = await named('exit 0', loaded.fromMoved());
      // What a server lost before it was looked at nobody can miss: what is said of the rest is true.
      const early = lost && report?.stages?.some(({ name, found }) => name === 'redis' && found < loaded.ownKeys);
      return early ? differences.filter((line) => !/^exit 0: (gone: redis|and \d+ more)/.test(line)) : differences;
    }
    case 4:
      return report?.next ? [] : ['exit 4 without the command to type'];
    case 5:
    case 78:
      return lost ? [] : named(`exit ${code}`, loaded.fromStart());
    case 130:
      return ended.stopped ? [] : ['exit 130 without a signal'];
    case undefined:
      return ended.killed ? [] : ['ended by a signal that nobody sent'];
    default:
      return [`exit ${code}: ${told(ended)}`];
  }
}

/** The ending meets a fault of its own; whatever its exit code says must be so. */
async function brokenEnding(
  attempt: (args: readonly string[], armed: readonly Fault[]) => Promise<Ended>,
  loaded: Loaded,
  { ending }: Schedule,
  fault: Fault,
): Promise<readonly string[]> {
  const run = newestRun(loaded);
  const args =
    ending === 'resume'
      ? resumeArgs(loaded, 'hasty')
      : rollbackArgs(loaded, 'hasty', run?.state === 'done' ? run.id : undefined);
  const before = await loaded.fromStart();
  const { code, killed, stopped, ...rest } = await attempt(args, [fault]);
  const unchanged = async (): Promise<readonly string[]> =>
    JSON.stringify(before) === JSON.stringify(await loaded.fromStart())
      ? []
      : [`exit ${code}, but something was written`];
  if (code === 0) return named('exit 0 of the ending', ending === 'resume' ? loaded.fromMoved() : loaded.fromStart());
  if (code === 4 || (code === undefined && killed) || (code === 130 && stopped)) return [];
  if (code === 5 || code === 78 || code === 64) return unchanged();
  return [`exit ${code} of the ending: ${told({ code, ...rest })}`];
}

async function inTime(judged: Promise<readonly string[]>): Promise<readonly string[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<readonly string[]>((resolve) => {
    timer = setTimeout(() => resolve([`did not end within ${LONGEST_MS / 1000} s`]), LONGEST_MS);
  });
  return Promise.race([judged, late]).finally(() => clearTimeout(timer));
}

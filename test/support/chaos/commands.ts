import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Loaded } from './loaded.ts';
import { runInProcess, type ToolResult } from './run-tool.ts';

/** Few records in a batch, so that there are many batches; short waits, so that a lost reply costs little. */
const HASTY = ['--request-timeout', '3', '--connect-timeout', '5', '--settle', '0.3'];

/** For runs that must come to their end, on a busy machine as well. */
const PATIENT = ['--request-timeout', '60', '--connect-timeout', '30', '--settle', '0.3'];

type Pace = 'hasty' | 'patient';

const paceFlags = (pace: Pace) => (pace === 'hasty' ? HASTY : PATIENT);

export function moveArgs({ world, flags, moveFlags }: Loaded, batchSize: number, pace: Pace): readonly string[] {
  return [
    'move',
    world.source,
    world.target,
    '--json',
    '--batch-size',
    String(batchSize),
    ...paceFlags(pace),
    ...flags,
    ...moveFlags,
  ];
}

export function resumeArgs({ flags }: Loaded, pace: Pace): readonly string[] {
  return ['resume', '--json', ...paceFlags(pace), ...flags];
}

export function rollbackArgs({ flags }: Loaded, pace: Pace, run?: string): readonly string[] {
  return ['rollback', ...(run === undefined ? [] : [run]), '--json', ...paceFlags(pace), ...flags];
}

/** The state that the newest run's folder tells of itself; undefined where there is no run. */
export function newestRun({ stateDir }: Loaded): { readonly id: string; readonly state: string } | undefined {
  const runs = join(stateDir, 'runs');
  try {
    const newest = readdirSync(runs).sort().at(-1);
    if (newest === undefined) return undefined;
    return JSON.parse(readFileSync(join(runs, newest, 'run.json'), 'utf8')) as { id: string; state: string };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Ends what was begun, as a person would: nothing goes wrong any more. Returns what is not as it must be. */
export async function finish(
  loaded: Loaded,
  ending: 'resume' | 'rollback',
  batchSize: number,
): Promise<readonly string[]> {
  return ending === 'resume' ? finishMove(loaded, batchSize) : takeBack(loaded);
}

async function finishMove(loaded: Loaded, batchSize: number): Promise<readonly string[]> {
  const resumed = await runInProcess({ args: resumeArgs(loaded, 'patient'), env: loaded.env });
  if (resumed.code === 0) return [...(await named('after resume', loaded.fromMoved())), ...(await isClosed(loaded))];
  // Without an unfinished run either nothing was written, or the run came to its end: then the move is asked for again.
  if (resumed.code !== 64) return [`resume: ${told(resumed)}`];
  const unfinished = newestRun(loaded)?.state === 'done' ? loaded.fromMoved() : loaded.fromStart();
  const before = await named('nothing to resume', unfinished);
  const result = await runInProcess({ args: moveArgs(loaded, batchSize, 'patient'), env: loaded.env });
  if (result.code !== 0) return [...before, `the same command again: ${told(result)}`];
  return [...before, ...(await named('after the same command again', loaded.fromMoved())), ...(await isClosed(loaded))];
}

async function takeBack(loaded: Loaded): Promise<readonly string[]> {
  const unnamed = await runInProcess({ args: rollbackArgs(loaded, 'patient'), env: loaded.env });
  if (unnamed.code === 0)
    return [...(await named('after the rollback', loaded.fromStart())), ...(await isClosed(loaded))];
  // Without an unfinished run either nothing was written, or the run came to its end: then it must be named.
  if (unnamed.code !== 64 && unnamed.code !== 5) return [`rollback: ${told(unnamed)}`];
  const run = newestRun(loaded);
  if (run?.state !== 'done') {
    const differences = await named(`nothing to roll back, the run is ${run?.state}`, loaded.fromStart());
    return differences.length === 0 ? [] : [...differences, `rollback: ${told(unnamed)}`];
  }
  const moved = await named('nothing unfinished', loaded.fromMoved());
  const back = await runInProcess({ args: rollbackArgs(loaded, 'patient', run.id), env: loaded.env });
  if (back.code !== 0) return [...moved, `rollback ${run.id}: ${told(back)}`];
  return [...moved, ...(await named('after the rollback of a finished run', loaded.fromStart()))];
}

/** What was finished must be told as finished. */
async function isClosed(loaded: Loaded): Promise<readonly string[]> {
  const status = await runInProcess({ args: ['status', '--json'], env: loaded.env });
  return status.code === 0 ? [] : [`status after the end: ${told(status)}`];
}

/** A second time changes nothing. */
export async function again(loaded: Loaded, batchSize: number): Promise<readonly string[]> {
  const result = await runInProcess({ args: moveArgs(loaded, batchSize, 'patient'), env: loaded.env });
  if (result.code !== 0) return [`once more: ${told(result)}`];
  return named('after once more', loaded.fromMoved());
}

export async function named(when: string, differences: Promise<readonly string[]>): Promise<readonly string[]> {
  return (await differences).map((line) => `${when}: ${line}`);
}

/** How a run ended, with its last words. */
export function told({ code, stdout, stderr }: ToolResult): string {
  const report = reportOf(stdout);
  const words = report === undefined ? `${stdout.slice(-300)} ${stderr.slice(-600)}` : JSON.stringify(brief(report));
  return `exit ${code ?? 'by signal'}: ${words}`;
}

export interface ToldReport {
  readonly outcome?: string;
  readonly message?: string;
  readonly error?: string | null;
  readonly exitCode?: number;
  readonly next?: string | null;
  readonly stages?: readonly { readonly name: string; readonly found: number }[];
  readonly problems?: readonly { readonly message: string }[];
  readonly findings?: readonly { readonly severity: string; readonly message: string }[];
}

export function reportOf(stdout: string): ToldReport | undefined {
  try {
    return JSON.parse(stdout) as ToldReport;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function brief({ outcome, message, error, problems, findings }: ToldReport): object {
  const differences = findings?.filter(({ severity }) => severity === 'difference').map((finding) => finding.message);
  return { outcome, message, error, problems: problems?.map((problem) => problem.message), differences };
}

import { hostname } from 'node:os';
import { askControl } from '../control/control-client.ts';
import type { JournalEntry } from '../journal/journal-entry.ts';
import { pauseFile } from '../journal/pause-file.ts';
import type { RunFolder } from '../journal/run-folder.ts';
import type { RunRecord } from '../journal/run-record.ts';
import { isFinished } from '../journal/run-record.ts';
import { type ListedLock, readLocks } from '../journal/tenant-lock.ts';
import { MigrateError } from '../model/errors.ts';
import { runStatus } from '../orchestrator/run-status.ts';
import type { LiveRun } from '../report/live-text.ts';
import { runsText } from '../report/runs-text.ts';
import { type ListedRun, statusText } from '../report/status-text.ts';
import { wireFolders } from '../wire.ts';
import { chooseRun, isMap } from './choose-run.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { listedMaps, mapStatusCommand } from './map-status.ts';
import { runCommandLine } from './run-ports.ts';
import { readSettings, type Settings } from './settings.ts';
import { settingsFileLine } from './settings-file/settings-file-line.ts';
import { paintFor } from './terminal.ts';

/** A run that is under way is asked no longer than this, ms. */
const LIVE_MS = 500;

/**
 * `status [run]` and `runs`: what the state folder says, also while a run is going on. `status` returns 2 for an
 * unfinished run.
 */
export async function statusCommand(invocation: Invocation, ctx: CommandContext): Promise<number> {
  const { command, positionals, flags } = invocation;
  const { stdout, env } = ctx.terminal;
  const settings = await readSettings({ command, flags, env });
  const stateDir = settings['state-dir'];
  if (settings.verbose && settings.file !== undefined)
    ctx.terminal.stderr.write(`${settingsFileLine(settings.file)}\n`);
  const folders = wireFolders(stateDir);
  const chosen = command === 'status' ? await chooseRun(stateDir, positionals.run, 'all') : undefined;
  if (chosen !== undefined && isMap(chosen)) return mapStatusCommand(chosen, settings, ctx);
  const maps = chosen === undefined ? await listedMaps(settings) : [];
  const locks = await readLocks(stateDir, hostname());
  const shown = chosen === undefined ? await folders.all() : [chosen];
  const runs = await Promise.all(shown.map((folder) => listed(folder, { locks, settings })));
  const [first] = runs;
  if (settings.json) {
    const document =
      command === 'runs'
        ? { schema: 'tenant-migrate/runs@1', runs, maps }
        : { schema: 'tenant-migrate/status@1', ...first };
    stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
  } else {
    const paint = paintFor(stdout, settings.color, env);
    if (first === undefined) stdout.write('there is no run in this state folder\n');
    else stdout.write(`${command === 'status' ? statusText(first, paint) : runsText(maps, runs, paint)}\n`);
  }
  return command === 'status' && first?.unfinished === true ? 2 : 0;
}

async function listed(
  folder: RunFolder,
  { locks, settings }: { readonly locks: readonly ListedLock[]; readonly settings: Settings },
): Promise<ListedRun> {
  const { record, path } = folder;
  const { id, moves, map, startedAt, settled, undone } = record;
  const { entries, journal, unfinished } = await read(folder);
  const updatedAt = new Date(Math.max(Date.parse(record.updatedAt), entries.at(-1)?.at ?? 0)).toISOString();
  const process = entries.findLast((entry) => entry.type === 'process');
  const holds = ({ owner, alive }: ListedLock) =>
    alive && process?.type === 'process' && owner?.pid === process.pid && owner.host === process.host;
  const alive = locks.some(holds);
  const seen = runStatus(record, entries, { now: Date.now(), alive });
  const working = alive && (seen.state === 'running' || seen.state === 'stalled');
  const throttle = working ? await throttleOf(path) : undefined;
  const waits = working && (throttle?.level === 'pause' || (await isPaused(record)));
  const status = { ...(waits ? { ...seen, state: 'paused' } : seen), heldBack: heldBackBy(throttle) };
  // A wave is gone on with, and taken back, by its list.
  const onward = runCommandLine('resume', map?.id ?? id, settings);
  const back = runCommandLine('rollback', map?.id ?? id, settings);
  // Who has begun to take a run back wants to finish that first. One that is at work needs no command.
  const both = undone.length > 0 ? [back, onward] : [onward, back];
  const next = unfinished && !(alive && (status.state === 'running' || waits)) ? both : [];
  return { id, moves, map, ...status, unfinished, settled, undone, journal, startedAt, updatedAt, path, next };
}

/** What the run's process says holds it back. One that cannot be asked is known by its folder alone. */
async function throttleOf(path: string): Promise<LiveRun['throttle'] | undefined> {
  try {
    const answer = await askControl(path, { do: 'status' }, { timeoutMs: LIVE_MS });
    return answer?.ok === true ? answer.status.throttle : undefined;
  } catch (error) {
    if (error instanceof MigrateError) return undefined;
    throw error;
  }
}

function heldBackBy(throttle: LiveRun['throttle'] | undefined): string | undefined {
  if (throttle === undefined || throttle.level === 'go') return undefined;
  return `${throttle.level === 'slow' ? 'slowed' : 'paused'}: ${throttle.reason}`;
}

/** Whether the file is there while which the run waits. */
async function isPaused({ settings }: RunRecord): Promise<boolean> {
  const path = settings['pause-file'];
  return typeof path === 'string' && (await pauseFile(path).exists());
}

/** A journal that cannot be trusted is told, and hides neither its run nor the others. */
async function read(
  folder: RunFolder,
): Promise<{ entries: readonly JournalEntry[]; journal: string; unfinished: boolean }> {
  try {
    const journal = (await folder.isJournalLost()) ? 'gone' : 'whole';
    return { entries: await folder.entries(), journal, unfinished: await folder.isUnfinished() };
  } catch (error) {
    if (!(error instanceof MigrateError) || error.code !== 'journal') throw error;
    return { entries: [], journal: error.message, unfinished: !isFinished(folder.record) };
  }
}

import { hostname } from 'node:os';
import type { MapFolder } from '../journal/map-folder.ts';
import type { RunFolder } from '../journal/run-folder.ts';
import { readLocks } from '../journal/tenant-lock.ts';
import { MigrateError } from '../model/errors.ts';
import { movesText } from '../model/move.ts';
import { mapState } from '../orchestrator/map-state.ts';
import { clean } from '../report/format.ts';
import { wireFolders, wireMaps } from '../wire.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { readSettings } from './settings.ts';

const DAY_MS = 86_400_000;

/** A finished run that is old enough. */
interface OldRun {
  readonly folder: RunFolder;
  /** Its undo logs could still take it back. */
  readonly undoable: boolean;
}

/**
 * `runs cleanup`: removes finished runs, with their reports, that have not changed for `--days`. An unfinished run, and one
 * that a process holds, always stay. Of a run that could still be taken back that is said.
 */
export async function cleanupCommand({ command, flags }: Invocation, ctx: CommandContext): Promise<number> {
  const { stdout, env } = ctx.terminal;
  const settings = await readSettings({ command, flags, env });
  const stateDir = settings['state-dir'];
  const { days, 'dry-run': dryRun } = settings;
  const before = Date.now() - days * DAY_MS;
  const maps = await oldMaps(stateDir, before);
  const old = await oldRuns(stateDir, before, maps);
  const removed = old.map(({ folder: { record, path }, undoable }) => {
    const { id, moves, state, updatedAt } = record;
    return { id, moves, state, updatedAt, path, undoable };
  });
  // The lists first: one of which a wave is missing would look unfinished.
  if (!dryRun) for (const { folder, old: isOld } of maps) if (isOld) await folder.remove();
  if (!dryRun) for (const { folder } of old) await folder.remove();
  if (settings.json) {
    stdout.write(`${JSON.stringify({ schema: 'tenant-migrate/cleanup@1', dryRun, days, removed }, undefined, 2)}\n`);
    return 0;
  }
  const verb = dryRun ? 'would remove' : 'removed';
  for (const { id, moves, state, updatedAt, undoable } of removed) {
    const gone = dryRun ? 'would go with it' : 'went with it';
    const warning = undoable ? `; it could still be rolled back: that ${gone}` : '';
    stdout.write(`${verb} ${id}  ${clean(movesText(moves))}  ${state} since ${updatedAt}${warning}\n`);
  }
  stdout.write(
    `${verb} ${removed.length} ${removed.length === 1 ? 'run' : 'runs'} finished more than ${days} days ago\n`,
  );
  return 0;
}

/** A list of several waves, whose runs go with it or stay with it. */
interface KnownMap {
  readonly folder: MapFolder;
  readonly old: boolean;
}

async function oldMaps(stateDir: string, before: number): Promise<readonly KnownMap[]> {
  const runs = await wireFolders(stateDir).all();
  const held = (await readLocks(stateDir, hostname())).filter(({ alive }) => alive);
  const maps: KnownMap[] = [];
  for (const folder of await wireMaps(stateDir).all()) {
    const { id, startedAt } = folder.record;
    const own = runs.filter(({ record }) => record.map?.id === id);
    const newest = Math.max(Date.parse(startedAt), ...own.map(({ record }) => Date.parse(record.updatedAt)));
    const { state } = await mapState(folder, runs);
    const isHeld = held.some(({ owner }) => owner?.runId === id);
    maps.push({ folder, old: state !== 'unfinished' && newest <= before && !isHeld });
  }
  return maps;
}

async function oldRuns(stateDir: string, before: number, maps: readonly KnownMap[]): Promise<readonly OldRun[]> {
  const kept = new Set(maps.flatMap(({ folder, old }) => (old ? [] : [folder.record.id])));
  const held = (await readLocks(stateDir, hostname())).filter(({ alive }) => alive);
  const old: OldRun[] = [];
  for (const folder of await wireFolders(stateDir).all()) {
    const { state, updatedAt, id, map } = folder.record;
    if (map !== undefined && kept.has(map.id)) continue;
    // One that ended before it wrote anything is not in the way of anything either.
    if ((await folder.isUnfinished()) || Date.parse(updatedAt) > before) continue;
    if (held.some(({ owner }) => owner?.runId === id)) continue;
    old.push({ folder, undoable: state === 'done' && (await isUndoable(folder)) });
  }
  return old;
}

/** A journal that cannot be trusted refuses every rollback. */
async function isUndoable(folder: RunFolder): Promise<boolean> {
  try {
    return await folder.hasWritten();
  } catch (error) {
    if (error instanceof MigrateError && error.code === 'journal') return false;
    throw error;
  }
}

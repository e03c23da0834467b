import { MapFolder } from '../journal/map-folder.ts';
import type { RunFolder } from '../journal/run-folder.ts';
import { MigrateError } from '../model/errors.ts';
import { mapState } from '../orchestrator/map-state.ts';
import { wireFolders, wireMaps } from '../wire.ts';

/**
 * The run or the map of that id (its start is enough), or without one the newest, among the unfinished or all. A run that
 * is a wave of a map is its map's: named itself it can be looked at only. Throws MigrateError `usage` where there is none,
 * or more than one begins so.
 */
export async function chooseRun(
  stateDir: string,
  id: string | undefined,
  among: 'unfinished' | 'all',
): Promise<RunFolder | MapFolder> {
  if (id === undefined) {
    const newest = await newestOf(stateDir, among);
    if (newest !== undefined) return newest;
    throw new MigrateError('usage', among === 'unfinished' ? 'there is no unfinished run' : 'there is no run', {
      next: 'tenant-migrate runs lists the runs of this folder (--state-dir names another); a finished run must be named',
    });
  }
  const all = [...(await wireFolders(stateDir).all()), ...(await wireMaps(stateDir).all())];
  const matching = all.filter(({ record }) => record.id.startsWith(id));
  const [only] = matching;
  if (only === undefined || matching.length > 1) {
    throw new MigrateError('usage', `${only === undefined ? 'no run' : 'more than one run'} begins with '${id}'`, {
      next: 'tenant-migrate runs lists them',
    });
  }
  if (among === 'unfinished' && 'map' in only.record && only.record.map !== undefined) {
    const { id: map, wave, of } = only.record.map;
    throw new MigrateError('usage', `run ${only.record.id} is wave ${wave} of ${of} of the list ${map}`, {
      next: `name the list: tenant-migrate resume ${map}, or rollback ${map}`,
    });
  }
  return only;
}

/**
 * The run that a rollback without a name means: the newest unfinished one. Where none is, the newest that is done, which
 * has to be agreed to. Throws MigrateError `usage` where there is neither.
 */
export async function chooseRollback(stateDir: string): Promise<{
  readonly folder: RunFolder | MapFolder;
  readonly unfinished: boolean;
}> {
  const open = await newestOf(stateDir, 'unfinished');
  if (open !== undefined) return { folder: open, unfinished: true };
  const isOwn = ({ record }: RunFolder) => record.map === undefined && record.state === 'done';
  const runs = (await wireFolders(stateDir).all()).filter(isOwn);
  const newest = runs.sort((a, b) => (startOf(a) < startOf(b) ? 1 : -1))[0];
  if (newest !== undefined) return { folder: newest, unfinished: false };
  return { folder: await chooseRun(stateDir, undefined, 'unfinished'), unfinished: true };
}

const startOf = ({ record }: RunFolder): string => `${record.startedAt} ${record.id}`;

/** Among all: the newest, unless that is finished and an older one is not. An attempt that was refused hides nothing. */
async function newestOf(stateDir: string, among: 'unfinished' | 'all'): Promise<RunFolder | MapFolder | undefined> {
  const runs = await wireFolders(stateDir).all();
  const found: { readonly folder: RunFolder | MapFolder; readonly unfinished: boolean; readonly finished: boolean }[] =
    [];
  for (const folder of runs) {
    if (folder.record.map !== undefined) continue;
    found.push({ folder, unfinished: await folder.isUnfinished(), finished: folder.isFinished });
  }
  for (const folder of await wireMaps(stateDir).all()) {
    const { state } = await mapState(folder, runs);
    found.push({ folder, unfinished: state === 'unfinished', finished: state !== 'unfinished' });
  }
  const at = ({ folder: { record } }: (typeof found)[number]) => `${record.startedAt} ${record.id}`;
  found.sort((a, b) => (at(a) < at(b) ? 1 : -1));
  const unfinished = found.find((one) => one.unfinished);
  if (among === 'unfinished') return unfinished?.folder;
  const [newest] = found;
  return newest?.finished ? (unfinished ?? newest).folder : newest?.folder;
}

/** Tells the two apart. */
export function isMap(folder: RunFolder | MapFolder): folder is MapFolder {
  return folder instanceof MapFolder;
}

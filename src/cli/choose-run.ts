import type { RunFolder } from '../journal/run-folder.ts';
import { MigrateError } from '../model/errors.ts';
import type { RunFolders } from '../orchestrator/run-input.ts';

/**
 * The run of that id (its start is enough), or without one the newest, among the unfinished or all.
 * Throws MigrateError `usage` where there is none, or more than one begins so.
 */
export async function chooseRun(
  folders: RunFolders,
  id: string | undefined,
  among: 'unfinished' | 'all',
): Promise<RunFolder> {
  if (id === undefined) {
    const newest = await newestOf(folders, among);
    if (newest !== undefined) return newest;
    throw new MigrateError('usage', among === 'unfinished' ? 'there is no unfinished run' : 'there is no run', {
      next: 'tenant-migrate runs lists the runs of this folder (--state-dir names another); a finished run must be named',
    });
  }
  const matching = (await folders.all()).filter(({ record }) => record.id.startsWith(id));
  const [only] = matching;
  if (only !== undefined && matching.length === 1) return only;
  throw new MigrateError('usage', `${matching.length === 0 ? 'no run' : 'more than one run'} begins with '${id}'`, {
    next: 'tenant-migrate runs lists them',
  });
}

/** Among all: the newest, unless that is finished and an older one is not. An attempt that was refused hides nothing. */
async function newestOf(folders: RunFolders, among: 'unfinished' | 'all'): Promise<RunFolder | undefined> {
  const [unfinished] = await folders.unfinished();
  if (among === 'unfinished') return unfinished;
  const [newest] = await folders.all();
  return newest?.isFinished ? (unfinished ?? newest) : newest;
}

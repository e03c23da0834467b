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
    const [newest] = among === 'unfinished' ? await folders.unfinished() : await folders.all();
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

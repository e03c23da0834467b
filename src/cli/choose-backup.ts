import { BackupFolder } from '../journal/backup-folder.ts';
import { MigrateError } from '../model/errors.ts';

/** The backup of that id; its start is enough. Throws MigrateError `usage` where there is none, or more than one. */
export async function chooseBackup(stateDir: string, id: string): Promise<BackupFolder> {
  const matching = (await BackupFolder.all(stateDir)).filter((folder) => folder.id.startsWith(id));
  const [only] = matching;
  if (id !== '' && only !== undefined && matching.length === 1) return only;
  throw new MigrateError('usage', `${only === undefined ? 'no backup' : 'more than one backup'} begins with '${id}'`, {
    next: 'tenant-migrate backup list shows those of this folder (--state-dir names another)',
  });
}

import { stat } from 'node:fs/promises';
import { MigrateError } from '../model/errors.ts';

/** The pause file at this path. Only "there is no such file" means absent; all else is MigrateError `settings`. */
export function pauseFile(path: string): { readonly path: string; exists(): Promise<boolean> } {
  return {
    path,
    async exists() {
      try {
        await stat(path);
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
        throw new MigrateError('settings', `the pause file ${path} cannot be looked at: ${(error as Error).message}`, {
          next: 'set --pause-file to a path that you may look at, then repeat the command',
          cause: error,
        });
      }
    },
  };
}

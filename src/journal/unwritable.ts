import { errorText, MigrateError } from '../model/errors.ts';

/** A failure to write below the state folder, in words that say what to do. A MigrateError stays as it is. */
export function unwritable(path: string, error: unknown): MigrateError {
  if (error instanceof MigrateError) return error;
  return new MigrateError('settings', `${path} cannot be written: ${errorText(error)}`, {
    next: 'see that the folder is writable and that its disk has room',
    cause: error,
  });
}

/** What `work` gives; what it throws as {@link unwritable}. */
export async function writing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw unwritable(path, error);
  }
}

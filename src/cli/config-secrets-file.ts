import { readFile } from 'node:fs/promises';
import { MigrateError } from '../model/errors.ts';
import { type ConfigSecrets, parseConfigSecrets } from '../stages/config/config-secrets.ts';

/** The value is a file's path, or in the environment the JSON itself. */
export async function readConfigSecrets(value: string | undefined, typed: boolean): Promise<ConfigSecrets | undefined> {
  if (value === undefined) return undefined;
  if (value.trimStart().startsWith('{')) {
    if (!typed) return parseConfigSecrets(value);
    throw usage(
      '--config-secrets holds the secrets themselves, which others can read in the process list',
      'give a file, or set TENANT_MIGRATE_CONFIG_SECRETS',
    );
  }
  try {
    // Some editors begin a file with a byte order mark, which is no JSON.
    return parseConfigSecrets((await readFile(value, 'utf8')).replace(/^\uFEFF/, ''));
  } catch (error) {
    if (error instanceof MigrateError) throw error;
    throw usage(
      `the file of --config-secrets cannot be read (${(error as NodeJS.ErrnoException).code})`,
      'correct the path',
    );
  }
}

function usage(message: string, next: string): MigrateError {
  return new MigrateError('usage', message, { next });
}

import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { MigrateError } from '../../model/errors.ts';

/** A settings file as it was found. */
export interface FoundFile {
  /** As it was named, to be shown. */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly text: string;
  /** Others than its owner may read it. */
  readonly isShared: boolean;
}

/** Taken where no file is named, in this order. */
export const STANDARD_NAMES = ['tenant-migrate.yaml', 'tenant-migrate.yml'] as const;

/** The parser takes long over what is nested thousands deep. */
const MOST_BYTES = 100_000;

/** The settings file that is named, else the one in the current folder; undefined where there is none. Throws MigrateError. */
export async function findSettingsFile(named: string | undefined): Promise<FoundFile | undefined> {
  if (named === 'none') return undefined;
  if (named !== undefined) return readIt(named);
  const there = [];
  for (const name of STANDARD_NAMES) if (await exists(name)) there.push(name);
  const [name, other] = there;
  if (name === undefined) return undefined;
  if (other !== undefined) {
    throw refused(`both ${name} and ${other} are here`, 'remove one of them, or name one with --config');
  }
  await refuseForeign(name);
  return readIt(name);
}

async function exists(name: string): Promise<boolean> {
  try {
    await stat(name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw refused(`${name} cannot be read (${(error as NodeJS.ErrnoException).code})`, 'correct its rights');
  }
}

/** A file that lies here unasked could send passwords to another's servers, or name commands to run. */
async function refuseForeign(name: string): Promise<void> {
  const { uid, mode } = await stat(name);
  const own = process.getuid?.();
  const next = `name it, if you trust it: --config ${name}`;
  if (own === undefined) return;
  if (uid !== own && uid !== 0) throw refused(`${name} belongs to another user`, next);
  if ((mode & 0o002) !== 0) throw refused(`${name} can be written by every user`, `chmod o-w ${name}, or ${next}`);
}

async function readIt(name: string): Promise<FoundFile> {
  const path = resolve(name);
  try {
    const { mode, size } = await stat(path);
    if (size > MOST_BYTES) throw refused(`${name} is larger than 100 kB`, 'name a settings file');
    const text = (await readFile(path, 'utf8')).replace(/^\uFEFF/, '');
    return { name, path, text, isShared: process.platform !== 'win32' && (mode & 0o077) !== 0 };
  } catch (error) {
    if (error instanceof MigrateError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    throw refused(
      `the settings file ${name} cannot be read (${code})`,
      code === 'ENOENT' ? `tenant-migrate init --out ${name} writes one` : 'correct the path given with --config',
    );
  }
}

function refused(message: string, next: string): MigrateError {
  return new MigrateError('settings', message, { next });
}

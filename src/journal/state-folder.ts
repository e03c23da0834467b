import type { Dirent, Stats } from 'node:fs';
import { lstat, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { getuid } from 'node:process';
import { MigrateError } from '../model/errors.ts';
import { ifThere } from './if-there.ts';

/** What lies in a state folder, each in a folder of its own. */
export type Part = 'runs' | 'maps' | 'locks' | 'backups';

/** The state folder where none is named. */
export const DEFAULT_STATE_DIR = '.tenant-migrate';

/**
 * The folder of a part, made (0700) where it is not there. Undo logs, and with them a tenant's data, must end up where
 * the user said and nowhere else. So the part is refused where it is a link, no folder, or another user's; so is the state
 * folder. That one may be a link where the user has named it; a link at the default place nobody may have meant. Throws
 * MigrateError `settings`.
 */
export async function makePart(stateDir: string, part: Part): Promise<string> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    // A link that leads nowhere, or a file: told of below in its own words.
    if (error.code !== 'EEXIST' && error.code !== 'ENOENT') throw error;
  });
  await checkStateFolder(stateDir);
  const path = join(stateDir, part);
  await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  refuseForeign(path, await lstat(path));
  return path;
}

/** The entries of a part that are folders; none where it is not there. Refused as by {@link makePart}, and where one is a link. */
export async function foldersOf(stateDir: string, part: Part): Promise<readonly string[]> {
  const path = await findPart(stateDir, part);
  if (path === undefined) return [];
  const entries = (await ifThere(readdir(path, { withFileTypes: true }))) ?? [];
  refuseLinks(path, entries);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** The folder of a part; undefined where it is not there. Refused as by {@link makePart}. */
export async function findPart(stateDir: string, part: Part): Promise<string | undefined> {
  const path = join(stateDir, part);
  const found = await ifThere(lstat(path));
  if (found === undefined) return undefined;
  await checkStateFolder(stateDir);
  refuseForeign(path, found);
  return path;
}

/**
 * Throws MigrateError `settings` where the folder of a run or a list is another's, or a link lies in it or in its `undo`.
 * One that is removed at this moment is nobody's.
 */
export async function checkFolder(path: string): Promise<void> {
  for (const folder of [path, join(path, 'undo')]) {
    const found = await ifThere(lstat(folder));
    if (found === undefined) return;
    refuseForeign(folder, found);
    refuseLinks(folder, (await ifThere(readdir(folder, { withFileTypes: true }))) ?? []);
  }
}

/** Who may write into the folder may move away what lies in it. Undefined where that is nobody but its owner and group. */
export async function stateFolderNotice(stateDir: string): Promise<string | undefined> {
  const found = await ifThere(stat(stateDir));
  if (getuid === undefined || found === undefined || (found.mode & 0o002) === 0) return undefined;
  return `every user of this machine can write into the state folder ${stateDir}: chmod o-w ${stateDir}`;
}

async function checkStateFolder(stateDir: string): Promise<void> {
  if (stateDir === DEFAULT_STATE_DIR && (await lstat(stateDir)).isSymbolicLink()) {
    throw new MigrateError('settings', `${stateDir} is a symbolic link`, {
      next: 'name the folder to which it leads with --state-dir, if you trust it; else remove the link',
    });
  }
  refuseForeign(stateDir, await stat(stateDir));
}

function refuseForeign(path: string, found: Stats): void {
  if (found.isSymbolicLink()) throw isLink(path);
  if (!found.isDirectory()) {
    throw new MigrateError('settings', `${path} is no folder`, { next: 'set --state-dir to another folder' });
  }
  // Whatever is root's to change cannot be kept from it.
  const own = getuid?.();
  if (own === undefined || found.uid === own || found.uid === 0) return;
  throw new MigrateError('settings', `${path} belongs to another user`, {
    next: 'run as that user, or set --state-dir to a folder of your own',
  });
}

function refuseLinks(path: string, entries: readonly Dirent[]): void {
  const link = entries.find((entry) => entry.isSymbolicLink());
  if (link !== undefined) throw isLink(join(path, link.name));
}

function isLink(path: string): MigrateError {
  return new MigrateError('settings', `${path} is a symbolic link, and nothing is read or written through it`, {
    next: 'see who made it; put what it leads to in its place, or remove it',
  });
}

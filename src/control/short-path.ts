import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** A socket's path has room for 103 bytes and its end on macOS, and for 107 on Linux. */
const MOST_BYTES = 100;

/** The socket of a run folder, below that folder. */
export const SOCKET = 'control.sock';

/**
 * Lends a path to the folder's socket that is short enough for the system: where its own is not, one through a link in a
 * temporary folder that is this user's alone, which is gone when `use` has ended.
 */
export async function withShortPath<T>(folder: string, use: (path: string) => Promise<T>): Promise<T> {
  const own = join(resolve(folder), SOCKET);
  if (Buffer.byteLength(own) <= MOST_BYTES) return use(own);
  const aside = await mkdtemp(join(tmpdir(), 'tm-'));
  try {
    const link = join(aside, 'r');
    await symlink(resolve(folder), link);
    return await use(join(link, SOCKET));
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

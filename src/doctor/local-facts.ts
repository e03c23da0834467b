import { access, constants, lstat, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { getuid, version } from 'node:process';

/** What this machine is like, read without writing anything. */
export interface LocalFacts {
  /** Such as `20.19.2`. */
  readonly node: string;
  readonly freeBytes: number;
  /** What the state folder lies on, where that is worth a word. */
  readonly fileSystem: FileSystem | undefined;
  /** Undefined where there is none yet. */
  readonly stateFolder: StateFolder | undefined;
  /** The folder that exists, or in which it would be made, and whether it may be written. */
  readonly writable: boolean;
}

export interface StateFolder {
  readonly kind: 'folder' | 'link' | 'other';
  /** Permission bits. */
  readonly mode: number;
  /** `root` only where that is not the user of this process. */
  readonly owner: 'own' | 'root' | 'other';
}

export type FileSystem = 'network' | 'memory';

/** Magic numbers of file systems that are reached over a network: NFS, SMB, CIFS, SMB2, FUSE (sshfs), 9p, AFS, Ceph, Lustre. */
const NETWORK = new Set([
  0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x65735546, 0x01021997, 0x5346414f, 0x00c36400, 0x0bd00bd0,
]);
/** tmpfs, ramfs. */
const MEMORY = new Set([0x01021994, 0x858458f6]);

export async function readLocalFacts(stateDir: string): Promise<LocalFacts> {
  const stateFolder = await folderFacts(stateDir);
  const existing = stateFolder === undefined ? await nearest(dirname(resolve(stateDir))) : stateDir;
  const { bavail, bsize, type } = await statfs(existing);
  const writable = await access(existing, constants.W_OK).then(
    () => true,
    () => false,
  );
  const fileSystem = NETWORK.has(type) ? 'network' : MEMORY.has(type) ? 'memory' : undefined;
  return { node: version.slice(1), freeBytes: bavail * bsize, fileSystem, stateFolder, writable };
}

async function folderFacts(path: string): Promise<StateFolder | undefined> {
  try {
    const found = await lstat(path);
    const kind = found.isSymbolicLink() ? 'link' : found.isDirectory() ? 'folder' : 'other';
    const uid = getuid?.();
    const owner = uid === undefined || uid === found.uid ? 'own' : found.uid === 0 ? 'root' : 'other';
    return { kind, mode: found.mode & 0o777, owner };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function nearest(path: string): Promise<string> {
  try {
    await lstat(path);
    return path;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
    return nearest(dirname(path));
  }
}

import { access, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from './cache-folder.ts';
import { findOnPath } from './find-on-path.ts';
import { installPrograms, isDebian, isRoot } from './install-programs.ts';
import { absenceOf } from './programs.ts';
import { run } from './run-command.ts';
import type { Log } from './service.ts';

/**
 * The path of a redis-server: on PATH, unpacked before, or from Debian's package (installed as root, else only
 * unpacked into the cache folder). Rejects with what is missing.
 */
export async function redisBinary(log: Log = () => undefined): Promise<string> {
  const found = (await findOnPath('redis-server')) ?? (await findOnPath('valkey-server')) ?? (await unpacked());
  if (found) return found;
  if (!(await isDebian())) throw new Error(absenceOf('redis-server'));
  if (isRoot()) {
    const why = await installPrograms(['redis-server'], log);
    return (await findOnPath('redis-server')) ?? fail(why);
  }
  await unpackPackage(log);
  return (await unpacked()) ?? fail();
}

const folder = join(cacheFolder, 'redis');
const launcher = join(folder, 'redis-server');

function fail(why = 'the package brought none'): never {
  throw new Error(`${absenceOf('redis-server')}; not installed: ${why}`);
}

async function unpacked(): Promise<string | undefined> {
  try {
    await access(launcher);
    return launcher;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Without root: unpacks redis-tools, which holds the server (one binary that acts by the name it is started under),
 * and its libraries.
 */
async function unpackPackage(log: Log): Promise<void> {
  log(`unpacking Debian's redis-server into ${folder}`);
  await rm(folder, { recursive: true, force: true });
  const root = join(folder, 'root');
  await mkdir(root, { recursive: true });
  await run('apt-get', ['download', 'redis-tools', ...(await librariesOf('redis-tools'))], { cwd: folder });
  for (const file of await readdir(folder)) {
    if (file.endsWith('.deb')) await run('dpkg', ['-x', join(folder, file), root]);
  }
  await writeFile(launcher, launcherScript, { mode: 0o755 });
}

/** The libraries that a package depends on, but for the C library, which must be the machine's own. */
async function librariesOf(name: string): Promise<string[]> {
  const printed = await run('apt-cache', ['depends', '--important', name]);
  const named = [...printed.matchAll(/^ +Depends: (lib[\w.+-]+|lua-[\w.+-]+)$/gm)].map((match) => match[1] ?? '');
  return named.filter((library) => library !== 'libc6');
}

const launcherScript = `#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/root
export LD_LIBRARY_PATH=$(ls -d "$root"/usr/lib/*-linux-gnu*)
[ -e "$root/redis-server" ] || ln -sf usr/bin/redis-check-rdb "$root/redis-server"
exec "$root/redis-server" "$@"
`;

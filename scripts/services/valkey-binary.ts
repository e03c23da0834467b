import { access, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from './cache-folder.ts';
import { findOnPath } from './find-on-path.ts';
import { isDebian } from './install-programs.ts';
import { run } from './run-command.ts';

const folder = join(cacheFolder, 'valkey');
const server = join(folder, 'root', 'usr', 'bin', 'valkey-server');
const SOURCE = 'http://deb.debian.org/debian bookworm-backports main';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const LONGEST_MS = 30_000;

/**
 * The path of a valkey-server, or why there is none: on PATH, unpacked before, or from Debian's backports, which are
 * asked through folders of its own: the machine's package lists stay as they are, and nothing is installed.
 */
export async function valkeyBinary(): Promise<{ readonly path: string } | { readonly reason: string }> {
  const found = (await findOnPath('valkey-server')) ?? (await unpacked());
  if (found !== undefined) return { path: found };
  if (!(await isDebian())) return { reason: 'valkey-server is not on PATH, and only on Debian can it be fetched' };
  try {
    await fetchPackage();
    return { path: (await unpacked()) ?? server };
  } catch (error) {
    // Half of it would be taken for all of it the next time.
    await rm(folder, { recursive: true, force: true });
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).trim().split('\n').slice(-1);
    return { reason: `Debian's backports do not give valkey-server here: ${reason}` };
  }
}

async function unpacked(): Promise<string | undefined> {
  try {
    await access(server);
    return (await run(server, ['--version'])).includes('v=') ? server : undefined;
  } catch {
    // Not there, or its libraries are not.
    return undefined;
  }
}

/** valkey-tools holds the server: one binary that acts by the name it is started under. */
async function fetchPackage(): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  for (const part of ['apt/empty', 'apt/lists/partial', 'apt/cache/archives/partial', 'root'])
    await mkdir(join(folder, part), { recursive: true });
  await writeFile(join(folder, 'apt', 'sources.list'), `deb [signed-by=${KEYRING}] ${SOURCE}\n`);
  const own = {
    'Dir::Etc::sourcelist': 'sources.list',
    'Dir::Etc::sourceparts': 'empty',
    'Dir::Etc::preferencesparts': 'empty',
    'Dir::Etc': join(folder, 'apt'),
    'Dir::State::lists': join(folder, 'apt', 'lists'),
    'Dir::Cache': join(folder, 'apt', 'cache'),
    'Acquire::Retries': '1',
    'APT::Sandbox::User': 'root',
  };
  const options = Object.entries(own).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  await run('apt-get', [...options, '-q', '--error-on=any', 'update'], { timeout: LONGEST_MS });
  await run('apt-get', [...options, '-q', 'download', 'valkey-tools'], { cwd: folder, timeout: LONGEST_MS });
  for (const file of await readdir(folder)) {
    if (file.endsWith('.deb')) await run('dpkg', ['-x', join(folder, file), join(folder, 'root')]);
  }
  await symlink('valkey-check-rdb', server);
  await run(server, ['--version']);
}

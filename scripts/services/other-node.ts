import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { arch, platform } from 'node:process';
import { cacheFolder } from './cache-folder.ts';
import { run } from './run-command.ts';

/**
 * The program of another version of Node, fetched once from the package registry into the cache folder (some 50 MB).
 * Rejects where the registry has none for this machine, or cannot be reached.
 */
export async function otherNode(version: string): Promise<string> {
  const folder = join(cacheFolder, `node-${version}`);
  const binary = join(folder, 'package', 'bin', 'node');
  if (existsSync(binary)) return binary;
  await mkdir(cacheFolder, { recursive: true });
  const aside = await mkdtemp(`${folder}.`);
  try {
    await run('npm', ['pack', '--silent', '--pack-destination', aside, `node-${platform}-${arch}@${version}`]);
    const [archive] = (await readdir(aside)).filter((name) => name.endsWith('.tgz'));
    if (archive === undefined) throw new Error(`the registry gave no Node ${version}`);
    await run('tar', ['-xzf', join(aside, archive), '-C', aside]);
    await rm(join(aside, archive));
    // Another test run may have fetched it meanwhile.
    await rename(aside, folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
    return binary;
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

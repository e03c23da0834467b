import { findOnPath } from './find-on-path.ts';
import { run } from './run-command.ts';
import type { Log } from './service.ts';

/** Whether packages can be installed with apt-get here. */
export async function isDebian(): Promise<boolean> {
  return (await findOnPath('apt-get')) !== undefined && (await findOnPath('dpkg')) !== undefined;
}

/** Whether this process may install packages. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Installs Debian packages as root; says so before. Waits for another apt-get that is at work. */
export async function aptInstall(packages: readonly string[], log: Log): Promise<void> {
  log(`installing Debian packages: ${packages.join(' ')}`);
  await run('apt-get', [...patience, 'update'], { env });
  await run('apt-get', [...patience, 'install', '-y', '--no-install-recommends', ...packages], { env });
}

const patience = ['-q', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=3'];
const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };

import { findOnPath } from './find-on-path.ts';
import { missingPrograms, PROGRAMS, type Program, type ProgramName } from './programs.ts';
import { run } from './run-command.ts';
import type { Log } from './service.ts';

/**
 * Installs Debian's packages of these programs, all at once, and says so before. Returns why it did not: this user may
 * not, this is no Debian, or what `apt-get` said last. What the release does not have is left out.
 */
export async function installPrograms(names: readonly ProgramName[], log: Log): Promise<string | undefined> {
  if (names.length === 0) return undefined;
  if (!(await isDebian())) return 'there is no apt-get';
  if (!isRoot()) return 'only root can install packages';
  const programs: readonly Program[] = names.map((name) => PROGRAMS[name]);
  const asked = programs.flatMap(({ packages }) => packages);
  log(`installing Debian packages: ${asked.join(' ')}`);
  try {
    await run('apt-get', [...PATIENCE, 'update'], { env });
    const packages = (await Promise.all(asked.map(inRelease))).filter((name) => name !== undefined);
    await run('apt-get', [...PATIENCE, 'install', '-y', '--no-install-recommends', ...packages], { env });
  } catch (error) {
    return `apt-get: ${String(error).trim().split('\n').at(-1)}`;
  }
  await stopServices(programs);
  const [first] = await missingPrograms(names);
  return first === undefined ? undefined : `Debian's packages brought no ${first}`;
}

/** Whether packages can be had with apt-get here. */
export async function isDebian(): Promise<boolean> {
  return (await findOnPath('apt-get')) !== undefined && (await findOnPath('dpkg')) !== undefined;
}

/** Whether this process may install packages. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Waits for another apt-get that is at work, and for a mirror, but not for long. */
const PATIENCE = ['-q', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=2', '-o', 'Acquire::http::Timeout=20'];
const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };

async function inRelease(alternatives: string): Promise<string | undefined> {
  for (const name of alternatives.split('|')) {
    if ((await run('apt-cache', ['show', name], { orElse: 'ignore' })).includes('\nVersion: ')) return name;
  }
  return undefined;
}

async function stopServices(programs: readonly Program[]): Promise<void> {
  const command = await findOnPath('service');
  if (command === undefined) return;
  for (const { service } of programs)
    if (service !== undefined) await run(command, [service, 'stop'], { orElse: 'ignore' });
}

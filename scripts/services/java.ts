import { findOnPath } from './find-on-path.ts';
import { installPrograms } from './install-programs.ts';
import { absenceOf, type ProgramName } from './programs.ts';
import { run } from './run-command.ts';
import type { Log } from './service.ts';

/** The paths of a Java 17 (or newer) runtime and of Maven; as root on Debian what is absent is installed. */
export async function javaAndMaven(log: Log): Promise<{ java: string; mvn: string }> {
  const absent: readonly ProgramName[] = [
    ...((await javaVersion()) >= 17 ? [] : (['java'] as const)),
    ...((await findOnPath('mvn')) ? [] : (['mvn'] as const)),
  ];
  const why = await installPrograms(absent, log);
  if (why !== undefined) throw new Error(`${absent.map(absenceOf).join(' and ')}; not installed: ${why}`);
  return { java: await required('java'), mvn: await required('mvn') };
}

async function javaVersion(): Promise<number> {
  const java = await findOnPath('java');
  const printed = java ? await run(java, ['-version'], { orElse: 'ignore' }) : '';
  return Number(/version "(\d+)/.exec(printed)?.[1] ?? 0);
}

async function required(name: ProgramName): Promise<string> {
  const path = await findOnPath(name);
  if (!path) throw new Error(absenceOf(name));
  return path;
}

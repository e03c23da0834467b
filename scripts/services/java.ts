import { aptInstall, isDebian, isRoot } from './apt.ts';
import { findOnPath } from './find-on-path.ts';
import { run } from './run-command.ts';
import type { Log } from './service.ts';

/** The paths of a Java 17 (or newer) runtime and of Maven; as root on Debian what is absent is installed. */
export async function javaAndMaven(log: Log): Promise<{ java: string; mvn: string }> {
  const absent = [
    ...((await javaVersion()) >= 17 ? [] : ['openjdk-17-jre-headless']),
    ...((await findOnPath('mvn')) ? [] : ['maven']),
  ];
  if (absent.length > 0) {
    if (!isRoot() || !(await isDebian()))
      throw new Error(`needs ${absent.join(' and ')}, and this user cannot install it`);
    await installOr(absent, log);
  }
  return { java: await required('java'), mvn: await required('mvn') };
}

/** Debian 13 has no Java 17; its default is newer, and Neo4j 5.26 runs on 21 as well. */
async function installOr(packages: string[], log: Log): Promise<void> {
  try {
    await aptInstall(packages, log);
  } catch (error) {
    if (!packages.includes('openjdk-17-jre-headless')) throw error;
    log(`no openjdk-17-jre-headless here, trying Java 21: ${String(error).split('\n').at(-2) ?? ''}`);
    await aptInstall(
      packages.map((name) => name.replace('openjdk-17', 'openjdk-21')),
      log,
    );
  }
}

async function javaVersion(): Promise<number> {
  const java = await findOnPath('java');
  const printed = java ? await run(java, ['-version'], { orElse: 'ignore' }) : '';
  return Number(/version "(\d+)/.exec(printed)?.[1] ?? 0);
}

async function required(name: string): Promise<string> {
  const path = await findOnPath(name);
  if (!path) throw new Error(`${name} is not on PATH`);
  return path;
}

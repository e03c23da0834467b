import { createHash } from 'node:crypto';
import { access, mkdir, readFile, rename } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { cacheFolder, projectFolder } from './cache-folder.ts';
import { run } from './run-command.ts';
import type { Log } from './service.ts';

/**
 * The jars of Neo4j community as `scripts/neo4j/pom.xml` names them, as one class path. Maven fetches them once
 * (128 MB, about a minute) into the cache folder; a changed pom is resolved anew.
 */
export async function neo4jClasspath(mvn: string, log: Log): Promise<string> {
  const digest = createHash('sha256')
    .update(await readFile(pom))
    .digest('hex')
    .slice(0, 12);
  const file = join(folder, `classpath-${digest}.txt`);
  const known = await readClasspath(file);
  if (known) return known;
  log('fetching the jars of Neo4j with Maven (128 MB, about a minute, once)');
  await mkdir(folder, { recursive: true });
  const draft = `${file}.${process.pid}`;
  const goal = [
    'dependency:build-classpath',
    `-Dmdep.outputFile=${draft}`,
    `-Dmaven.repo.local=${join(folder, 'jars')}`,
  ];
  await run(mvn, ['-q', '-B', '-f', pom, ...goal], { timeout: 900_000 });
  await rename(draft, file);
  return (await readClasspath(file)) ?? fail();
}

const pom = join(projectFolder, 'scripts', 'neo4j', 'pom.xml');
const folder = join(cacheFolder, 'neo4j');

/** Undefined where the list or one of its jars is not there. */
async function readClasspath(file: string): Promise<string | undefined> {
  try {
    const classpath = (await readFile(file, 'utf8')).trim();
    await Promise.all(classpath.split(delimiter).map((jar) => access(jar)));
    return classpath;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function fail(): never {
  throw new Error('Maven resolved jars of Neo4j that are not there');
}

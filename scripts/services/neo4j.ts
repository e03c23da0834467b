import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { javaAndMaven } from './java.ts';
import { neo4jClasspath } from './neo4j-classpath.ts';
import { serverFolder, startServerProcess } from './server-process.ts';
import type { Lifetime, Log, RunningServer } from './service.ts';

export interface Neo4jOptions {
  /** Default: `with-parent`. */
  readonly lifetime?: Lifetime;
  /** The password of user `neo4j`. Default: authentication is off. At least 8 characters. */
  readonly password?: string;
  /** More lines for neo4j.conf. */
  readonly settings?: readonly string[];
  readonly log?: Log;
}

/**
 * Starts an empty Neo4j community server on a free port of 127.0.0.1: Bolt only, no HTTP. It answers after about
 * six seconds, the first time after the minute that its jars take.
 */
export async function startNeo4j(options: Neo4jOptions = {}): Promise<RunningServer> {
  const log = options.log ?? (() => undefined);
  const { java, mvn } = await javaAndMaven(log);
  const classpath = await neo4jClasspath(mvn, log);
  log('starting Neo4j, about six seconds');
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOn(await freePort(), java, classpath, options);
    } catch (error) {
      if (attempt === 3 || !/Address already in use|BindException/.test(String(error))) throw error;
    }
  }
}

async function startOn(port: number, java: string, classpath: string, options: Neo4jOptions): Promise<RunningServer> {
  const dir = await serverFolder('neo4j');
  await mkdir(join(dir, 'conf'));
  await writeFile(join(dir, 'conf', 'neo4j.conf'), configuration(port, options).join('\n'));
  const jvm = join(dir, 'jvm.args');
  await writeFile(jvm, [...jvmArguments, '-cp', classpath].map(quoted).join('\n'));
  const main = 'org.neo4j.server.CommunityEntryPoint';
  const { pid, stop } = await startServerProcess({
    name: 'Neo4j',
    command: java,
    args: [`@${jvm}`, main, `--home-dir=${dir}`, `--config-dir=${join(dir, 'conf')}`],
    dir,
    lifetime: options.lifetime ?? 'with-parent',
    readyFile: join(dir, 'logs', 'neo4j.log'),
    ready: / Started\.$/m,
    timeout: 120_000,
  });
  const url = `bolt://127.0.0.1:${port}`;
  if (options.password) await replaceFirstPassword(url, options.password);
  return { url, pid, dir, stop };
}

function configuration(port: number, { password, settings = [] }: Neo4jOptions): string[] {
  return [
    `server.bolt.listen_address=127.0.0.1:${port}`,
    'server.http.enabled=false',
    'server.https.enabled=false',
    `dbms.security.auth_enabled=${password !== undefined}`,
    'server.memory.pagecache.size=128m',
    'dbms.usage_report.enabled=false',
    ...settings,
  ];
}

const jvmArguments = [
  '-Xmx512m',
  // The simple collector starts faster than G1 and takes fewer threads from the tests beside it.
  '-XX:+UseSerialGC',
  ...['java.nio', 'java.io', 'sun.nio.ch', 'java.lang', 'java.util.concurrent'].map(
    (name) => `--add-opens=java.base/${name}=ALL-UNNAMED`,
  ),
];

/** In an argument file of java(1) blanks part arguments and backslashes escape, inside quotes too. */
function quoted(argument: string): string {
  return `"${argument.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** A new server knows only neo4j/neo4j, and lets it do nothing but change the password. */
async function replaceFirstPassword(url: string, password: string): Promise<void> {
  const { default: neo4j } = await import('neo4j-driver');
  const driver = neo4j.driver(url, neo4j.auth.basic('neo4j', 'neo4j'));
  try {
    await driver.executeQuery(
      "ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO $password",
      { password },
      { database: 'system' },
    );
  } finally {
    await driver.close();
  }
}

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { bundle } from '../../scripts/bundle.ts';
import { projectFolder } from '../../scripts/services/cache-folder.ts';
import { describeService } from '../../scripts/services/describe-service.ts';
import { run } from '../../scripts/services/run-command.ts';
import { type Service, type StoreName, storeNames } from '../../scripts/services/service.ts';
import { startServices } from '../../scripts/services/start-services.ts';
import { PROGRAM } from './program.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The shared Redis, or '' where none runs. Files that need it empty take `freshRedis()`. */
    redisUrl: string;
    /** The shared Neo4j, without authentication unless it came from the environment; '' where none runs. */
    graphUrl: string;
    /** Credentials of the shared graph, both '' where it asks for none. */
    graphUsername: string;
    graphPassword: string;
    /** A real Qdrant, or ''. The stand-in is started by each test file for itself. */
    qdrantUrl: string;
    /** A real config API, or ''. The stand-in is started by each test file for itself. */
    apiUrl: string;
    /** A real Dragonfly, or ''. */
    dragonflyUrl: string;
    /** A real Memgraph, or ''. */
    memgraphUrl: string;
    services: readonly Service[];
    /** How many times slower than an idle machine this one is, at least 1. Limits of time grow with it. */
    slowness: number;
  }
}

/**
 * The program, built where it is older than its source, and one server for each store for the whole test run: those that
 * `services up` left running, else new ones that end with it. The stores named in REQUIRE_SERVICES (`redis,graph`) must run, or the test run fails.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await Promise.all([bundle(PROGRAM), buildIfOlder()]);
  const { services, stop } = await startServices({
    stores: storeNames,
    standIns: false,
    lifetime: 'with-parent',
    env: process.env,
    log: (line) => console.error(line),
  });
  for (const service of services) console.error(describeService(service));
  const missing = requiredStores().filter(
    (store) => !services.some((service) => service.store === store && service.url),
  );
  if (missing.length > 0) {
    await stop();
    throw new Error(`REQUIRE_SERVICES names ${missing.join(' and ')}, which cannot be run here`);
  }
  provide(project, services);
  return stop;
}

/** It may name programs, too, which are looked for where they are started. */
function requiredStores(): readonly StoreName[] {
  const required = (process.env.REQUIRE_SERVICES ?? '').split(',');
  return storeNames.filter((name) => required.includes(name));
}

async function buildIfOlder(): Promise<void> {
  const source = join(projectFolder, 'src');
  const names = readdirSync(source, { recursive: true, encoding: 'utf8' });
  const changed = Math.max(...names.map((name) => statSync(join(source, name)).mtimeMs));
  const built = statSync(join(projectFolder, 'dist/main.js'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (built < changed) await run('npm', ['run', '--silent', 'build'], { cwd: projectFolder });
}

function provide(project: TestProject, services: readonly Service[]): void {
  const find = (store: StoreName) => services.find((service) => service.store === store && service.how !== 'simulated');
  const url = (store: StoreName) => find(store)?.url ?? '';
  project.provide('redisUrl', url('redis'));
  project.provide('graphUrl', url('graph'));
  project.provide('graphUsername', find('graph')?.auth?.username ?? '');
  project.provide('graphPassword', find('graph')?.auth?.password ?? '');
  project.provide('qdrantUrl', url('qdrant'));
  project.provide('apiUrl', url('api'));
  project.provide('dragonflyUrl', url('dragonfly'));
  project.provide('memgraphUrl', url('memgraph'));
  project.provide('services', services);
}

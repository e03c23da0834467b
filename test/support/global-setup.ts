import type { TestProject } from 'vitest/node';
import { bundle } from '../../scripts/bundle.ts';
import { describeService } from '../../scripts/services/describe-service.ts';
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
  }
}

/**
 * One server for each store for the whole test run: those that `services up` left running, else new ones that end
 * with it. The stores named in REQUIRE_SERVICES (`redis,graph`) must run, or the test run fails.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await bundle(PROGRAM);
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

/** It may name a browser, too, which the tests of pages look for themselves. */
function requiredStores(): readonly string[] {
  return (process.env.REQUIRE_SERVICES ?? '').split(',').filter((name) => name !== '' && name !== 'chromium');
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

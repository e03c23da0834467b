import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { projectFolder } from './cache-folder.ts';
import { findOnPath } from './find-on-path.ts';
import { ping } from './ping.ts';
import { run } from './run-command.ts';
import type { Log, StoreName } from './service.ts';

/** The services of `docker-compose.test.yml`, with the URLs that it publishes. */
const containers: Partial<Record<StoreName, { readonly service: string; readonly url: string }>> = {
  dragonfly: { service: 'dragonfly', url: 'redis://127.0.0.1:16379' },
  qdrant: { service: 'qdrant', url: 'http://127.0.0.1:16333' },
  memgraph: { service: 'memgraph', url: 'bolt://127.0.0.1:16687' },
  graph: { service: 'neo4j', url: 'bolt://127.0.0.1:16688' },
};

/** The containers of `docker-compose.test.yml`. */
export interface Compose {
  /** Why Docker cannot be used here, or undefined where it can. Asks once. */
  absent(): Promise<string | undefined>;
  /** Starts a store's container and resolves with its URL once it answers; undefined for a store without one. */
  up(store: StoreName): Promise<string | undefined>;
  /** Stops and removes the containers of these stores, with their data. Default: those that this object started. */
  remove(stores?: Iterable<StoreName>): Promise<void>;
}

export function dockerCompose(log: Log): Compose {
  let absence: Promise<string | undefined> | undefined;
  const started = new Set<StoreName>();
  let last: Promise<unknown> = Promise.resolve();
  const compose = (...args: string[]) => run('docker', ['compose', '-f', file, ...args], { timeout: 600_000 });
  return {
    absent: () => {
      absence ??= askDocker();
      return absence;
    },
    up: async (store) => {
      const container = containers[store];
      if (!container) return undefined;
      started.add(store);
      log(`${store}: starting the container ${container.service} (the first time its image is fetched)`);
      // Two at once would both make the network.
      const next = last.then(() => compose('up', '--detach', container.service));
      last = next.catch(() => undefined);
      await next;
      await untilItAnswers(store, container.url);
      return container.url;
    },
    remove: async (stores = started) => {
      const names = [...stores].flatMap((store) => containers[store]?.service ?? []);
      if (names.length > 0) await compose('rm', '--stop', '--force', '--volumes', ...names);
    },
  };
}

const file = join(projectFolder, 'docker-compose.test.yml');

async function askDocker(): Promise<string | undefined> {
  if (!(await findOnPath('docker'))) return 'no docker on PATH';
  try {
    await run('docker', ['info'], { timeout: 3_000 });
    await run('docker', ['compose', 'version'], { timeout: 3_000 });
    return undefined;
  } catch (error) {
    return `no Docker engine with compose answers (${String(error).trim().split('\n').at(-1)})`;
  }
}

/** Asked from here, since not every image holds what its health check needs. */
async function untilItAnswers(store: StoreName, url: string): Promise<void> {
  const end = performance.now() + 120_000;
  for (;;) {
    try {
      await ping({ store, url });
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(250);
    }
  }
}

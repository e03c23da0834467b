import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Compose } from './compose.ts';
import { ping } from './ping.ts';
import { endProcess, processBirth } from './process-identity.ts';
import type { RunningServer, Service, StoreName } from './service.ts';
import { type StartOptions, startServices } from './start-services.ts';
import { isStillOurs, type KeptService, readState, writeState } from './state.ts';

/** Finds or starts servers that stay up, and remembers them. A second call finds those of the first. */
export async function keepServices(options: Omit<StartOptions, 'lifetime'>): Promise<readonly Service[]> {
  const before = await readState();
  const { services, servers } = await startServices({ ...options, lifetime: 'detached' });
  const kept = services.flatMap((service) => remember(service, servers.get(service.store)));
  const replaced = before.filter(({ store }) => kept.some((service) => service.store === store));
  await Promise.all(replaced.map(end));
  await writeState([...before.filter((old) => !replaced.includes(old)), ...kept]);
  return services;
}

/** Asks every server that was kept; a store without one is `not run here`. */
export async function serviceStatus(stores: readonly StoreName[]): Promise<readonly Service[]> {
  const state = await readState();
  return Promise.all(
    stores.map((store) =>
      status(
        store,
        state.find((service) => service.store === store),
      ),
    ),
  );
}

/** Stops the kept servers of these stores that are still ours, and forgets them. Returns what each is now. */
export async function stopKeptServices(options: {
  readonly stores: readonly StoreName[];
  readonly compose: Compose;
}): Promise<readonly Service[]> {
  const state = await readState();
  const ending = state.filter(({ store }) => options.stores.includes(store));
  await Promise.all(ending.map(end));
  const staying = state.filter((service) => !ending.includes(service));
  await options.compose.remove(ending.filter(({ how }) => how === 'docker').map(({ store }) => store));
  await writeState(staying);
  return ending.map(({ store }) => ({ store, how: 'not run here', reason: 'stopped', ms: 0 }));
}

/** What to write down of a service that was just started; nothing for one that is not ours or was kept before. */
function remember(service: Service, server: RunningServer | undefined): readonly KeptService[] {
  const { url, how } = service;
  if (url === undefined || (server === undefined && how !== 'docker')) return [];
  const birth = server && processBirth(server.pid);
  return [{ ...service, url, ...(server && { dir: server.dir }), ...(birth && { birth }) }];
}

async function end(service: KeptService): Promise<void> {
  if (service.pid !== undefined && isStillOurs(service)) await endProcess(service.pid);
  const isOurFolder = service.dir?.startsWith(join(tmpdir(), 'tenant-migrate-server-'));
  if (service.dir && isOurFolder) await rm(service.dir, { recursive: true, force: true, maxRetries: 5 });
}

async function status(store: StoreName, kept: KeptService | undefined): Promise<Service> {
  if (!kept) return { store, how: 'not run here', reason: 'not up', ms: 0 };
  const begun = performance.now();
  const { how, url, pid } = kept;
  try {
    const version = await ping(kept);
    return {
      store,
      how,
      url,
      ...(pid && { pid }),
      ...(version && { version }),
      ms: Math.round(performance.now() - begun),
    };
  } catch (error) {
    return {
      store,
      how: 'not run here',
      reason: `${url} does not answer: ${String(error)}`,
      ms: Math.round(performance.now() - begun),
    };
  }
}

import { join } from 'node:path';
import { projectFolder } from './cache-folder.ts';
import { serverFolder, startServerProcess } from './server-process.ts';
import type { Lifetime, RunningServer, StoreName } from './service.ts';

/** The files of the stand-ins, in test/support: each a process of this project that behaves like the real server on what is used. */
const standIns = { qdrant: 'qdrant-stand-in.ts', api: 'config-api-stand-in.ts' } as const;

export function hasStandIn(store: StoreName): store is keyof typeof standIns {
  return store in standIns;
}

/** Starts a stand-in, empty and in memory, on a free port of 127.0.0.1. */
export async function startStandIn(
  store: keyof typeof standIns,
  lifetime: Lifetime = 'with-parent',
): Promise<RunningServer> {
  const dir = await serverFolder(`${store}-stand-in`);
  const { pid, stop, said } = await startServerProcess({
    name: `stand-in for ${store}`,
    command: process.execPath,
    args: [
      '--import',
      import.meta.resolve('tsx'),
      join(projectFolder, 'test', 'support', standIns[store]),
      '--port',
      '0',
    ],
    dir,
    lifetime,
    ready: /^\{.*"url":"([^"]+)".*\}$/m,
    timeout: 20_000,
  });
  return { url: said[1] ?? '', pid, dir, stop };
}

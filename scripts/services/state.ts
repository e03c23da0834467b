import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from './cache-folder.ts';
import { processBirth } from './process-identity.ts';
import type { Service } from './service.ts';

/** A server that stays up after the process that started it. */
export interface KeptService extends Service {
  readonly url: string;
  /** From `processBirth`, so that a pid which the system gave to another process is not taken for ours. */
  readonly birth?: string;
  /** Its temporary folder. */
  readonly dir?: string;
}

/** What `services up` left running; empty where nothing was. */
export async function readState(): Promise<readonly KeptService[]> {
  try {
    return (JSON.parse(await readFile(file, 'utf8')) as { services: KeptService[] }).services;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

export async function writeState(services: readonly KeptService[]): Promise<void> {
  if (services.length === 0) return rm(file, { force: true });
  await mkdir(cacheFolder, { recursive: true });
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify({ services }, undefined, 2)}\n`, { mode: 0o600 });
  await rename(draft, file);
}

/** Whether the process of a kept server is still the one that was started. */
export function isStillOurs({ pid, birth }: KeptService): boolean {
  return pid !== undefined && birth !== undefined && processBirth(pid) === birth;
}

const file = join(cacheFolder, 'state.json');

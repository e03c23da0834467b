import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freshId, type Stores, secretsOf, startStores } from '../stores.ts';

const MAIN = join(import.meta.dirname, '../../../dist/main.js');

/** Tenants as the documents name them. Each block has them under ids of its own, since the graph is shared. */
const TENANTS = [
  'siraya',
  'tenant_76920508',
  'old_tenant',
  'new_tenant',
  'acme',
  'halden',
  'tenant_7203',
  'blue',
  'green',
];

/** Where a block of a document is run: an empty folder, servers behind the default addresses, the tenants of its words. */
export type Place = Awaited<ReturnType<typeof openPlace>>;

/** Makes a place, with the files that the documents speak of. Seeds nothing. */
export async function openPlace(stores: Stores) {
  const cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-document-'));
  const ids = new Map(TENANTS.map((name) => [name, freshId(name)]));
  // `acme_eu` becomes acme's own id with `_eu` behind it; `acme2` stays another word.
  const named = (text: string) =>
    text.replace(
      new RegExp(`(?<![a-zA-Z0-9])(${TENANTS.join('|')})(?![a-zA-Z0-9])`, 'g'),
      (name) => ids.get(name) ?? name,
    );
  const id = (name: string) => named(name);
  const bin = join(cwd, '.bin');
  mkdirSync(bin);
  const program = (name: string, script: string) => {
    writeFileSync(join(bin, name), `#!/usr/bin/env bash\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  program('tenant-migrate', `exec ${JSON.stringify(process.execPath)} ${JSON.stringify(MAIN)} "$@"`);
  const redis = new URL(stores.urls.redisUrl);
  const graph = new URL(stores.urls.graphUrl);
  const env: Record<string, string> = {
    PATH: `${bin}:${process.env.PATH ?? ''}`,
    HOME: cwd,
    TENANT_MIGRATE_REDIS_PORT: redis.port,
    TENANT_MIGRATE_QDRANT_URL: stores.urls.qdrantUrl,
    TENANT_MIGRATE_MEMGRAPH_PORT: graph.port,
    TENANT_MIGRATE_API_URL: stores.urls.apiUrl,
    REDIS_HOST: redis.hostname,
    QDRANT_URL: stores.urls.qdrantUrl,
    API_URL: stores.urls.apiUrl,
  };
  writeFileSync(join(cwd, 'secrets.json'), secretsOf(id('siraya')), { mode: 0o600 });
  return {
    cwd,
    env,
    stores,
    /** The id that a tenant of the documents has here. */
    id,
    named,
    /** Puts a program of this name before all others of the same name. */
    program,
    seed: async (...names: readonly string[]) => {
      for (const name of names) await stores.seedSmall(id(name));
    },
    file: (name: string, content: string) => writeFileSync(join(cwd, name), content),
    /** The newest run of the state folder. */
    newestRun: () => readdirSync(join(cwd, '.tenant-migrate/runs')).sort().at(-1) ?? '',
    newestBackup: () => readdirSync(join(cwd, '.tenant-migrate/backups')).sort().at(-1) ?? '',
    run: (script: string) => inBash(script, { cwd, env }),
  };
}

export interface Ended {
  readonly code: number | null;
  /** Both streams, as they came. */
  readonly output: string;
}

/** Runs a script as a careful user would: it ends at the first command that fails. */
function inBash(script: string, options: { cwd: string; env: Readonly<Record<string, string>> }): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const words = ['--noprofile', '--norc', '-e', '-o', 'pipefail', '-c', script];
    const child = spawn('bash', words, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

/** Servers for all blocks of a document; their Redis is emptied for each. */
export const startPlaces = startStores;

import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { runHere } from '../cli.ts';
import { rawGraph } from '../graph.ts';
import { PROGRAM } from '../program.ts';
import { freshId, secretsOf, startStores } from '../stores.ts';
import { openDoor } from './door.ts';

/** Tenants as the documents name them. Each block has them under ids of its own, since the graph is shared. */
const TENANTS = [
  'siraya',
  'tenant_76920508',
  'old_tenant',
  'new_tenant',
  'acme2',
  'acme',
  'halden',
  'tenant_7203',
  'blue',
  'green',
];

/** What all places of a file share: servers, and the command's door. */
export type Grounds = Awaited<ReturnType<typeof openGrounds>>;

/** `files`: contents that the documents give, by their names there. */
export async function openGrounds(files: ReadonlyMap<string, string>) {
  const [stores, door] = await Promise.all([startStores(), openDoor()]);
  const redis = new Redis(stores.urls.redisUrl);
  const graph = rawGraph({ url: stores.urls.graphUrl });
  const labels: string[] = [];
  return {
    stores,
    door,
    redis,
    labels,
    files,
    /** Nothing but the graph has anything of an earlier place. */
    async clear(): Promise<void> {
      stores.qdrant.reset();
      stores.api.reset();
      await redis.flushall();
    },
    async close(): Promise<void> {
      await graph.clear(labels);
      redis.disconnect();
      await Promise.all([graph.close(), door.close(), stores.stop()]);
    },
  };
}

/** Where a block of a document is run: an empty folder, servers behind the default addresses, the tenants of its words. */
export type Place = ReturnType<typeof openPlace>;

/** Makes a place, with the files that the documents speak of. Seeds nothing. */
export function openPlace({ stores, door, redis, labels, files }: Grounds) {
  const cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-document-'));
  const ids = new Map(TENANTS.map((name) => [name, freshId(name)]));
  // `acme_eu` becomes acme's own id with `_eu` behind it.
  const named = (text: string) =>
    text.replace(
      new RegExp(`(?<![a-zA-Z0-9])(${TENANTS.join('|')})(?![a-zA-Z0-9])`, 'g'),
      (name) => ids.get(name) ?? name,
    );
  labels.push(...[...TENANTS, 'acme_eu', 'acme_old'].map(named));
  const bin = join(cwd, '.bin');
  mkdirSync(bin);
  const file = (name: string, content: string, mode = 0o600) => {
    writeFileSync(join(cwd, name), content);
    chmodSync(join(cwd, name), mode);
  };
  const program = (name: string, script: string) => file(`.bin/${name}`, `#!/usr/bin/env bash\n${script}\n`, 0o755);
  const redisPort = new URL(stores.urls.redisUrl).port;
  program('tenant-migrate', door.script);
  program('redis-cli', `exec /usr/bin/redis-cli -e -p ${redisPort} "$@"`);
  program('newest', 'basename "$(ls -d "$HOME/.tenant-migrate/$1"/* | sort | tail -1)"');
  const env: Record<string, string> = {
    PATH: `${bin}:${process.env.PATH ?? ''}`,
    HOME: cwd,
    TENANT_MIGRATE_REDIS_PORT: redisPort,
    TENANT_MIGRATE_QDRANT_URL: stores.urls.qdrantUrl,
    TENANT_MIGRATE_MEMGRAPH_PORT: new URL(stores.urls.graphUrl).port,
    TENANT_MIGRATE_API_URL: stores.urls.apiUrl,
    TENANT_MIGRATE_CONFIG_SECRETS: join(cwd, 'secrets.json'),
    // What the examples of a pipeline have from their CI.
    REDIS_HOST: '127.0.0.1',
    QDRANT_URL: stores.urls.qdrantUrl,
    API_URL: stores.urls.apiUrl,
  };
  const secrets = (name: string) => file('secrets.json', secretsOf(named(name)));
  secrets('siraya');
  return {
    cwd,
    env,
    stores,
    redis,
    named,
    program,
    file,
    /** A file's content as the documents give it. */
    given: (name: string) => named(given(files, name)),
    secrets,
    redisPort,
    /** A small tenant in every store; `only` in some. */
    async seed(...names: readonly string[]): Promise<void> {
      for (const name of names) await stores.seedSmall(named(name));
    },
    /** A few keys, which make a tenant as well. */
    async keys(name: string, value = 'one'): Promise<void> {
      const keys = ['1', '2'].flatMap((no) => [`${named(name)}_text_chunks:${no}`, `${value} ${no}`]);
      await redis.mset(...keys);
    },
    /** The newest of `runs`, `maps` or `backups`. */
    newest: (what: string) =>
      readdirSync(join(cwd, '.tenant-migrate', what))
        .sort()
        .at(-1) ?? '',
    /** Runs the command, and stops it as Ctrl-C does as soon as it says `moment`. */
    async interrupted(moment: RegExp, line: string): Promise<void> {
      let stopped = false;
      const { code, stderr } = await runHere(named(line).split(' '), {
        cwd,
        env,
        onStderr(text, stop) {
          if (stopped || !moment.test(text)) return;
          stopped = true;
          stop('SIGINT');
        },
      });
      if (code !== 130) throw new Error(`was to be stopped at ${String(moment)}, and ended with ${code}: ${stderr}`);
    },
    run: (script: string) => inBash(script, { cwd, env }),
    /** The command as a process of its own, which goes on while a block is typed. */
    start: (line: string) => {
      const child = spawn(process.execPath, [PROGRAM, ...named(line).split(' ')], { cwd, env, stdio: 'ignore' });
      const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
      return { ended, kill: () => child.kill('SIGKILL') };
    },
  };
}

function given(files: ReadonlyMap<string, string>, name: string): string {
  const content = files.get(name);
  if (content === undefined) throw new Error(`no document gives ${name}`);
  return content;
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

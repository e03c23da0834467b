import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CliResult, runCli, runHere } from '../support/cli.ts';
import { PROGRAM } from '../support/program.ts';
import { freshId, type Stores, secretsOf, startStores } from '../support/stores.ts';

/** The argument lists of the migration guide that this tool grew from, typed as they stand there. */
describe('the guide’s argument lists', () => {
  let stores: Stores;
  let source: string;
  let target: string;
  let hosts: string[];
  let cwd: string;
  const run = (args: readonly string[], env: Record<string, string> = {}, how = runHere): Promise<CliResult> =>
    how(args, { cwd, env: { TENANT_MIGRATE_CONFIG_SECRETS: secretsOf(source), ...env } });

  beforeAll(async () => {
    stores = await startStores();
    const redis = new URL(stores.urls.redisUrl);
    const graph = new URL(stores.urls.graphUrl);
    hosts = [
      ...['--redis-host', redis.hostname, '--redis-port', redis.port],
      ...['--qdrant-url', stores.urls.qdrantUrl],
      ...['--memgraph-host', graph.hostname, '--memgraph-port', graph.port],
      ...['--api-url', stores.urls.apiUrl],
    ];
  });
  beforeEach(async () => {
    [source, target] = [freshId('siraya'), freshId('tenant')];
    cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-guide-'));
    await stores.seedSmall(source);
  });
  afterAll(() => stores.stop());

  it('<source> <target> with hosts and ports moves everything', async () => {
    const result = await run([source, target, ...hosts], {}, runCli);
    expect(result.stdout).toMatch(
      /Migration Summary[\s\S]*Tenant Config: ✅ Created\nRedis: ✅ 120\/120 keys \(failed: 0\)[\s\S]*Qdrant: ✅ 52\/52 points[\s\S]*Graph: ✅ 30\/30 nodes[\s\S]*✅ Migration completed/,
    );
    expect(result.stderr).toMatch(new RegExp(`Tenant Data Migration: ${source} → ${target}`));
    expect(result.stderr).toMatch(
      /Source config found[\s\S]*Found 120 keys to migrate[\s\S]*Collection: lightrag_vdb_chunks\n {4}Migrated: 12 points[\s\S]*Found 30 nodes to migrate/,
    );
    expect(result.code).toBe(0);
  });

  it('move <source> <target> is the same, also for a tenant named like a verb', async () => {
    const result = await run(['move', source, 'verify', ...hosts]);
    expect(result.code).toBe(0);
    expect((await run(['move', 'verify', source, '--skip-config', ...hosts])).code).toBe(0);
  });

  it('--dry-run previews', async () => {
    const result = await run([source, target, '--dry-run', ...hosts]);
    expect(result.stdout).toMatch(/Dry Run Summary[\s\S]*Redis: would move 120 keys/);
    expect(result.code).toBe(0);
  });

  it('only Redis, then only Qdrant, by --skip-…', async () => {
    const redis = await run([source, target, '--skip-qdrant', '--skip-memgraph', '--skip-config', ...hosts]);
    expect(redis.stdout).toMatch(
      /Tenant Config: skipped\nRedis: ✅ 120\/120 keys[\s\S]*Qdrant: skipped\nGraph: skipped/,
    );
    expect(redis.code).toBe(0);
    const qdrant = await run([source, target, '--skip-redis', '--skip-memgraph', '--skip-config', ...hosts]);
    expect(qdrant.stdout).toMatch(/Redis: skipped\nQdrant: ✅ 52\/52 points/);
    expect(qdrant.code).toBe(0);
  });

  it('a skipped store is not connected to at all', async () => {
    const result = await run([
      source,
      target,
      '--skip-redis',
      '--skip-memgraph',
      '--qdrant-url',
      stores.urls.qdrantUrl,
      '--api-url',
      stores.urls.apiUrl,
      '--redis-port',
      '1',
      '--memgraph-port',
      '1',
    ]);
    expect(result.code).toBe(0);
  });

  it('the pipeline’s step takes its addresses from flags or from the environment', async () => {
    const graph = new URL(stores.urls.graphUrl);
    const result = await run([source, target, '--qdrant-url', stores.urls.qdrantUrl, '--api-url', stores.urls.apiUrl], {
      CI: 'true',
      TENANT_MIGRATE_REDIS_URL: stores.urls.redisUrl,
      TENANT_MIGRATE_MEMGRAPH_HOST: graph.hostname,
      TENANT_MIGRATE_MEMGRAPH_PORT: graph.port,
    });
    expect(result.code).toBe(0);
  });

  it('an id of digits keeps its zeros', async () => {
    const result = await run([source, '007', '--json', '--only', 'redis', ...hosts]);
    expect(result.json().moves).toEqual([{ source, target: '007' }]);
    expect(result.code).toBe(0);
  });

  it('--json prints one document on stdout, --quiet nothing else anywhere', async () => {
    const result = await run([source, target, '--json', '--quiet', ...hosts]);
    expect(result.json()).toMatchObject({ schema: 'tenant-migrate/report@1', outcome: 'done' });
    expect(result.stderr).toBe('');
  });

  it('colours appear only where they are wanted', async () => {
    const colour = '\u001b[';
    expect((await run([source, target, '--dry-run', ...hosts])).stdout).not.toContain(colour);
    expect((await run([source, target, '--dry-run', '--color', 'always', ...hosts])).stdout).toContain(colour);
    expect((await run([source, target, '--dry-run', ...hosts], { FORCE_COLOR: '1' })).stdout).toContain(colour);
  });

  describe('on a terminal', () => {
    it('asks before it writes, and writes nothing on any other word than yes', async () => {
      const refused = await onTerminal([source, target, ...hosts], 'y');
      expect(refused.text).toMatch(/Type yes to go on:/);
      expect(refused.text).toContain('not confirmed: nothing was written');
      expect(refused.code).toBe(5);
    });

    it('shows a live line for each stage after the yes', async () => {
      const agreed = await onTerminal([source, target, ...hosts], 'yes');
      expect(agreed.text).toMatch(/✔ Redis: .* 120 keys in/);
      expect(agreed.text).toContain('✅ Migration completed');
      expect(agreed.code).toBe(0);
    });
  });

  /** Runs the command in a pseudo-terminal of 100 columns and answers its question. */
  function onTerminal(args: readonly string[], answer: string): Promise<{ text: string; code: number }> {
    const command = ['stty cols 100;', process.execPath, PROGRAM, ...args].join(' ');
    return new Promise((resolve, reject) => {
      const child = spawn('script', ['-qec', command, '/dev/null'], {
        cwd,
        env: {
          PATH: process.env.PATH ?? '',
          TERM: 'xterm',
          SHELL: '/bin/sh',
          TENANT_MIGRATE_CONFIG_SECRETS: secretsOf(source),
        },
      });
      let text = '';
      let asked = false;
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (asked || !text.includes('Type yes')) return;
        asked = true;
        child.stdin.write(`${answer}\r`);
      });
      child.on('error', reject);
      child.on('close', (code) => resolve({ text: stripVTControlCharacters(text), code: code ?? -1 }));
    });
  }
});

import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bundle } from '../../scripts/bundle.ts';
import { freshId, type Stores, secretsOf, startStores } from '../support/stores.ts';

let stores: Stores;
const folder = mkdtempSync(join(tmpdir(), 'tenant-migrate-bundle-'));
const file = join(folder, 'tenant-migrate.mjs');

beforeAll(async () => {
  const made = join(mkdtempSync(join(tmpdir(), 'tenant-migrate-made-')), 'tenant-migrate.mjs');
  [stores] = await Promise.all([startStores(), bundle(made)]);
  copyFileSync(made, file);
});
afterAll(() => stores.stop());

/** Runs the file by its own first line, in a folder where nothing else is. */
function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve, reject) => {
    const child = spawn(file, args, { cwd: folder, env: { PATH: process.env.PATH ?? '', ...env } });
    const said = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said.stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...said }));
  });
}

it('the one file runs without a package beside it, and tells its version and its licences', async () => {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'));
  expect(await run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  const help = await run(['--help']);
  expect(help).toMatchObject({ code: 0, stderr: '' });
  expect(help.stdout).toContain('tenant-migrate <source> <target> [flags]');
  const text = readFileSync(file, 'utf8');
  expect(text).toContain(`tenant-migrate ${version}, in one file`);
  const licences = text.slice(text.indexOf('Libraries in this file, and their licences'));
  expect(licences).toMatch(/^neo4j-driver \d.* \(Apache-2\.0\)$/m);
  expect(licences).toMatch(/^undici \d.* \(MIT\)$/m);
  expect(licences).toMatch(/Apache License\s+Version 2\.0/);
  expect(licences).toMatch(/Permission is hereby granted/);
});

it('it moves a tenant in every store, and takes it back', async () => {
  const [source, target] = [freshId('siraya'), freshId('tenant')];
  await stores.seedSmall(source);
  const env = { TENANT_MIGRATE_CONFIG_SECRETS: secretsOf(source) };
  const moved = await run([source, target, '--json', ...stores.flags], env);
  expect(moved, moved.stderr).toMatchObject({ code: 0 });
  const { stages } = JSON.parse(moved.stdout) as { stages: { name: string; moved: number }[] };
  expect(stages.map(({ name, moved: count }) => [name, count])).toEqual([
    ['config', 1],
    ['redis', 120],
    ['qdrant', 52],
    ['graph', 30],
  ]);
  const { runId } = JSON.parse(moved.stdout) as { runId: string };
  const back = await run(['rollback', runId], env);
  expect(back, back.stderr).toMatchObject({ code: 0 });
});

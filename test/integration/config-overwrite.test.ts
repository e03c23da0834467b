import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runCli } from '../support/cli.ts';
import { type ConfigApiStandIn, type Sections, startConfigApiStandIn } from '../support/config-api-stand-in.ts';

const SOURCE_KEY = 'sk-live-0123456789abcdef';
const TARGET_KEY = 'sk-own-9876543210-zyxw';
const PASSPHRASE = 'a passphrase of the test';
const SOURCE: Sections = { llm_config: { model: 'a', api_key: SOURCE_KEY } };
const SECRETS = JSON.stringify({
  siraya: { llm_config: { api_key: SOURCE_KEY } },
  tenant_x: { llm_config: { api_key: TARGET_KEY } },
});
const TARGET: Sections = { llm_config: { model: 'b', api_key: TARGET_KEY }, rerank_config: { enabled: true } };

let api: ConfigApiStandIn;
let folder: string;

beforeEach(async () => {
  api = await startConfigApiStandIn({ configs: { siraya: SOURCE, tenant_x: TARGET } });
  folder = await mkdtemp(join(tmpdir(), 'tenant-migrate-command-'));
});
afterEach(() => api.close());

test('the command overwrites a config only when its secrets are known, and takes it back with the key alone', async () => {
  const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    runCli([...args, '--api-url', api.url, '--state-dir', join(folder, 'state'), '--settle', '0.2'], { env });
  const withKey = { ENCRYPTION_KEY: PASSPHRASE };
  const move = ['siraya', 'tenant_x', '--only', 'config', '--on-conflict', 'overwrite', '--delete-source-config'];

  const refused = await run(move, withKey);
  expect(refused.code).toBe(5);
  expect(refused.stdout).toMatch(/overwritten config of tenant_x could not be restored: llm_config\.api_key/);
  expect(api.requests.filter(({ write }) => write)).toEqual([]);

  const done = await run(move, { ...withKey, TENANT_MIGRATE_CONFIG_SECRETS: SECRETS });
  expect(done.code).toBe(0);
  expect(api.stored('tenant_x')?.sections).toEqual({ ...SOURCE, rerank_config: null });
  expect(api.stored('siraya')).toBeUndefined();

  const newest = (await readdir(join(folder, 'state', 'runs'))).sort().at(-1) ?? '';
  const rollback = ['rollback', newest, '--yes'];
  const blind = await run(rollback);
  expect([4, 5]).toContain(blind.code);
  expect(blind.stdout + blind.stderr).toMatch(/llm_config\.api_key/);
  expect(blind.stdout + blind.stderr).toMatch(/ENCRYPTION_KEY/);
  expect(api.stored('siraya')).toBeUndefined();

  const back = await run(rollback, withKey);
  expect(back.code).toBe(0);
  expect(api.stored('siraya')?.sections).toEqual(SOURCE);
  expect(api.stored('tenant_x')?.sections).toEqual(TARGET);

  const kept = await textsUnder(join(folder, 'state'));
  const said = [refused, done, blind, back].map(({ stdout, stderr }) => stdout + stderr).join('\n');
  for (const secret of [SOURCE_KEY, TARGET_KEY, PASSPHRASE]) expect(kept + said).not.toContain(secret);
});

test('the command refuses a short key before it looks at anything', async () => {
  const result = await runCli(['siraya', 'tenant_x', '--only', 'config', '--api-url', api.url], {
    env: { ENCRYPTION_KEY: 'too short' },
  });
  expect(result.code).toBe(64);
  expect(result.stderr).toContain('ENCRYPTION_KEY has fewer than 16 characters');
  expect(api.requests).toEqual([]);
});

/** All files under a folder as one text, unpacked where they are packed. */
async function textsUnder(path: string): Promise<string> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const texts = await Promise.all(
    files.map(async (file) => {
      const bytes = await readFile(file);
      return (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString('utf8');
    }),
  );
  return texts.join('\n');
}

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readConfigSecrets } from '../../../src/cli/config-secrets-file.ts';

const SECRETS = { llm_config: { api_key: 'sk-1' } };

it('a secrets file may begin with a byte order mark', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'tenant-migrate-secrets-')), 'secrets.json');
  writeFileSync(path, `\uFEFF${JSON.stringify(SECRETS)}`);
  expect(await readConfigSecrets(path, true)).toEqual(SECRETS);
});

it('secrets themselves are taken from the environment, and refused on the command line', async () => {
  expect(await readConfigSecrets(JSON.stringify(SECRETS), false)).toEqual(SECRETS);
  await expect(readConfigSecrets(JSON.stringify(SECRETS), true)).rejects.toThrow('holds the secrets themselves');
});

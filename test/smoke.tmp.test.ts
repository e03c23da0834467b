import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'vitest';
import { runCli } from './support/cli.ts';
import { startConfigApiStandIn } from './support/config-api-stand-in.ts';

test('smoke', async () => {
  const api = await startConfigApiStandIn();
  api.seed('siraya', { llm_config: { model: 'a', api_key: 'sk-live-0123456789abcdef' } });
  api.seed('tenant_x', { llm_config: { model: 'b', api_key: 'sk-own-9876543210-zyxw' }, rerank_config: { enabled: true } });
  const dir = await mkdtemp(join(tmpdir(), 'smoke-'));
  const file = join(dir, 's.json');
  await writeFile(file, JSON.stringify({ siraya: { llm_config: { api_key: 'sk-live-0123456789abcdef' } }, tenant_x: { llm_config: { api_key: 'sk-own-9876543210-zyxw' } } }));
  const common = ['--only', 'config', '--api-url', api.url, '--state-dir', join(dir, 'state')];
  const env = { ENCRYPTION_KEY: 'a passphrase of the test' };
  for (const [args, e] of [
    [['siraya', 'tenant_x', ...common], env],
    [['siraya', 'tenant_x', ...common, '--on-conflict', 'overwrite'], env],
    [['siraya', 'tenant_x', ...common, '--on-conflict', 'overwrite', '--config-secrets', file], env],
    [['rollback', ...common.slice(2), '--yes'], {}],
    [['rollback', ...common.slice(2), '--yes'], env],
  ] as const) {
    const r = await runCli([...args], { env: e } as never);
    console.log(args.join(' '), '\n', (r as any).code ?? (r as any).exitCode, '\n', r.stdout, '\n', r.stderr);
    console.log(JSON.stringify(api.stored('tenant_x')?.sections));
  }
  await api.close();
}, 60000);

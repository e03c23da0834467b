import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const demo = join(import.meta.dirname, '../../../scripts/demo.ts');

test.each([
  ['a store that cannot be broken off in', ['--break', 'config'], '--break config: it is one of redis, qdrant, graph'],
  ['no store', ['--break'], 'argument missing'],
  ['an unknown flag', ['--brake', 'redis'], "Unknown option '--brake'"],
])('the demo refuses %s with exit 64 and starts nothing', (_name, args, text) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', demo, ...args], {
    encoding: 'utf8',
  });
  expect(status).toBe(64);
  expect(stderr).toContain(text);
  expect(stderr).toContain('usage: npm run demo');
  expect(stdout).toBe('');
});

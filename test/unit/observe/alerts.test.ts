import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { METRICS } from '../../../src/observe/metrics/metric-list.ts';

const ROOT = join(import.meta.dirname, '../../..');
const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
const exported: readonly string[] = Object.values(METRICS).map(({ name }) => name);

test.skipIf(!hasPromtool && !process.env.REQUIRE_SERVICES)(
  'promtool takes the alert rules, and they fire when they should and not before',
  () => {
    const run = (...words: string[]) => execFileSync('promtool', words, { cwd: join(ROOT, 'ops'), encoding: 'utf8' });
    expect(run('check', 'rules', 'alerts.yml')).toContain('SUCCESS: 5 rules found');
    expect(run('test', 'rules', 'alerts.test.yml')).toContain('SUCCESS');
  },
);

test('every rule has a test, says what to do, and names metrics that are exported', () => {
  const rules = readFileSync(join(ROOT, 'ops/alerts.yml'), 'utf8');
  const tests = readFileSync(join(ROOT, 'ops/alerts.test.yml'), 'utf8');
  const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name ?? '');
  expect(alerts).toHaveLength(5);
  for (const alert of alerts)
    expect(tests).toContain(`alertname: ${alert}\n        exp_alerts:\n          - exp_labels`);
  for (const part of ['summary:', 'description:', 'runbook:', 'severity:']) {
    expect(rules.split(part)).toHaveLength(alerts.length + 1);
  }
  const named = new Set([...rules.matchAll(/tenant_migrate_\w+/g)].map(([name]) => name));
  expect([...named].filter((name) => !exported.includes(name))).toEqual([]);
});

test('the guide has a row for each metric, and for no other', () => {
  const guide = readFileSync(join(ROOT, 'MIGRATION.md'), 'utf8');
  const rows = [...guide.matchAll(/^\| `(tenant_migrate_\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|$/gm)];
  const told = rows.map(([, name, kind, labels, help]) => ({ name, kind, labels, help }));
  expect(told).toEqual(
    Object.values(METRICS).map(({ name, kind, labels, help }) => {
      return { name, kind, labels: labels.map((label) => `\`${label}\``).join(', ') || '–', help };
    }),
  );
});

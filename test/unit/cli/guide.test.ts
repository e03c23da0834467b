import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { envName, FLAGS, type Flag, SECRETS } from '../../../src/cli/flags.ts';

const guide = readFileSync(join(import.meta.dirname, '../../../MIGRATION.md'), 'utf8');

/** The commands that connect to a store, which the guide calls `stores`. */
const STORES = [
  'move',
  'plan',
  'apply',
  'resume',
  'verify',
  'rollback',
  'backup create',
  'backup restore',
  'doctor',
  'init',
].join(', ');

function rowOf({ name, kind, choices, fallback, commands, help }: Flag): string {
  const value = kind === 'switch' ? '' : choices === undefined ? ' …' : ` ${choices.join('\\|')}`;
  const standard = kind === 'switch' ? 'off' : fallback === undefined ? '–' : `\`${fallback}\``;
  const takenBy = commands?.join(', ') ?? 'all';
  const where = takenBy === STORES ? 'stores' : takenBy;
  return `| \`--${name}${value}\` | ${standard} | ${where} | \`${envName(name)}\` | ${help} |`;
}

test.each(FLAGS)('the guide tells of --$name what is true of it', (flag) => {
  expect(guide).toContain(`${rowOf(flag)}\n`);
});

test('the guide tells of no flag that there is not', () => {
  const told = [...guide.matchAll(/^\| `--([\w-]+).*\| `TENANT_MIGRATE_/gm)].map(([, name]) => name);
  expect(told.sort()).toEqual(FLAGS.map(({ name }) => name).sort());
});

test.each(SECRETS)('the guide names the secret %s', (name) => {
  expect(guide).toContain(`\`${name}\``);
});

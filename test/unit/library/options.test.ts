import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FLAGS, SECRETS } from '../../../src/cli/flags.ts';
import { invocationOf } from '../../../src/library/invocation-of.ts';

const text = readFileSync(join(import.meta.dirname, '../../../src/library/options.ts'), 'utf8');
const dashed = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
/** Members of the interfaces, by the interface's name. */
const members = new Map(
  [...text.matchAll(/export interface (\w+)[^{]*\{\n([\s\S]*?)\n\}/g)].map(
    ([, name = '', body = '']) =>
      [name, [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, key = '']) => key)] as const,
  ),
);
/** What is no flag, and is told in its own words. */
const OWN = ['skip', 'secrets', 'configSecrets', 'signal', 'env', 'flags', 'confirm', 'plan', 'run'];

test('every typed option is a flag of that name, and every secret has its name', () => {
  const flags = FLAGS.map(({ name }) => name);
  const options = [...members].filter(([name]) => name !== 'Secrets').flatMap(([, keys]) => keys);
  expect(options.length).toBeGreaterThan(40);
  expect(options.filter((key) => !OWN.includes(key) && !flags.includes(dashed(key)))).toEqual([]);
  const secrets = (members.get('Secrets') ?? []).map((key) => dashed(key).toUpperCase().replaceAll('-', '_'));
  expect(SECRETS.filter((name) => !secrets.includes(name))).toEqual([]);
});

test('options become what the parser makes of flags; secrets and logins become variables, and stand in no command line', () => {
  const options = {
    source: 'a',
    target: 'b',
    redisUrl: 'redis://u:p-secret@h:1/0',
    graphUrl: 'bolt://h:2',
    redisDb: [0, 1],
    skip: ['config' as const],
    keyTemplate: ['x,{tenant}'],
    batchSize: 5,
    merge: false,
    secrets: { qdrantApiKey: 'q-secret' },
    configSecrets: { llm_config: { api_key: 'c-secret' } },
    flags: { 'graph-label': 'T_{tenant}' },
  };
  const { invocation, env, argv } = invocationOf('move', options);
  expect(invocation).toEqual({
    command: 'move',
    positionals: { source: 'a', target: 'b' },
    flags: {
      'graph-url': 'bolt://h:2',
      'redis-db': '0,1',
      'key-template': ['x,{tenant}'],
      'batch-size': '5',
      merge: false,
      'skip-config': true,
      'graph-label': 'T_{tenant}',
    },
  });
  expect(env).toEqual({
    TENANT_MIGRATE_REDIS_URL: 'redis://u:p-secret@h:1/0',
    TENANT_MIGRATE_QDRANT_API_KEY: 'q-secret',
    TENANT_MIGRATE_CONFIG_SECRETS: '{"llm_config":{"api_key":"c-secret"}}',
  });
  expect(argv.join(' ')).toBe(
    'move a b --graph-url bolt://h:2 --redis-db 0,1 --key-template x,{tenant} --batch-size 5 --skip-config --graph-label T_{tenant}',
  );
});

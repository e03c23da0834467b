import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type RawFlags, readSettings } from '../../../src/cli/settings.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tenant-migrate-settings-'));
  file = join(folder, 'settings.yaml');
});

interface Reading {
  readonly flags?: RawFlags;
  readonly env?: Record<string, string>;
  readonly command?: string;
  readonly recorded?: Record<string, string>;
}

function read(text: string, { flags = {}, env = {}, command = 'move', recorded }: Reading = {}) {
  writeFileSync(file, text, { mode: 0o600 });
  return readSettings({ command, flags: { config: file, ...flags }, env, recorded });
}

/** What is told of the file, each line from its place on. */
async function faults(text: string, reading?: Reading): Promise<string[]> {
  const error = await read(text, reading).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ name: 'MigrateError', code: 'settings' });
  return (error as Error).message.split('\n').map((line) => line.trim().replace(`${file}:`, ''));
}

describe('a settings file', () => {
  it('stands below flags and environment, and its environment above what is at the top', async () => {
    const text = `redis-port: 1\nmemgraph-port: 2\nconnect-timeout: 3\nverify: full\nenvironments:\n  dev: {redis-port: 11}\n  prod:\n    redis-port: 21\n    memgraph-port: 22\n    connect-timeout: 23\n`;
    const env = { TENANT_MIGRATE_CONNECT_TIMEOUT: '33', TENANT_MIGRATE_ENV: 'prod' };
    expect(await read(text, { env, flags: { 'memgraph-port': '42' } })).toMatchObject({
      'redis-port': 21,
      'memgraph-port': 42,
      'connect-timeout': 33_000,
      verify: 'full',
      'request-timeout': 300_000,
      file: { name: file, environment: 'prod' },
    });
    expect(await read(text, { env, flags: { env: 'dev' } })).toMatchObject({ 'redis-port': 11, 'memgraph-port': 2 });
    expect(await read(`env: dev\n${text}`)).toMatchObject({ 'redis-port': 11 });
    const recorded = { 'redis-port': '99' };
    expect(await read(text, { env, command: 'resume', recorded })).toMatchObject({ 'redis-port': 99 });
    expect(await read(text, { command: 'resume', recorded })).toMatchObject({ 'redis-port': 99, verify: 'full' });
  });

  it('with environments refuses to guess which of them is meant, where the command connects', async () => {
    const text = 'environments:\n  dev: {redis-port: 11}\n  prod: {}\n';
    await expect(read(text)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('has several environments'),
      next: expect.stringContaining('--env dev or --env prod'),
    });
    expect(await read(text, { command: 'runs' })).toMatchObject({ 'redis-port': 6379 });
    expect(await faults(text, { flags: { env: 'prdo' } })).toEqual([
      '1:1: environments: there is no environment prdo (did you mean prod?)',
    ]);
    await expect(readSettings({ command: 'move', flags: { env: 'x', config: 'none' }, env: {} })).rejects.toThrow(
      '--env x needs a settings file, and there is none',
    );
  });

  it('gives values as they are written: no number, date or word of YAML becomes another', async () => {
    const text = `
redis-db: 0,1
sample-seed: 0017
qdrant-field: 2024-01-01
graph-database: no
graph-property: [0o17, 1e3, "yes", ~x]
key-template: ['a:{tenant}:*', "b:{tenant},c"]
collection-template: '{tenant}_a, {tenant}_b'
only: redis,qdrant
merge: 'true'
auto-rollback: true
keep-values: 0
max-error-rate: 5%
`;
    expect(await read(text)).toMatchObject({
      'redis-db': [0, 1],
      'sample-seed': 17,
      'qdrant-field': '2024-01-01',
      'graph-database': 'no',
      'graph-property': ['0o17', '1e3', 'yes', '~x'],
      'key-template': ['a:{tenant}:*', 'b:{tenant},c'],
      'collection-template': ['{tenant}_a', '{tenant}_b'],
      only: ['redis', 'qdrant'],
      merge: true,
      'auto-rollback': true,
      'keep-values': false,
      'max-error-rate': 0.05,
    });
  });

  it('may hold nothing but comments, as init writes it where no store answers', async () => {
    for (const text of ['', '# nothing\n', '# redis did not answer at 127.0.0.1:6379\n# redis-host: 127.0.0.1\n'])
      expect(await read(text)).toMatchObject({ 'redis-host': '127.0.0.1', merge: false });
  });

  it('names files beside itself, and a record keeps them whole', async () => {
    const { recorded, ...settings } = await read(
      'config-secrets: ./real.json\nredis-ca: /etc/ca.pem\nstate-dir: ../state\npause-file: ~/pause\n',
      { env: { HOME: '/home/me' } },
    );
    expect(settings).toMatchObject({
      'config-secrets': join(folder, 'real.json'),
      'redis-ca': '/etc/ca.pem',
      'state-dir': join(folder, '../state'),
      'pause-file': '/home/me/pause',
    });
    expect(recorded).toMatchObject({ 'config-secrets': join(folder, 'real.json') });
  });

  it('gives secrets from variables and files, which no record keeps', async () => {
    writeFileSync(join(folder, 'key'), 'file-secret\n');
    const text = `
redis-password: \${PROD_REDIS}
qdrant-api-key-file: key
graph-password: "x\${A}y$\${B}\${C:-\\"d}"
api-token: own
redis-url: redis://me:\${PROD_REDIS}@h:1
config-secrets: '{"a": "json-secret"}'
`;
    const env = { PROD_REDIS: 'variable-secret', A: '${PROD_REDIS}', API_TOKEN: 'from the environment' };
    const settings = await read(text, { env });
    expect(settings.secrets).toEqual({
      REDIS_PASSWORD: 'variable-secret',
      QDRANT_API_KEY: 'file-secret',
      GRAPH_PASSWORD: 'x${PROD_REDIS}y${B}"d',
      API_TOKEN: 'from the environment',
    });
    expect(settings['redis-url']).toBe('redis://me:variable-secret@h:1');
    expect(JSON.stringify(settings.recorded)).not.toContain('secret"');
    expect(JSON.stringify(settings.recorded)).not.toMatch(/variable-secret|file-secret|json-secret|own/);
    expect(settings.recorded).toMatchObject({ 'redis-url': 'redis://h:1' });
    // Resumed, the same address has its login again; another address of the file does not come in.
    const { recorded } = settings;
    const again = await readSettings({ command: 'resume', flags: { config: file }, env, recorded });
    expect(again['redis-url']).toBe('redis://me:variable-secret@h:1');
    const other = await read('redis-url: redis://elsewhere:2\n', {
      command: 'resume',
      recorded: { 'redis-host': 'h', 'redis-port': '1' },
    });
    expect(other).toMatchObject({ 'redis-host': 'h', 'redis-url': undefined });
  });

  it('asks for variables only where they count', async () => {
    const text = `redis-password: \${NOT_SET}\nmemgraph-host: \${HOST_NOT_SET}\nenvironments:\n  prod: {api-token: "\${NOR_THIS}"}\n  dev: {}\n`;
    expect(await faults(text, { flags: { env: 'dev' } })).toEqual([
      '2:16: memgraph-host: the variable HOST_NOT_SET is not set (${HOST_NOT_SET:-} where it may be missing)',
    ]);
    const flags = { env: 'dev', 'memgraph-host': 'here' };
    expect(await faults(text, { flags })).toEqual([
      '1:17: redis-password: the variable NOT_SET is not set (${NOT_SET:-} where it may be missing)',
    ]);
    await read(text, { flags: { ...flags, 'skip-redis': true } });
    await read(text, { flags, env: { REDIS_PASSWORD: 'x' } });
    await read(text, { command: 'runs' });
    expect((await read(`api-token: \${X:-}\nmemgraph-host: \${Y:-}\n`))['memgraph-host']).toBe('127.0.0.1');
  });

  it('with an address in one piece gives way to its parts from above, and the other way round', async () => {
    const text = 'redis-url: redis://file:1\ngraph-url: bolt://file:2\nenvironments:\n  dev: {memgraph-host: dev}\n';
    const settings = await read(text, { flags: { env: 'dev', 'redis-host': 'flag' } });
    expect(settings).toMatchObject({ 'redis-host': 'flag', 'memgraph-host': 'dev' });
    expect([settings['redis-url'], settings['graph-url']]).toEqual([undefined, undefined]);
    const env = { TENANT_MIGRATE_REDIS_URL: 'redis://variable:1' };
    const flags = { 'redis-host': 'flag' };
    expect((await readSettings({ command: 'move', flags, env }))['redis-url']).toBeUndefined();
    expect((await readSettings({ command: 'move', flags: {}, env }))['redis-url']).toBe('redis://variable:1');
  });
});

describe('what is wrong in a settings file', () => {
  it('is told at once, each with place, way, and what was meant', async () => {
    const text = `redis-hots: h
redis_port: 6379
TENANT_MIGRATE_VERIFY: full
redis:
  host: h
verify: deep
redis-db: [0, 1]
merge: perhaps
key-template: {tenant}:*
redis-port: 1
redis-port: 2
qdrant-url:
memgraph-host: ""
only: []
force-unlock: true
api-url: http://me:pw@h
graph-password: \${1X}
graph-username: "\${OPEN"
environments:
  "a b": {}
  dev:
    env: x
    memgraph-port: 70000
    api-token: a
    api-token-file: b
  prod: 7
nonsense-that-is-like-nothing: 1
`.replace('key-template: {tenant}:*\n', 'key-template: {tenant}\n');
    expect(await faults(text)).toEqual([
      '1:1: redis-hots: there is no such setting (did you mean redis-host?)',
      '2:1: redis_port: there is no such setting (did you mean redis-port?)',
      '3:1: TENANT_MIGRATE_VERIFY: there is no such setting (did you mean verify?)',
      '4:1: redis: there is no such setting (settings are written flat: redis-host, redis-port, redis-url …)',
      '6:9: verify: must be one of counts, sample, full',
      '7:11: redis-db: takes one value, and this is a list',
      '8:8: merge: is neither yes nor no',
      '9:15: key-template: is a mapping: text that begins with { is written in quotes',
      '11:1: redis-port: stands here twice (first in line 10)',
      '12:1: qdrant-url: has no value: give one, or take the line out',
      '13:16: memgraph-host: is empty: give a value, or take the line out',
      '14:7: only: names nothing: take the line out',
      '15:1: force-unlock: is said for one command, on its command line',
      '16:10: api-url: holds a user name or password: set API_TOKEN',
      '17:17: graph-password: is neither ${NAME} nor ${NAME:-default}',
      '18:18: graph-username: ${ has no } behind it (where ${ is meant as it stands, write $${)',
      '20:3: environments: holds a name that is not of letters, digits, - _ and .',
      '22:5: environments.dev.env: stands at the top only',
      '23:20: environments.dev.memgraph-port: must be between 1 and 65535',
      '25:21: environments.dev.api-token-file: and api-token are the same secret: leave one out',
      'and 2 more',
    ]);
  });

  it('points at the value also where a variable gave it', async () => {
    const text = 'env: prod\nenvironments:\n  prod:\n    redis-port: "${PORT}"\n    qdrant-url: ${URL}\n';
    const env = { PORT: 'many', URL: 'nowhere' };
    expect(await faults(text, { env })).toEqual([
      '4:17: environments.prod.redis-port: is not a whole number',
      '5:17: environments.prod.qdrant-url: is not an address like http://host:port',
    ]);
    await expect(readSettings({ command: 'move', flags: {}, env: { TENANT_MIGRATE_REDIS_PORT: 'x' } })).rejects.toThrow(
      'TENANT_MIGRATE_REDIS_PORT is not a whole number',
    );
    expect(await faults('api-token-file: not-there')).toEqual([
      '1:17: api-token-file: names a file that cannot be read (ENOENT)',
    ]);
  });

  it.each([
    ['is no YAML', 'redis-host: "open\nverify: full\n', /^3:1: is not YAML: Missing closing "quote/],
    ['is indented with tabs', 'environments:\n\tdev: {}\n', /^2:1: is not YAML: Tabs are not allowed as indentation/],
    ['is a list', '- redis-host: h\n', /^1:1: is not a list of settings/],
    ['holds two documents', 'verify: full\n---\nverify: full\n', /^\d:\d: is not YAML: .*multiple documents/],
    ['is nested without end', '['.repeat(20_000), /is nested too deeply|is not YAML/],
    ['has aliases', 'redis-host: &a h\nmemgraph-host: *a\n', /^1:16: redis-host: has an anchor/],
    ['has a tag', 'redis-host: !!str h\n', /^1:\d+: redis-host: has a tag/],
    ['merges', 'environments:\n  a: &a {}\n  b:\n    <<: *a\n', /has an anchor/],
    ['holds an escape in a name', '"redis\\e[31m": 1\n', /redis\\x1b\[31m/],
  ])('that %s is told', async (_what, text, says) => {
    expect((await faults(text))[0]).toMatch(says);
  });

  it('never shows a secret that stands beside the mistake', async () => {
    for (const text of [
      'redis-password: hunter2 "x": y\n  z: 1\n',
      'api-token: "hunter2\\q"\n',
      'api-token: |hunter2\n',
      'api-token: [hunter2]\nverify: x\n',
      '%hunter2\n---\n}hunter2\n',
    ]) {
      expect((await faults(text)).join('\n')).not.toContain('hunter2');
    }
  });

  it('is that others can read a secret which stands in it', async () => {
    const text = 'redis-password: own\nredis-url: redis://me:pw@h:1\ngraph-password: ${G}\nqdrant-url: http://h\n';
    await read(text, { env: { G: 'g' } });
    chmodSync(file, 0o640);
    const error = await readSettings({ command: 'move', flags: { config: file }, env: { G: 'g' } }).catch(String);
    expect(error).toMatch(/:1:17: redis-password: is a secret, and others may read this file: chmod 600/);
    expect(error).toMatch(/:2:12: redis-url: is a secret/);
    expect(error).not.toMatch(/graph-password|own|pw@/);
  });
});

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { shippedFiles } from '../../../scripts/shipped-files.ts';
import { COMMANDS, EXIT_CODES } from '../../../src/cli/commands.ts';
import { FLAGS, SECRETS } from '../../../src/cli/flags.ts';
import { readSettings } from '../../../src/cli/settings.ts';
import { KEYS, secretKey } from '../../../src/cli/settings-file/keys.ts';
import { settingsSchema } from '../../../src/cli/settings-schema.ts';

const shipped = await shippedFiles();
const ROOT = join(import.meta.dirname, '../../..');
const validate = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true }).compile(settingsSchema());
const isValid = (text: string) => validate(parse(text, { schema: 'core' }));

describe('the manual page', () => {
  it.each([
    ['groff', ['-ww', '-man', '-Tutf8', '-z']],
    ['mandoc', ['-T', 'lint']],
  ])('has nothing that %s complains of, where that is installed', (program, args) => {
    const { error, stdout, stderr } = spawnSync(program, [...args, join(ROOT, 'man/tenant-migrate.1')], {
      encoding: 'utf8',
    });
    if (error === undefined) expect(`${stdout}${stderr}`).toBe('');
    else expect(error).toMatchObject({ code: 'ENOENT' });
  });

  it('names every command, every flag and every exit code', () => {
    const page = (shipped.get('man/tenant-migrate.1') ?? '').replaceAll('\\-', '-');
    for (const { name } of COMMANDS) expect(page).toContain(`.B ${name}`);
    for (const { name } of FLAGS.filter(({ hidden }) => hidden !== true)) expect(page).toContain(`.B --${name}`);
    for (const { code } of EXIT_CODES) expect(page).toContain(`.B ${code}\n`);
  });
});

describe('the JSON Schema of the settings file', () => {
  it.each([...shipped.keys()])('and all else that is made from the source is shipped as it is now: %s', (name) => {
    expect(readFileSync(join(ROOT, name), 'utf8'), 'npm run build writes it anew').toBe(shipped.get(name));
  });

  it('has every flag and every secret once', () => {
    const { properties } = settingsSchema() as { properties: Record<string, unknown> };
    const once = ['config', 'force-unlock', 'same-servers', 'accept-differences', 'from-backup'];
    const flags = FLAGS.map(({ name }) => name).filter((name) => !once.includes(name));
    const secrets = SECRETS.flatMap((name) => [secretKey(name), `${secretKey(name)}-file`]);
    expect(Object.keys(properties).sort()).toEqual([...flags, ...secrets, 'environments'].sort());
    expect(KEYS.size).toBe(flags.length + secrets.length);
  });

  it('takes the example that is shipped, and so does the command', async () => {
    const example = join(ROOT, 'examples/tenant-migrate.yaml');
    expect(isValid(readFileSync(example, 'utf8')), JSON.stringify(validate.errors)).toBe(true);
    const dev = await readSettings({ command: 'move', flags: { config: example }, env: {} });
    expect(dev).toMatchObject({ 'redis-host': '127.0.0.1', 'max-error-rate': 0.01, verify: 'sample' });
    const env = { REDIS_PROD_PASSWORD: 'r', GRAPH_PROD_PASSWORD: 'g', API_PROD_TOKEN: 'a', QDRANT_API_KEY: 'q' };
    const prod = await readSettings({ command: 'move', flags: { config: example, env: 'prod' }, env });
    expect(prod).toMatchObject({
      'graph-url': 'bolt+s://graph.internal:7687',
      'config-secrets': join(ROOT, 'examples/secrets.json'),
      secrets: { REDIS_USERNAME: 'migrator', REDIS_PASSWORD: 'r', GRAPH_PASSWORD: 'g', API_TOKEN: 'a' },
    });
  });

  it.each([
    [
      'numbers, texts and variables',
      'redis-port: 6379\nmemgraph-port: "7687"\nsample-seed: ${SEED:-1}\nredis-db: 0,1\n',
    ],
    ['lists and one text with commas', "only: [redis, graph]\nkey-template: 'a:{tenant},b:{tenant}'\n"],
    [
      'switches',
      'merge: true\nquiet: Yes\nverbose: 0\nbackup: "${BACKUP}"\nenvironments: {dev: {yes: "oFF"}, empty: }\n',
    ],
  ])('takes %s', (_what, text) => {
    expect(isValid(text), JSON.stringify(validate.errors)).toBe(true);
  });

  it.each([
    ['a setting that there is not', 'redis-hots: h'],
    ['one of them in an environment', 'environments: {dev: {redis-hots: h}}'],
    ['a port that is none', 'redis-port: 70000'],
    ['a text that is no port', 'redis-port: many'],
    ['a word that is no choice', 'verify: deep'],
    ['a stage that there is not', 'only: [redsi]'],
    ['a list where one value stands', 'redis-host: [a, b]'],
    ['a switch that is neither', 'merge: perhaps'],
    ['what is said for one command', 'force-unlock: true'],
    ['an environment’s name in an environment', 'environments: {dev: {env: prod}}'],
    ['environments without names', 'environments: [dev]'],
  ])('refuses %s', (_what, text) => {
    expect(isValid(text)).toBe(false);
  });
});

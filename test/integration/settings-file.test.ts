import { chmodSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runCommandLine } from '../../src/cli/run-ports.ts';
import { runCli, runHere } from '../support/cli.ts';
import { freshId, type Stores, secretsOf, startStores } from '../support/stores.ts';

describe('a settings file that init writes', () => {
  const cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-init-'));
  const file = join(cwd, 'tenant-migrate.yaml');
  const source = freshId('init');
  const target = freshId('init_moved');
  const secrets = { API_TOKEN: 'token-hunter2', TENANT_MIGRATE_CONFIG_SECRETS: secretsOf(source) };
  let stores: Stores;
  let written: string;

  beforeAll(async () => {
    stores = await startStores();
    await stores.seedSmall(source);
    const { redisUrl, qdrantUrl, graphUrl, apiUrl } = stores.urls;
    const { hostname, port } = new URL(redisUrl);
    // One by a flag, one by a variable, one by a compose file, one by .env.
    writeFileSync(
      join(cwd, 'compose.yaml'),
      `services:\n  vectors:\n    image: docker.io/qdrant/qdrant:v1.17.1\n    ports: ["${new URL(qdrantUrl).port}:6333"]\n`,
    );
    writeFileSync(join(cwd, '.env'), `NEO4J_URI="${graphUrl}"\nREDIS_PASSWORD=password-hunter2\n`);
    const env = { ...secrets, TENANT_MIGRATE_API_URL: apiUrl };
    const args = ['init', '--redis-host', hostname, '--redis-port', port];
    const result = await runHere(args, { cwd, env });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout).toMatch(
      /✅ redis .*redis 7[\s\S]*✅ qdrant .*1\.17\.1[\s\S]*✅ graph .*neo4j[\s\S]*wrote tenant-migrate.yaml\nnext:\n/,
    );
    written = readFileSync(file, 'utf8');
  });
  afterAll(() => stores.stop());

  it('holds what was found and no secret, is its owner’s alone, and fits the schema that is printed', async () => {
    expect(written).toContain('api-token: ${API_TOKEN}\n');
    expect(written).toContain(`graph-url: ${stores.urls.graphUrl} # from .env\n`);
    expect(written).toContain('# redis-password: ${REDIS_PASSWORD}\n');
    expect(written).not.toContain('hunter2');
    expect(written).not.toContain(
      Object.values(JSON.parse(secrets.TENANT_MIGRATE_CONFIG_SECRETS)).map((of) => Object.values(of as object)[0])[0],
    );
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const schema = (await runHere(['schema'], { cwd })).json();
    const validate = new Ajv2020({ allowUnionTypes: true }).compile(schema);
    expect(validate(parse(written)), JSON.stringify(validate.errors)).toBe(true);
  });

  it('is not written over', async () => {
    expect(await runHere(['init'], { cwd })).toMatchObject({ code: 5, stdout: '' });
    expect(readFileSync(file, 'utf8')).toBe(written);
  });

  it('moves the tenant, is named, and leaves no secret in the state folder', async () => {
    const missing = await runHere([source, target, '--dry-run'], { cwd });
    expect(missing.code).toBe(78);
    expect(missing.stderr).toMatch(/tenant-migrate\.yaml:\d+:12: api-token: the variable API_TOKEN is not set/);
    const plan = (await runHere(['plan', source, target, '--json'], { cwd, env: secrets })).json();
    const moved = await runCli([source, target, '--json'], { cwd, env: secrets });
    for (const [name, document] of [
      ['plan', plan],
      ['report', moved.json()],
    ] as const) {
      const validate = new Ajv2020().compile((await runHere(['schema', name], { cwd })).json());
      expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
      expect(validate({ ...document, schema: 'tenant-migrate/other@1' })).toBe(false);
    }
    expect(moved.stderr).toContain('settings from tenant-migrate.yaml\n');
    expect(moved.code).toBe(0);
    const [run = ''] = readdirSync(join(cwd, '.tenant-migrate/runs'));
    expect(readFileSync(join(cwd, '.tenant-migrate/runs', run, 'run.json'), 'utf8')).not.toContain('hunter2');
    expect((await runHere(['status', '--verbose'], { cwd })).stderr).toBe('settings from tenant-migrate.yaml\n');
  });

  it('is not read where it lies about for everybody to write, unless it is named', async () => {
    chmodSync(file, 0o666);
    const refused = await runHere(['runs'], { cwd });
    expect(refused).toMatchObject({ code: 78 });
    expect(refused.stderr).toContain('tenant-migrate.yaml can be written by every user');
    expect((await runHere(['runs', '--config', 'tenant-migrate.yaml'], { cwd })).code).toBe(0);
    expect((await runHere(['runs', '--config', 'none'], { cwd })).code).toBe(0);
  });

  it('is named by the commands that go on with its run, where it was named', () => {
    const said = { 'state-dir': '.tenant-migrate', fileWords: ['--config', 'a b.yaml', '--env', 'prod'] };
    expect(runCommandLine('resume', 'id', said)).toBe("tenant-migrate resume id --config 'a b.yaml' --env prod");
  });
});

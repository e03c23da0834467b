import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliResult, runCli, runHere } from '../support/cli.ts';
import { runCliHere } from '../support/cli-in-process.ts';
import { freshRedis } from '../support/redis-server.ts';
import { freshId, type Stores, secretsOf, startStores } from '../support/stores.ts';
import { readWorld, type World, worldDifferences } from '../support/world.ts';

describe('the command line', () => {
  const cases: readonly {
    readonly what: string;
    readonly args: string[];
    readonly says: RegExp;
    readonly env?: Record<string, string>;
  }[] = [
    {
      what: 'no arguments',
      args: [],
      says: /source and the target tenant id are needed[\s\S]*tenant-migrate <source> <target>/,
    },
    { what: 'one id', args: ['siraya'], says: /source and the target tenant id are needed/ },
    { what: 'an unknown flag', args: ['a', 'b', '--dry-rnu'], says: /unknown flag[\s\S]*did you mean --dry-run\?/ },
    {
      what: 'a flag written with one letter too many',
      args: ['a', 'b', '--skip-rediss'],
      says: /did you mean --skip-redis\?/,
    },
    { what: 'a third id', args: ['a', 'b', 'c'], says: /unknown flag or argument: c/ },
    { what: 'the same id twice', args: ['siraya', 'siraya'], says: /source and target are the same: 'siraya'/ },
    {
      what: 'a port that is no number',
      args: ['a', 'b', '--redis-port', 'sixthousand'],
      says: /--redis-port is not a whole number/,
    },
    {
      what: 'a port out of range',
      args: ['a', 'b', '--memgraph-port', '70000'],
      says: /--memgraph-port must be between 1 and 65535/,
    },
    { what: 'a flag without its value', args: ['a', 'b', '--redis-host'], says: /redis-host/ },
    {
      what: 'an address of another kind',
      args: ['a', 'b', '--qdrant-url', 'ftp://x'],
      says: /--qdrant-url is not an address like http:/,
    },
    {
      what: 'a password in a URL',
      args: ['a', 'b', '--redis-url', 'redis://:hunter2@localhost:6379'],
      says: /--redis-url holds a user name or password[\s\S]*REDIS_PASSWORD/,
    },
    {
      what: 'a password in a URL that a later one replaces',
      args: ['a', 'b', '--redis-url', 'redis://:hunter2@localhost', '--redis-url', 'redis://localhost'],
      says: /--redis-url holds a user name or password/,
    },
    {
      what: 'a host that is none',
      args: ['a', 'b', '--memgraph-host', 'a b'],
      says: /--memgraph-host is not a host name or an IP address/,
    },
    { what: 'an empty host', args: ['a', 'b', '--redis-host', ''], says: /--redis-host is empty/ },
    { what: 'an empty list of stages', args: ['a', 'b', '--only', ''], says: /--only is empty/ },
    {
      what: 'a timeout of nothing',
      args: ['a', 'b', '--connect-timeout', '0'],
      says: /--connect-timeout must be between 0\.1 and 86400 seconds/,
    },
    {
      what: 'a password in the API address',
      args: ['a', 'b', '--api-url', 'http://me:hunter2@localhost'],
      says: /--api-url holds[\s\S]*API_TOKEN/,
    },
    {
      what: 'a choice that is none',
      args: ['a', 'b', '--verify', 'deep'],
      says: /--verify must be one of counts, sample, full/,
    },
    {
      what: 'nothing left to move',
      args: ['a', 'b', '--skip-redis', '--skip-qdrant', '--skip-graph', '--skip-config'],
      says: /leave no stage to run/,
    },
    { what: 'an unknown stage', args: ['a', 'b', '--only', 'redis,mysql'], says: /--only/ },
    { what: 'an empty id', args: ['', 'b'], says: /source tenant id '' is empty/ },
    { what: 'a control character in an id', args: ['a\u0007', 'b'], says: /holds a control character/ },
    { what: 'a backslash in an id', args: ['a', 'b\\u0060'], says: /holds a backslash/ },
    { what: 'an id that is too long', args: ['a', 'b'.repeat(256)], says: /longer than 255 bytes/ },
    { what: 'the separator in an id', args: ['a:b', 'c'], says: /holds ':', which the profile rag-api uses/ },
    {
      what: 'a word of the key layout as an id',
      args: ['siraya', 'task'],
      says: /target tenant id 'task' is a word that the profile/,
    },
    {
      what: 'a template without the tenant',
      args: ['a', 'b', '--key-template', 'cache:*'],
      says: /'cache:\*' holds no \{tenant\}/,
    },
    {
      what: 'a template that claims longer ids',
      args: ['a', 'b', '--key-template', '{tenant}*'],
      says: /would claim the keys of every longer id/,
    },
    {
      what: 'a plan that is not there',
      args: ['apply', 'nowhere.json'],
      says: /plan nowhere\.json cannot be read \(ENOENT\)/,
    },
    {
      what: 'secrets that are not there',
      args: ['a', 'b', '--config-secrets', 'nowhere.json'],
      says: /--config-secrets cannot be read \(ENOENT\)/,
    },
    {
      what: 'a flag of another command',
      args: ['plan', 'a', 'b', '--exact-plan'],
      says: /--exact-plan does not go with plan/,
    },
    {
      what: 'a mistyped environment variable',
      args: ['a', 'b'],
      env: { TENANT_MIGRATE_REDIS_HSOT: 'x' },
      says: /TENANT_MIGRATE_REDIS_HSOT is not known[\s\S]*TENANT_MIGRATE_REDIS_HOST/,
    },
  ];
  for (const { what, args, says, env } of cases) {
    it(`refuses ${what}`, async () => {
      const result = await runHere(args, env === undefined ? {} : { env });
      expect(result.stderr).toMatch(says);
      expect(result.stderr).not.toContain('hunter2');
      expect(result.stdout).toBe('');
      expect(result.code).toBe(64);
    });
  }

  it('takes the last of a flag that is given twice', async () => {
    const result = await runHere(['a', 'b', '--redis-port', 'x', '--redis-port', '1', '--only', 'redis', '--dry-run']);
    expect(result.stdout).toContain('127.0.0.1:1 ');
    expect(result.code).toBe(5);
  });

  it('answers --help and --version on stdout', async () => {
    expect((await runCli(['--help'])).stdout).toMatch(
      /tenant-migrate <source> <target>[\s\S]*--skip-memgraph[\s\S]*Exit codes/,
    );
    const ofMove = (await runCliHere(['move', '--help'])).stdout;
    for (const part of ['--skip-memgraph', '--redis-mode']) expect(ofMove).toContain(part);
    for (const words of [['-h'], ['help'], ['a', 'b', '-yh'], ['--help=true']])
      expect((await runCliHere(['move', ...words])).stdout).toBe(ofMove);
    expect((await runCli(['--version'])).stdout.trim()).toBe(JSON.parse(readFileSync('package.json', 'utf8')).version);
  });
});

describe('the stores', () => {
  let stores: Stores;
  let source: string;
  let target: string;
  let before: World;
  const world = () => readWorld({ ...stores.urls, tenants: [source, target] });
  /** Runs a move that must be refused: exit 5, the reason and what to do on stdout, and nothing written anywhere. */
  const refused = async (args: string[], says: RegExp, env: Record<string, string> = {}): Promise<CliResult> => {
    stores.qdrant.clearRequests();
    stores.api.clearRequests();
    const result = await runHere([source, target, ...stores.flags, ...args], {
      env: { TENANT_MIGRATE_CONFIG_SECRETS: secretsOf(source), ...env },
    });
    stores.api.clearFailures();
    stores.qdrant.clearFailures();
    expect(result.stdout).toMatch(says);
    expect(result.code).toBe(5);
    expect(worldDifferences(before, await world())).toEqual([]);
    return result;
  };

  beforeAll(async () => {
    stores = await startStores();
    source = freshId('acme');
    target = freshId('tenant');
    await stores.seedSmall(source);
    before = await world();
  });
  afterAll(() => stores.stop());

  it('a store that is down is named with its address, the flag to set and the flag to leave it out', async () => {
    const port = await closedPort();
    await refused(
      ['--redis-url', `redis://127.0.0.1:${port}`],
      new RegExp(`Redis at 127.0.0.1:${port} cannot be reached.*--redis-host.*--skip-redis`, 's'),
    );
    await refused(
      ['--qdrant-url', `http://127.0.0.1:${port}`],
      new RegExp(`127.0.0.1:${port}.*--qdrant-url.*--skip-qdrant`, 's'),
    );
    await refused(
      ['--graph-url', `bolt://127.0.0.1:${port}`],
      new RegExp(`127.0.0.1:${port}.*--graph-url.*--skip-graph`, 's'),
    );
    await refused(
      ['--api-url', `http://127.0.0.1:${port}`],
      new RegExp(`127.0.0.1:${port}.*--api-url.*--skip-config`, 's'),
    );
  });

  it('every problem is reported at once', async () => {
    const port = await closedPort();
    const result = await refused(
      ['--redis-url', `redis://127.0.0.1:${port}`, '--qdrant-url', `http://127.0.0.1:${port}`],
      /Redis at/,
    );
    expect(result.stdout).toContain('--qdrant-url');
    expect(result.stdout).toContain('2 problems');
  });

  it('an unknown source is refused with the nearest ids that exist', async () => {
    const result = await runHere([`${source}x`, 'nobody', ...stores.flags]);
    expect(result.stdout).toMatch(new RegExp(`neither ${source}x nor nobody has any data.*near it: ${source}`, 's'));
    expect(result.code).toBe(5);
  });

  it('masked secrets are refused with the names of the fields', async () => {
    await refused([], /masks ds_ocr_config\.api_key[\s\S]*--config-secrets[\s\S]*--skip-config/, {
      TENANT_MIGRATE_CONFIG_SECRETS: '{}',
    });
  });

  it('a secret that is not the one in use is refused, and never shown', async () => {
    const wrong = JSON.parse(secretsOf(source));
    wrong.llm_config.api_key = 'sk-0123456789abcdefghij-wrong';
    const result = await refused([], /llm_config\.api_key/, { TENANT_MIGRATE_CONFIG_SECRETS: JSON.stringify(wrong) });
    expect(result.stdout + result.stderr).not.toContain('sk-0123456789');
  });

  for (const [what, rule, says] of [
    ['401', { status: 401, body: '{"detail":"Invalid token"}' }, /API_TOKEN/],
    ['404 of another path', { status: 404, body: '{"detail":"Not Found"}' }, /--api-url/],
    ['500', { status: 500, body: 'oops' }, /500/],
    ['HTML', { status: 200, body: '<html>hello</html>', headers: { 'content-type': 'text/html' } }, /HTML|JSON/],
  ] as const) {
    it(`a config API that answers ${what} is refused`, async () => {
      stores.api.fail({ path: /config/, kind: 'status', times: Number.POSITIVE_INFINITY, ...rule });
      await refused([], says);
    });
  }

  it('a Qdrant that answers HTML is refused', async () => {
    stores.qdrant.fail({
      path: /./,
      kind: 'status',
      status: 200,
      body: '<html></html>',
      headers: { 'content-type': 'text/html' },
      times: Number.POSITIVE_INFINITY,
    });
    await refused([], /--qdrant-url/);
  });

  it('a wrong password is refused without being shown', async () => {
    const locked = await freshRedis(['--requirepass', 'right-password']);
    try {
      for (const password of ['hunter2-wrong', '']) {
        const result = await refused(['--redis-url', locked.url.replace(/\/\/[^/@]*@/, '//')], /REDIS_PASSWORD/, {
          REDIS_PASSWORD: password,
        });
        expect(result.stdout + result.stderr).not.toContain('hunter2-wrong');
      }
    } finally {
      await locked.stop();
    }
  });

  it('a user who may not write is refused', async () => {
    const redis = new Redis(stores.urls.redisUrl);
    await redis.call('ACL', 'SETUSER', 'reader', 'on', '>reader-password', '~*', '+@read', '+@connection', '+info');
    redis.disconnect();
    await refused([], /does not let this user rename/, { REDIS_USERNAME: 'reader', REDIS_PASSWORD: 'reader-password' });
  });

  it('a Redis Cluster is refused', async () => {
    const cluster = await freshRedis(['--cluster-enabled', 'yes']);
    try {
      await refused(['--redis-url', cluster.url], /Redis Cluster[\s\S]*--skip-redis/);
    } finally {
      await cluster.stop();
    }
  });

  it('a target with data of its own is refused until --merge', async () => {
    const other = freshId('other');
    await stores.seedSmall(other);
    const args = [source, other, '--skip-config', ...stores.flags];
    const result = await runHere(args);
    expect(result.code).toBe(5);
    expect(result.stdout).toMatch(/Redis: [\s\S]*--merge[\s\S]*Qdrant at [\s\S]*--merge[\s\S]*Graph: [\s\S]*--merge/);
    expect((await runHere([...args, '--dry-run'])).code).toBe(5);
    const skipping = await runHere([...args, '--dry-run', '--merge', '--on-conflict', 'skip']);
    expect(skipping.code).toBe(0);
    before = await world();
  });

  it('a template that claims its own result is refused', async () => {
    const result = await runHere([source, `${source}_v2`, '--key-template', '{tenant}_*', ...stores.flags]);
    expect(result.stdout).toMatch(/would be claimed by '\{tenant\}_\*'/);
    expect(result.code).toBe(5);
  });

  it('a stored plan is applied to the stages that it was made for, and to fewer where flags say so', async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-plan-'));
    const other = freshId('other');
    const two = ['--only', 'redis, qdrant', ...stores.flags];
    expect((await runHere(['plan', source, other, '--out', 'plan.json', ...two], { cwd })).code).toBe(0);
    const none = await runHere(['apply', 'plan.json', '--only', 'graph', ...stores.flags], { cwd });
    expect(none.stderr).toContain('leave no stage of the plan, which holds redis, qdrant');
    expect(none.code).toBe(64);
    const redis = await runHere(['apply', 'plan.json', '--skip-qdrant', ...stores.flags], { cwd });
    expect(redis.stdout).toMatch(
      /Tenant Config: skipped\nRedis: ✅ 120\/120 keys[\s\S]*Qdrant: skipped\nGraph: skipped/,
    );
    expect(redis.code).toBe(0);
    expect((await runHere([other, source, '--only', 'redis', ...stores.flags], { cwd })).code).toBe(0);
    const both = await runHere(['apply', 'plan.json', ...stores.flags], { cwd });
    expect(both.stdout).toMatch(/Redis: ✅ 120\/120 keys[\s\S]*Qdrant: ✅ 52\/52 points[\s\S]*Graph: skipped/);
    expect(both.code).toBe(0);
    expect((await runHere([other, source, ...two], { cwd })).code).toBe(0);
    expect(worldDifferences(before, await world())).toEqual([]);
  });

  it('a stored plan that was edited, or that no longer fits, is refused', async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-plan-'));
    const env = { TENANT_MIGRATE_CONFIG_SECRETS: secretsOf(source) };
    const made = await runHere(['plan', source, target, '--out', 'plan.json', '--detailed-exitcode', ...stores.flags], {
      cwd,
      env,
    });
    expect(made.code).toBe(2);
    const plan = readFileSync(join(cwd, 'plan.json'), 'utf8');
    writeFileSync(join(cwd, 'edited.json'), plan.replace('"merge": false', '"merge": true'));
    const edited = await runHere(['apply', 'edited.json', ...stores.flags], { cwd, env });
    expect(edited.stderr).toMatch(/edited\.json was changed after it was made/);
    expect(edited.code).toBe(5);

    const redis = new Redis(stores.urls.redisUrl);
    const extra = Array.from({ length: 20 }, (_, index) => `${source}_text_chunks:extra-${index}`);
    await redis.mset(Object.fromEntries(extra.map((key) => [key, '{}'])));
    const stale = await runHere(['apply', 'plan.json', ...stores.flags], { cwd, env });
    expect(stale.stdout).toMatch(/redis holds \d+ keys of .*, the plan says \d+/);
    expect(stale.code).toBe(5);
    await redis.del(...extra.slice(1));
    const exact = await runHere(['apply', 'plan.json', '--exact-plan', ...stores.flags], { cwd, env });
    expect(exact.code).toBe(5);
    await redis.del(extra[0]!);
    redis.disconnect();
    expect(worldDifferences(before, await world())).toEqual([]);
    expect((await runHere(['apply', 'plan.json', '--exact-plan', ...stores.flags], { cwd, env })).code).toBe(0);
    expect((await runHere([target, source, '--skip-config', ...stores.flags], { cwd })).code).toBe(0);
  });
});

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

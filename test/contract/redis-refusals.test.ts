import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { freePort } from '../../scripts/services/free-port.ts';
import { MigrateError } from '../../src/model/errors.ts';
import { generic } from '../../src/profiles/generic.ts';
import { ragApi } from '../../src/profiles/rag-api.ts';
import { serverProblems } from '../../src/stages/redis/preflight.ts';
import { copiesOf } from '../../src/stages/redis/redis-mode.ts';
import { serverNotices } from '../../src/stages/redis/server-notice.ts';
import { parseServer } from '../../src/stores/redis/redis-server.ts';
import { openRedisReader, openRedisWriter, type RedisWriter } from '../../src/stores/redis/redis-store.ts';
import { seedNeighbours, seedTenant } from '../support/redis-tenants.ts';
import { RedisWorld, redisSettings, renamed } from '../support/redis-world.ts';
import { total } from '../support/stage-context.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const PASSWORD = 'hunter2-geheim';

let world: RedisWorld;
beforeAll(async () => {
  world = await RedisWorld.start();
});
afterAll(() => world.stop());
beforeEach(() => world.reset());

describe('a server', () => {
  test('that is down is unreachable, with its address and the flags, at once', async () => {
    const port = await freePort();
    const started = Date.now();
    const error = await failureOf(openRedisReader(redisSettings(port)));
    expect(error).toMatchObject({ code: 'unreachable', message: expect.stringContaining(`127.0.0.1:${port}`) });
    expect(error.next).toMatch(/--redis-host.*--redis-port.*--skip-redis/);
    expect(Date.now() - started).toBeLessThan(1_000);
  });

  test('that accepts and never answers is unreachable within the time-outs', async () => {
    const proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: world.server.port } });
    proxy.hang(true);
    const started = Date.now();
    const settings = redisSettings(proxy.port, { connectTimeoutMs: 400, replyTimeoutMs: 400 });
    const error = await failureOf(openRedisReader(settings));
    expect(error).toMatchObject({ code: 'unreachable', retryable: true });
    expect(Date.now() - started).toBeLessThan(2_000);
    await proxy.close();
  });

  test('whose name does not resolve is unreachable, not a wrong login', async () => {
    const error = await failureOf(openRedisReader(redisSettings(6379, { host: 'noauth.invalid' })));
    expect(error.code).toBe('unreachable');
  });

  test('that lacks the database says so', async () => {
    const error = await failureOf(openRedisReader(redisSettings(world.server.port, { db: 99 })));
    expect(error).toMatchObject({ code: 'unsupported', next: expect.stringContaining('--redis-db') });
  });

  test('that is a replica is refused, in the dry run as well', async () => {
    const replica = await RedisWorld.start(['--replicaof', '127.0.0.1', `${world.server.port}`]);
    expect(await replica.preflight()).toMatchObject([{ code: 'readonly', fix: expect.stringContaining('master') }]);
    expect(await replica.preflight({ probe: true })).toMatchObject([{ code: 'readonly' }]);
    await replica.stop();
  });

  test('that is a cluster without slots is refused', async () => {
    const cluster = await RedisWorld.start(['--cluster-enabled', 'yes']);
    expect(await cluster.preflight()).toMatchObject([
      { code: 'cluster', fix: expect.stringContaining('--skip-redis') },
    ]);
    await cluster.stop();
  });

  test('that has no memory left is no obstacle: renames need none', async () => {
    const names = await seedTenant(world.raw, 'siraya');
    const before = await world.snapshot();
    await world.raw.config('SET', 'maxmemory', '1mb');
    try {
      await expect(world.raw.set('more', 'x')).rejects.toThrow('OOM');
      expect(await world.preflight({ probe: true })).toEqual([]);
      const plan = await world.plan({ verify: 'full' });
      await world.apply(plan);
      expect(await world.verify(plan, { verify: 'full' })).toEqual([]);
      expect(await world.snapshot()).toEqual(renamed(before, names));
      await world.undo(plan);
      expect(await world.snapshot()).toEqual(before);
    } finally {
      await world.raw.config('SET', 'maxmemory', '0');
    }
  });

  test('that refuses all writing stops the run with its reason, and goes on later', async () => {
    const names = await seedTenant(world.raw, 'siraya');
    const before = await world.snapshot();
    const plan = await world.plan();
    await world.raw.config('SET', 'min-replicas-to-write', '1');
    try {
      await expect(world.apply(plan)).rejects.toMatchObject({
        code: 'store',
        message: expect.stringContaining('NOREPLICAS'),
      });
    } finally {
      await world.raw.config('SET', 'min-replicas-to-write', '0');
    }
    expect(await world.snapshot()).toEqual(before);
    await world.apply(plan, { continuing: true });
    expect(await world.snapshot()).toEqual(renamed(before, names));
  });

  test('that is busy for a moment is waited for', async () => {
    await seedTenant(world.raw, 'siraya');
    const plan = await world.plan();
    await world.raw.config('SET', 'busy-reply-threshold', '10');
    // Shorter than all tries together, whatever their jitter.
    const script = world.raw.eval(
      `local function now() local t = redis.call('TIME') return t[1] * 1000000 + t[2] end
       local start = now() repeat until now() - start > 600000 return 1`,
      0,
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
    await world.apply(plan);
    await script;
    await world.raw.config('SET', 'busy-reply-threshold', '5000');
    expect(await world.verify(plan)).toEqual([]);
  });
});

describe('a login', () => {
  let locked: RedisWorld;
  beforeAll(async () => {
    locked = await RedisWorld.start();
    await locked.raw.config('SET', 'requirepass', PASSWORD);
  });
  afterAll(() => locked.stop());

  test.each([
    ['a wrong password', { password: `${PASSWORD}x` }],
    ['no password', {}],
    ['an unknown user', { username: 'nobody', password: PASSWORD }],
  ])('with %s is refused, and no secret is in the error', async (_, login) => {
    const error = await failureOf(openRedisReader(redisSettings(locked.server.port, login)));
    expect(error).toMatchObject({ code: 'unauthorised', next: expect.stringContaining('REDIS_PASSWORD') });
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(PASSWORD);
  });

  test('that a sentinel refuses is told as the sentinel’s, which has a login of its own', async () => {
    const node = { host: '127.0.0.1', port: locked.server.port };
    const settings = redisSettings(1, { password: PASSWORD, sentinel: { name: 'mymaster', nodes: [node] } });
    expect(await failureOf(openRedisReader(settings))).toMatchObject({
      code: 'unauthorised',
      message: expect.stringContaining(`the sentinel at 127.0.0.1:${node.port}`),
      next: expect.stringContaining('REDIS_SENTINEL_PASSWORD'),
    });
  });

  test('with the right password works', async () => {
    const reader = await openRedisReader(redisSettings(locked.server.port, { password: PASSWORD }));
    expect((await reader.server()).role).toBe('master');
    await reader.close();
  });
});

describe('a user', () => {
  let own: RedisWriter;
  beforeEach(() => {
    own = world.store;
  });
  afterEach(async () => {
    if (world.store !== own) await world.store.close();
    world.store = own;
  });

  test('that may not rename is a problem, found by asking, and in a real run by trying', async () => {
    await as('+@all', '-renamenx', '~*');
    expect(await world.preflight()).toMatchObject([{ code: 'denied', fix: expect.stringContaining('RENAMENX') }]);
    expect(await world.preflight({ probe: true })).toMatchObject([{ code: 'denied' }]);
  });

  test('that may not ask is tried in a real run', async () => {
    await as('+@all', '-renamenx', '-acl', '~*');
    expect(await world.preflight()).toEqual([]);
    expect(await world.preflight({ probe: true })).toMatchObject([{ code: 'denied' }]);
  });

  test('that may write only the target’s keys is a problem', async () => {
    await as('+@all', '%RW~tenant_7*', '%RW~*:tenant_7:*', '%R~*');
    expect(await world.preflight({ probe: true })).toMatchObject([{ code: 'denied' }]);
  });

  test('with the rights that are documented, and no more, can do everything', async () => {
    const names = await seedTenant(world.raw, 'siraya');
    await seedNeighbours(world.raw);
    const before = await world.snapshot();
    await as(
      '+@read',
      '+renamenx',
      '+eval',
      '+evalsha',
      '+set',
      '+info',
      '+ping',
      '+select',
      '+client|id',
      '+client|setname',
      '%RW~*siraya*',
      '%RW~*tenant_7*',
    );
    expect(await world.preflight({ probe: true })).toEqual([]);
    const plan = await world.plan({ verify: 'full' });
    await world.apply(plan);
    expect(await world.verify(plan, { verify: 'full' })).toEqual([]);
    expect(await world.snapshot()).toEqual(renamed(before, names));
  });

  test('that may not rename some keys has those counted as failed, and the others moved', async () => {
    const names = await seedTenant(world.raw, 'siraya');
    const before = await world.snapshot();
    const plan = await world.plan();
    await as('+@all', '%RW~siraya*', '%RW~*tenant_7*', '%R~*');
    const checkpoints = await world.apply(plan);
    const denied = [...names.keys()].filter((key) => !key.startsWith('siraya'));
    expect([total(checkpoints, 'failed'), total(checkpoints, 'moved')]).toEqual([
      denied.length,
      names.size - denied.length,
    ]);
    const failures = world.events.filter((event) => event.type === 'record-failed');
    expect(failures.map(({ record }) => record).sort()).toEqual([...denied].sort());
    expect(failures[0]?.reason).toContain('NOPERM');
    const moved = new Map([...names].filter(([key]) => key.startsWith('siraya')));
    expect(await world.snapshot()).toEqual(renamed(before, moved));
    expect(await world.differences(plan)).toMatchObject([{ kind: 'left-behind', count: denied.length }]);
    await world.undo(plan);
    expect(await world.snapshot()).toEqual(before);
  });

  test('that may not rename back is a problem, since no rollback could end the move; so is not to read the target', async () => {
    await as('+@all', '%RW~siraya*', '%RW~*:siraya:*', '%W~tenant_7*', '%W~*:tenant_7:*');
    const back = { code: 'denied', message: expect.stringMatching(/rename.*back.*RENAMENX/) };
    const read = { code: 'denied', message: expect.stringMatching(/read the target.*PEXPIRETIME.*: NOPERM/) };
    for (const probe of [false, true]) {
      expect(await world.preflight({ probe })).toMatchObject([back, read]);
      expect(await world.preflight({ probe, verify: 'counts' })).toMatchObject([back]);
    }
  });

  test.each([
    ['dump', [false, true], 'DUMP'],
    ['unlink', [true], 'UNLINK'],
    ['watch', [true], 'WATCH'],
    ['exec', [true], 'EXEC'],
  ])('that may not %s is a problem where both ends may have the same key', async (command, probes, named) => {
    await as('+@all', `-${command}`, '~*');
    for (const probe of probes) {
      expect(await world.preflight({ probe })).toEqual([]);
      for (const options of [{ merge: true }, { continuing: true }]) {
        expect(await world.preflight({ probe, ...options })).toMatchObject([
          { code: 'denied', message: expect.stringContaining(named), fix: expect.stringContaining(named) },
        ]);
      }
    }
  });

  test('with rights on the two tenants’ keys only is never refused, not even for names that nobody has', async () => {
    await seedTenant(world.raw, 'siraya');
    await world.raw.copy('siraya:hash', 'tenant_7:hash');
    await world.raw.acl('LOG', 'RESET');
    await as(
      '+@all',
      ...['siraya', 'tenant_7'].flatMap((id) => [`~${id}_*`, `~${id}:*`, `~task:${id}:*`, `~batch:${id}:*`]),
    );
    const merge = { merge: true, verify: 'full' } as const;
    expect(await world.preflight({ probe: true, ...merge })).toEqual([]);
    const plan = await world.plan(merge);
    await world.apply(plan, merge);
    await world.finalize(plan, merge);
    expect(await world.verify(plan, merge, 'finalized')).toEqual([]);
    await world.undo(plan, merge);
    expect(await world.raw.acl('LOG')).toEqual([]);
  });

  test('that may not ask for sizes can do everything', async () => {
    const names = await seedTenant(world.raw, 'siraya');
    await world.raw.copy('siraya:hash-table', 'tenant_7:hash-table');
    await world.raw.copy('siraya:empty', 'tenant_7:empty');
    const before = await world.snapshot();
    await as('+@all', '-memory', '~*');
    const merge = { merge: true, verify: 'full' } as const;
    const plan = await world.plan(merge);
    await world.apply(plan, merge);
    expect(total(await world.finalize(plan, merge), 'skipped')).toBe(2);
    expect(await world.snapshot()).toEqual(renamed(before, names));
    expect(await world.differences(plan, merge, 'finalized')).toEqual([]);
  });

  /** Rights on the keys of the profile, and on whatever else is given. */
  const onKeys = (without: string, ...more: string[]) =>
    [
      ...['siraya', 'tenant_7'].flatMap((id) => [`~${id}_*`, `~${id}:*`, `~task:${id}:*`, `~batch:${id}:*`]),
      ...more,
    ].filter((rule) => rule !== without);

  test.each(['~siraya_*', '~task:siraya:*', '~task:tenant_7:*', '~batch:tenant_7:*'])(
    'without %s is refused before anything is written, and told which keys it may not rename',
    async (without) => {
      await as('+@all', ...onKeys(without));
      const shape = without.slice(1, -1).replace('tenant_7', 'siraya').replace(/_$/, '_text_chunks:');
      for (const probe of [false, true]) {
        expect(await world.preflight({ probe })).toContainEqual(
          expect.objectContaining({ code: 'denied', message: expect.stringContaining(`'${shape}…'`) }),
        );
      }
    },
  );

  test.each([
    ['session:siraya', true],
    ['session:tenant_7', true],
    ['session:siraya', false],
    ['session:tenant_7', false],
  ])(
    'without rights on %s, the one key of a template, is refused (may ask: %s), and the key stays',
    async (key, asks) => {
      world.profile = { ...ragApi, keyTemplates: [...ragApi.keyTemplates, 'session:{tenant}'] };
      await world.raw.set('session:siraya', 'x', 'EX', 1_000);
      const before = await world.snapshot();
      const both = ['~session:siraya', '~session:tenant_7'];
      const commands = asks ? ['+@all'] : ['+@all', '-acl'];
      await as(...commands, ...onKeys('', ...both.filter((rule) => rule !== `~${key}`)));
      const refusal = { code: 'denied', message: expect.stringContaining("'session:siraya'") };
      expect(await world.preflight({ probe: true })).toContainEqual(expect.objectContaining(refusal));
      if (asks) expect(await world.preflight()).toContainEqual(expect.objectContaining(refusal));
      await as(...commands, ...onKeys('', ...both));
      expect(await world.preflight({ probe: true })).toEqual([]);
      expect(await world.snapshot()).toEqual(before);
    },
  );

  test('that may not restore one of the target’s patterns is refused where it copies, or overwrites', async () => {
    const but = (pattern: string) => ['+@all', ...onKeys(pattern), pattern.replace('~', '%R~')];
    await as(...but('~batch:tenant_7:*'));
    const refusal = { code: 'denied', message: expect.stringMatching(/RESTORE.*'batch:siraya:…'/) };
    for (const probe of [false, true]) {
      expect(await world.preflight({ probe, redisMode: 'copy' })).toContainEqual(expect.objectContaining(refusal));
    }
    await as('+@all', '-restore', '~*', '(+restore ~tenant_7_* ~tenant_7:* ~task:tenant_7:*)');
    for (const probe of [false, true]) {
      expect(await world.preflight({ probe, merge: true, onConflict: 'overwrite' })).toMatchObject([refusal]);
    }
  });

  test('that may not set the values of one pattern is refused, in the dry run as well', async () => {
    await as('+@all', '-set', '~*');
    expect(await world.preflight()).toMatchObject([
      { code: 'denied', message: expect.stringContaining('rewrite values') },
    ]);
  });

  test('that may not read values is told so', async () => {
    await seedTenant(world.raw, 'siraya');
    await as('+@all', '-get', '-@dangerous', '+info', '~*');
    const error = await failureOf(world.plan());
    expect(error).toMatchObject({ code: 'denied', next: expect.stringContaining('--verify counts') });
  });

  /** From now on the world's store is this user's. */
  async function as(...rules: string[]): Promise<void> {
    await world.raw.acl('SETUSER', 'mover', 'reset', 'on', `>${PASSWORD}`, ...rules);
    world.store = await openRedisWriter(redisSettings(world.server.port, { username: 'mover', password: PASSWORD }));
  }
});

describe('ids and templates', () => {
  test.each<[string, string, string[]]>([
    ['siraya', 'siraya_v2', [...ragApi.keyTemplates, '{tenant}_*']],
    ['task', 'tenant_7', [...ragApi.keyTemplates]],
    ['siraya', 'x_text_chunks', [...ragApi.keyTemplates]],
  ])('%s → %s is refused before anything is read', async (source, target, keyTemplates) => {
    world.moves = [{ source, target }];
    world.profile = { ...ragApi, keyTemplates };
    expect(await world.preflight({ probe: true })).toMatchObject([
      { code: 'template', message: expect.stringContaining(target) },
    ]);
  });

  test('several moves that could take each other’s keys are refused', async () => {
    world.profile = { ...generic, keyTemplates: ['{tenant}_*'] };
    const refusal = [{ code: 'template' }];
    world.moves = [
      { source: 'siraya', target: 'x' },
      { source: 'siraya_eu', target: 'y' },
    ];
    expect(await world.preflight()).toMatchObject(refusal);
    world.moves = [
      { source: 'a', target: 'b' },
      { source: 'b', target: 'c' },
    ];
    expect(await world.preflight()).toMatchObject(refusal);
  });
});

describe('a Dragonfly', () => {
  const info = (used: number, most: number) =>
    parseServer(
      `# Server\r\nredis_version:7.4.0\r\ndragonfly_version:df-v1.27.1\r\nredis_mode:cluster\r\n# Memory\r\nused_memory:${used}\r\nmaxmemory:${most}\r\n# Replication\r\nrole:master\r\n`,
    );
  const GIB = 2 ** 30;

  test('is recognised', () => {
    expect(info(1, 2)).toMatchObject({
      product: 'dragonfly',
      version: '1.27.1',
      role: 'master',
      usedMemory: 1,
      maxMemory: 2,
    });
    expect(serverNotices(info(1, 2), 'all')).toContainEqual(
      expect.objectContaining({
        kind: 'server',
        message: expect.stringMatching(/Dragonfly 1\.27\.1.*spoken to as one server/),
      }),
    );
    expect(serverNotices(parseServer('redis_version:7.0.15\r\nrun_id:a'), 'none')).toEqual([]);
  });

  test.each([
    [0.95 * GIB, GIB],
    [6.6 * GIB, 10 * GIB],
    [2 * GIB, GIB],
    [5 * GIB, 0],
  ])('that uses %d of %d bytes is refused a rename, which loses the key where it finds no memory', (used, most) => {
    expect(serverProblems(info(used, most), 'df:6379', 'rename')).toMatchObject([
      { code: 'memory', message: expect.stringContaining('df:6379') },
    ]);
    expect(serverProblems(info(used, most), 'df:6379', 'auto')).toEqual([]);
  });

  test.each([
    [0.5 * GIB, GIB],
    [6.4 * GIB, 10 * GIB],
  ])('that uses %d of %d bytes may rename where that is asked for, in emulated cluster mode, too', (used, most) => {
    expect(serverProblems(info(used, most), 'df:6379', 'rename')).toEqual([]);
    expect(copiesOf('rename', info(used, most))).toBe('when-short');
    expect(copiesOf('auto', info(used, most))).toBe('all');
  });
});

describe('a server that says it', () => {
  test.each([
    ['is loading', 'loading:1', 'loading'],
    ['is a slave', 'role:slave', 'readonly'],
    ['is a sentinel', 'role:sentinel', 'readonly'],
  ])('%s is refused', (_, line, code) => {
    expect(serverProblems(parseServer(`redis_version:7.0.15\r\n${line}\r\n`), 'r:1')).toMatchObject([{ code }]);
  });

  test('is a Valkey is known by its own version', () => {
    const valkey = parseServer('redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\nrole:master\r\n');
    expect(valkey).toMatchObject({ product: 'valkey', version: '8.0.1' });
    expect(serverProblems(valkey, 'v:1')).toEqual([]);
  });
});

async function failureOf(work: Promise<unknown>): Promise<MigrateError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(MigrateError);
  return error as MigrateError;
}

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { generic } from '../../src/profiles/generic.ts';
import { redisStage } from '../../src/stages/redis.ts';
import { LEASE_MS, RedisLease } from '../../src/stores/redis/redis-lease.ts';
import { seedTenant } from '../support/redis-tenants.ts';
import { RedisWorld, redisSettings } from '../support/redis-world.ts';
import { planContext } from '../support/stage-context.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const OWNER = JSON.stringify({ run: 'r1', host: 'a.example', pid: 7, command: 'siraya tenant_7', since: '2026-01-01' });
const OTHER = JSON.stringify({ run: 'r2', host: 'b.example', pid: 8, command: 'x y', since: '2026-01-02' });
const TENANTS = ['siraya', 'tenant_7'];

let world: RedisWorld;
beforeAll(async () => {
  world = await RedisWorld.start();
});
afterAll(() => world.stop());
beforeEach(() => world.reset());

const settings = () => redisSettings(world.server.port);
const acquire = (tenants: readonly string[], owner = OWNER, how = settings()) =>
  RedisLease.acquire(how, { tenants, owner });

async function acquired(tenants: readonly string[], owner = OWNER, how = settings()): Promise<RedisLease> {
  const lease = await acquire(tenants, owner, how);
  if (!(lease instanceof RedisLease)) throw new Error(JSON.stringify(lease));
  return lease;
}

describe('a lease', () => {
  test('keeps others out, tells whose it is, and is gone when it is released', async () => {
    const lease = await acquired(TENANTS);
    expect(await acquire(['tenant_7', 'zoo'], OTHER)).toMatchObject({
      tenant: 'tenant_7',
      heldBy: OWNER,
      ageMs: expect.closeTo(0, -4),
      ttlMs: expect.closeTo(LEASE_MS, -4),
    });
    await (await acquired(['zoo'], OTHER)).release();
    await lease.release();
    expect(await world.raw.dbsize()).toBe(0);
    await (await acquired(['tenant_7', 'zoo'], OTHER)).release();
    await lease.release();
  });

  test('is taken away from the owner that is named, and from nobody who has it by then', async () => {
    const lease = await acquired(['siraya']);
    const held = (await acquire(['siraya'], OTHER)) as Exclude<
      Awaited<ReturnType<typeof acquire>>,
      RedisLease | { denied: string }
    >;
    await RedisLease.removeOf(settings(), { ...held, heldBy: OTHER });
    expect(await lease.renew()).toBe(true);
    await RedisLease.removeOf(settings(), held);
    expect(await lease.renew()).toBe(false);
    const next = await acquired(['siraya'], OTHER);
    await RedisLease.removeOf(settings(), held);
    expect(await next.renew()).toBe(true);
    await Promise.all([lease.release(), next.release()]);
  });

  test('whose expiry somebody has taken away has no end', async () => {
    const lease = await acquired(['siraya']);
    const [key = ''] = await world.raw.keys('*');
    await world.raw.persist(key);
    expect(await acquire(['siraya'], OTHER)).toMatchObject({ heldBy: OWNER, ttlMs: Number.POSITIVE_INFINITY });
    await lease.release();
  });

  test('is all or nothing: where one lock is held, none is taken', async () => {
    const lease = await acquired(['siraya']);
    expect(await acquire(['aaa', 'siraya', 'zzz'], OTHER)).toMatchObject({ tenant: 'siraya' });
    expect(await world.raw.dbsize()).toBe(1);
    await lease.release();
  });

  test('goes to exactly one of many who want overlapping tenants at once', async () => {
    for (let round = 0; round < 10; round += 1) {
      const wanted = [
        ['a', 'b'],
        ['b', 'a'],
        ['b', 'c', 'a'],
        ['c', 'b', 'a'],
        ['a', 'b', 'c', 'd'],
        ['d', 'a'],
      ];
      const all = await Promise.all(wanted.map((tenants) => acquire(tenants)));
      const leases = all.filter((lease) => lease instanceof RedisLease);
      expect(leases.length).toBe(1);
      await leases[0]?.release();
    }
  });

  test('ends by itself, and is told to have ended', async () => {
    const lease = await acquired(TENANTS);
    for (const key of await world.raw.keys('*')) await world.raw.pexpire(key, 30);
    await sleep(50);
    expect(await lease.renew()).toBe(false);
    const other = await acquired(TENANTS, OTHER);
    expect(await lease.renew()).toBe(false);
    await lease.release();
    expect(await other.renew()).toBe(true);
    await other.release();
  });

  test('lasts its whole time again when it is renewed', async () => {
    const lease = await acquired(TENANTS);
    const keys = await world.raw.keys('*');
    for (const key of keys) await world.raw.pexpire(key, 500);
    expect(await lease.renew()).toBe(true);
    for (const key of keys) expect(await world.raw.pttl(key)).toBeGreaterThan(LEASE_MS - 2_000);
    await lease.release();
  });

  test('of which one lock was lost is lost, and does not make the other last', async () => {
    const lease = await acquired(TENANTS);
    const [one, two] = await world.raw.keys('*');
    await world.raw.set(one!, 'somebody else’s', 'PX', 5_000);
    await world.raw.pexpire(two!, 5_000);
    expect(await lease.renew()).toBe(false);
    expect(await world.raw.pttl(two!)).toBeLessThanOrEqual(5_000);
    await lease.release();
    expect(await world.raw.get(one!)).toBe('somebody else’s');
    expect(await world.raw.exists(two!)).toBe(0);
  });

  test('of the same owner twice is two leases', async () => {
    const lease = await acquired(TENANTS);
    expect(await acquire(TENANTS)).toMatchObject({ heldBy: OWNER });
    await RedisLease.forceUnlock(settings(), TENANTS);
    const again = await acquired(TENANTS);
    expect(await lease.renew()).toBe(false);
    await lease.release();
    expect(await again.renew()).toBe(true);
    await again.release();
  });

  test('is removed by force, whoever holds it', async () => {
    const lease = await acquired(TENANTS);
    expect(await RedisLease.forceUnlock(settings(), ['nobody', ...TENANTS])).toEqual([OWNER, OWNER]);
    expect(await lease.renew()).toBe(false);
    expect(await RedisLease.forceUnlock(settings(), TENANTS)).toEqual([]);
    await lease.release();
  });

  test('survives a cut connection, and one that is ended at the server', async () => {
    const proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: world.server.port } });
    for (let bytes = 1; bytes < 700; bytes += 130) {
      proxy.cutAfterBytes(bytes, bytes % 2 === 0 ? 'up' : 'down');
      const lease = await acquire(TENANTS, OWNER, redisSettings(proxy.port)).catch((error: unknown) => error);
      if (!(lease instanceof RedisLease)) {
        expect(lease).toMatchObject({ code: 'unreachable' });
        continue;
      }
      proxy.cutAll();
      expect([bytes, await lease.renew()]).toEqual([bytes, true]);
      await world.raw.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      expect([bytes, await lease.renew()]).toEqual([bytes, true]);
      await lease.release();
      expect(await world.raw.dbsize()).toBe(0);
    }
    await proxy.close();
    await world.connect(settings());
  });

  test('of a server that has lost its data is lost', async () => {
    const lease = await acquired(TENANTS);
    await world.raw.flushall();
    expect(await lease.renew()).toBe(false);
    await lease.release();
  });
});

describe('a user', () => {
  const as = async (...rules: string[]) => {
    await world.raw.acl('SETUSER', 'mover', 'reset', 'on', 'nopass', ...rules);
    return redisSettings(world.server.port, { username: 'mover', password: 'any' });
  };

  test('that may not run scripts, nor end connections, holds a lease', async () => {
    const how = await as('+@all', '-@scripting', '-client', '~*');
    const lease = await acquired(TENANTS, OWNER, how);
    expect(await lease.renew()).toBe(true);
    await lease.release();
    expect(await world.raw.dbsize()).toBe(0);
  });

  test.each([
    ['the lock’s key', ['+@all', '~siraya*', '~tenant_7*']],
    ['SET', ['+@all', '-set', '~*']],
    ['WATCH', ['+@all', '-watch', '~*']],
    ['PEXPIRE', ['+@all', '-pexpire', '~*']],
  ])('that may not use %s is told so, and nothing is locked', async (_, rules) => {
    const how = await as(...rules);
    expect(await acquire(TENANTS, OWNER, how)).toMatchObject({ denied: expect.stringContaining('NOPERM') });
    await RedisLease.forceUnlock(settings(), TENANTS);
    expect(await world.raw.dbsize()).toBe(0);
  });
});

test('a server without memory, or one that is a replica, cannot lock, and says so', async () => {
  await world.raw.config('SET', 'maxmemory', '1mb');
  expect(await acquire(TENANTS)).toMatchObject({ denied: expect.stringContaining('OOM') });
  await world.raw.config('SET', 'maxmemory', '0');
  await world.raw.replicaof('127.0.0.1', 1);
  expect(await acquire(TENANTS)).toMatchObject({ denied: expect.stringContaining('READONLY') });
  await world.raw.replicaof('NO', 'ONE');
});

test('a server that is not there is an error with its address', async () => {
  await expect(acquire(TENANTS, OWNER, redisSettings(1))).rejects.toMatchObject({
    code: 'unreachable',
    message: expect.stringContaining('127.0.0.1:1'),
  });
});

test.each(['tenant-migrate', 'lock', 'a', '7', '\u00fc', 'tenant', 'migrate'])(
  'the locks of the tenant %j are in nobody’s counts, not moved, and no tenant’s',
  async (id) => {
    await seedTenant(world.raw, id === 'tenant' ? 'tenants' : id, 'target_1');
    const without = await counted(id);
    const lease = await acquired([id, 'target_1', 'other']);
    expect(await world.raw.keys('\\\\*')).toHaveLength(3);
    expect(await counted(id)).toEqual(without);
    await lease.release();
  },
);

/** All that plan, verify and the listing of tenants say of the keys of a tenant, under loose templates, too. */
async function counted(id: string) {
  world.moves = [{ source: id, target: 'target_1' }];
  world.profile = {
    ...generic,
    keyTemplates: ['{tenant}:*', '{tenant}-*', '{tenant}_*', '{tenant}\\*', 'lock{tenant}'],
  };
  const { shapes, notices, moves, basis } = await world.plan();
  const findings = await world.verify(await world.plan());
  const tenants = await redisStage.tenants?.(planContext(world.store, { profile: world.profile }));
  return { shapes, notices, moves, basis, findings, tenants: [...(tenants ?? [])].sort() };
}

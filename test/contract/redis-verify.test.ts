import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RedisPlan } from '../../src/stages/redis/redis-plan.ts';
import type { VerifyDepth } from '../../src/stages/stage.ts';
import { seedNeighbours, seedTenant } from '../support/redis-tenants.ts';
import { RedisWorld } from '../support/redis-world.ts';

let world: RedisWorld;

beforeAll(async () => {
  world = await RedisWorld.start();
});
afterAll(() => world.stop());
beforeEach(() => world.reset());

/** What may have happened to a moved key, each seen as a difference of this kind. */
const HARM: readonly [string, string, (target: string) => Promise<unknown>][] = [
  ['a changed string', 'content', (id) => world.raw.setrange(`${id}_full_docs:doc-ü`, 0, 'U')],
  ['a changed string of the same length', 'content', (id) => world.raw.setrange(`${id}::siraya:`, 0, 'T')],
  ['a changed field', 'content', (id) => world.raw.hset(`${id}:hash-table`, 'f7', 'other')],
  ['a lost field', 'content', (id) => world.raw.hdel(`${id}:hash-table`, 'f7')],
  ['a changed order', 'content', (id) => world.raw.lmove(`${id}:list`, `${id}:list`, 'LEFT', 'RIGHT')],
  [
    'an exchanged member',
    'content',
    (id) => world.raw.multi().srem(`${id}:set-table`, 'm1').sadd(`${id}:set-table`, 'n1').exec(),
  ],
  ['a changed score', 'content', (id) => world.raw.zadd(`${id}:skip-list`, 7.000001, 'm21')],
  ['a new stream entry', 'content', (id) => world.raw.xadd(`${id}:stream`, '9-1', 'a', 'b')],
  ['a lost stream entry', 'content', (id) => world.raw.xdel(`${id}:stream`, '5-1')],
  ['an acknowledged pending entry', 'content', (id) => world.raw.xack(`${id}:stream`, 'workers', '1-1')],
  ['a lost consumer group', 'content', (id) => world.raw.xgroup('DESTROY', `${id}:stream`, 'workers')],
  ['a changed expiry', 'content', (id) => world.raw.pexpire(`${id}:volatile-set`, 80_000_000)],
  ['a lost expiry', 'content', (id) => world.raw.persist(`${id}:volatile-set`)],
  ['a new expiry', 'content', (id) => world.raw.pexpire(`${id}:list`, 80_000_000)],
  ['another type', 'content', (id) => world.raw.multi().del(`${id}:list`).sadd(`${id}:list`, 'a', 'b').exec()],
  ['a missing key', 'count', (id) => world.raw.del(`${id}:list`)],
  ['a key that is left behind', 'left-behind', (id) => world.raw.rename(`${id}:list`, 'siraya:list')],
];

describe.each<VerifyDepth>(['sample', 'full'])('verify of the depth %s', (verify) => {
  test.each(HARM)('sees %s', async (_, kind, harm) => {
    await seedTenant(world.raw, 'siraya');
    await seedNeighbours(world.raw);
    const plan = await move(verify);
    await harm('tenant_7');
    const findings = await world.differences(plan, { verify });
    expect(findings.map((finding) => finding.kind)).toContain(kind);
  });

  test('sees nothing where the neighbours change', async () => {
    await seedTenant(world.raw, 'siraya');
    await seedNeighbours(world.raw);
    const plan = await move(verify);
    await world.raw.set('siraya_eu:hash', 'x');
    await world.raw.del('my_siraya:list', 'cache:siraya:1');
    expect(await world.verify(plan, { verify })).toEqual([]);
  });

  test('sees nothing where the server only holds the same content in another form', async () => {
    await seedTenant(world.raw, 'siraya');
    const plan = await move(verify);
    await world.raw.config('SET', 'hash-max-listpack-entries', '1');
    await world.raw.config('SET', 'zset-max-listpack-entries', '0');
    await world.raw.debug('RELOAD');
    for (let n = 600; n < 5_000; n += 1) await world.raw.sadd('tenant_7:set-table', `x${n}`);
    await world.raw.srem('tenant_7:set-table', ...Array.from({ length: 4_400 }, (_, n) => `x${n + 600}`));
    await world.raw.smembers('tenant_7:set-table');
    expect(await world.verify(plan, { verify })).toEqual([]);
  });
});

describe('verify', () => {
  const OUTSIDE = 'siraya:many:';

  test.each<[string, (key: string) => Promise<unknown>]>([
    ['a changed value', (key) => world.raw.set(key, 'other')],
    ['a changed expiry', (key) => world.raw.pexpire(key, 80_000_000)],
    ['another type', (key) => world.raw.multi().del(key).sadd(key, 'x').exec()],
    ['a key under another name', (key) => world.raw.rename(key, `${key}x`)],
  ])('in full sees %s outside the sample, where a sample does not', async (_, harm) => {
    await seedMany(1_000);
    const plan = await move('full');
    const sampled = new Set(plan.samples.map(({ target }) => String(target)));
    const outside = (await world.raw.keys('tenant_7:many:*')).find((key) => !sampled.has(key));
    await harm(outside ?? '');
    expect(await world.differences(plan, { verify: 'sample' })).toEqual([]);
    expect(await world.differences(plan, { verify: 'full' })).toMatchObject([{ kind: 'content', where: 'tenant_7:…' }]);
  });

  test('counts what is missing, however little it looks at', async () => {
    await seedMany(1_000);
    const plan = await move('counts');
    expect(plan.samples).toEqual([]);
    await world.raw.del('tenant_7:many:7', 'tenant_7:many:8');
    expect(await world.verify(plan, { verify: 'counts' })).toMatchObject([
      { kind: 'count', severity: 'difference', count: 2 },
    ]);
  });

  test('says of which move a key is missing', async () => {
    world.moves = [
      { source: 'siraya', target: 'tenant_7' },
      { source: 'other', target: 'tenant_8' },
    ];
    await seedMany(10);
    for (let n = 0; n < 10; n += 1) await world.raw.set(`other:${n}`, '');
    const plan = await move('counts');
    await world.raw.rename('tenant_7:many:1', `${OUTSIDE}1`);
    await world.raw.del('tenant_8:1');
    const findings = await world.verify(plan, { verify: 'counts' });
    expect(findings).toMatchObject([
      { kind: 'left-behind', count: 1, samples: ['siraya:many:1'] },
      { kind: 'count', count: 1, message: expect.stringContaining('tenant_8') },
    ]);
  });

  test('notices that the server has lost its data', async () => {
    await seedMany(100);
    const plan = await move('sample');
    await world.raw.flushall();
    const kinds = (await world.differences(plan)).map(({ kind }) => kind);
    expect(kinds.sort()).toEqual(['content', 'count']);
  });

  test('names many differing keys in one finding', async () => {
    await seedMany(100);
    const plan = await move('sample');
    for (let n = 0; n < 50; n += 1) await world.raw.set(`tenant_7:many:${n}`, 'x');
    const findings = await world.differences(plan);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ kind: 'content', count: 50 });
    expect(findings[0]?.samples).toHaveLength(10);
  });

  async function seedMany(count: number): Promise<void> {
    const pipeline = world.raw.pipeline();
    for (let n = 0; n < count; n += 1) pipeline.set(`${OUTSIDE}${n}`, `${n}`, 'PX', 90_000_000);
    await pipeline.exec();
  }
});

describe('keys of neighbours that expire meanwhile', () => {
  test.each<VerifyDepth>(['sample', 'full'])('explain no loss of keys that last (%s)', async (verify) => {
    await seedLasting('siraya', 5_000);
    const plan = await move(verify);
    expect(plan.expiring).toEqual([0]);
    await lose('tenant_7', 2_000);
    await expireNeighbours(3_000);
    const counted = { kind: 'count', severity: 'difference', count: 2_000 };
    expect(await world.differences(plan, { verify })).toContainEqual(expect.objectContaining(counted));
  });

  test('explain no more than the keys of the shapes that can expire', async () => {
    await seedLasting('siraya', 1_000);
    for (let n = 0; n < 20; n += 1) await world.raw.set(`task:siraya:${n}`, '', 'PX', 90_000_000);
    const plan = await move('sample');
    expect(plan.expiring).toEqual([20]);
    await lose('tenant_7', 30);
    await expireNeighbours(100);
    const found = await world.differences(plan, { verify: 'sample' });
    expect(found).toContainEqual(expect.objectContaining({ kind: 'count', count: 30 }));
    expect(found.find(({ kind }) => kind === 'count')?.message).toContain('at most 20');
  });

  test('are each counted for one move only', async () => {
    world.moves = [
      { source: 'siraya', target: 'tenant_7' },
      { source: 'other', target: 'tenant_8' },
    ];
    await seedLasting('siraya', 100);
    await seedLasting('other', 100);
    const plan = await move('counts');
    await lose('tenant_7', 60);
    await lose('tenant_8', 60);
    await expireNeighbours(100);
    expect(await world.verify(plan, { verify: 'counts' })).toMatchObject([
      { kind: 'expired', count: 60 },
      { kind: 'count', count: 60 },
    ]);
  });

  test('are taken for the tenant’s where only counts are compared, which is said', async () => {
    await seedLasting('siraya', 100);
    const plan = await move('counts');
    expect(plan.expiring).toBe(null);
    await lose('tenant_7', 10);
    await expireNeighbours(10);
    expect(await world.verify(plan, { verify: 'counts' })).toMatchObject([
      { kind: 'expired', severity: 'notice', count: 10, message: expect.stringContaining('not proved') },
    ]);
  });

  test('are no obstacle where the target’s own keys expire', async () => {
    await seedLasting('siraya', 100);
    for (let n = 0; n < 300; n += 1) await world.raw.set(`tenant_7:own:${n}`, '', 'PX', 90_000_000);
    const plan = await world.plan({ merge: true });
    expect(plan.expiring).toEqual([300]);
    await world.apply(plan, { merge: true });
    for (let n = 0; n < 300; n += 1) await world.raw.pexpire(`tenant_7:own:${n}`, 60);
    await sleep(150);
    expect(await world.verify(plan, { merge: true })).toMatchObject([{ kind: 'expired', count: 300 }]);
  });

  async function seedLasting(id: string, count: number): Promise<void> {
    await world.raw.mset(Array.from({ length: count }, (_, n) => [`${id}:${n}`, 'x']).flat());
  }

  async function lose(id: string, count: number): Promise<void> {
    await world.raw.del(Array.from({ length: count }, (_, n) => `${id}:${n}`));
  }

  async function expireNeighbours(count: number): Promise<void> {
    const pipeline = world.raw.pipeline();
    for (let n = 0; n < count; n += 1) pipeline.set(`neighbour:${n}`, '', 'PX', 1);
    await pipeline.exec();
    await sleep(50);
  }
});

/** Without PEXPIRETIME and COPY, as Redis 6.0 is. */
describe('on a server that tells no absolute expiry', () => {
  let old: RedisWorld;
  beforeAll(async () => {
    old = await RedisWorld.start(['--rename-command', 'PEXPIRETIME', '', '--rename-command', 'COPY', '']);
  });
  afterAll(() => old.stop());
  beforeEach(() => old.reset());

  test.each<VerifyDepth>(['sample', 'full'])(
    'verify of the depth %s is content with a correct move',
    async (verify) => {
      await seedTenant(old.raw, 'siraya');
      const plan = await old.plan({ verify });
      await old.apply(plan);
      expect(await old.verify(plan, { verify })).toEqual([]);
      await old.raw.hset('tenant_7:hash', 'a', '2');
      expect(await old.differences(plan, { verify })).not.toEqual([]);
      await old.raw.hset('tenant_7:hash', 'a', '1');
      await old.raw.persist('tenant_7:volatile-set');
      expect(await old.differences(plan, { verify })).not.toEqual([]);
    },
  );

  test('an equal key that was removed comes back', async () => {
    await old.raw.set('siraya:1', 'x', 'PX', 60_000);
    await old.raw.set('tenant_7:1', 'x', 'PX', 60_000);
    const plan = await old.plan({ merge: true });
    await old.apply(plan, { merge: true });
    await old.finalize(plan, { merge: true });
    expect(await old.raw.keys('*')).toEqual(['tenant_7:1']);
    await old.undo(plan, { merge: true });
    expect((await old.raw.keys('*')).sort()).toEqual(['siraya:1', 'tenant_7:1']);
    const lasts = await old.raw.pttl('siraya:1');
    expect(lasts).toBeGreaterThan(50_000);
    expect(lasts).toBeLessThanOrEqual(60_000);
  });
});

async function move(verify: VerifyDepth): Promise<RedisPlan> {
  const plan = await world.plan({ verify });
  await world.apply(plan);
  expect(await world.verify(plan, { verify })).toEqual([]);
  return plan;
}

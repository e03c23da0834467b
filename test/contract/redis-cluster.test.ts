import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { keySlot } from '../../src/stores/redis/key-slot.ts';
import { RedisLease } from '../../src/stores/redis/redis-lease.ts';
import { openRedisWriter } from '../../src/stores/redis/redis-store.ts';
import { seedNeighbours, seedTenant } from '../support/redis-tenants.ts';
import { ClusterWorld, kinds, RedisWorld, redisSettings, renamed, type Snapshot } from '../support/redis-world.ts';
import { total } from '../support/stage-context.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

let plain: RedisWorld;
let world: ClusterWorld;
let names: ReadonlyMap<string, string>;
let before: Snapshot;

/** Keys whose names keep their slot. */
const TAGGED = ['{doc1}', '{doc1}:b', 'a{doc2}', 'x{y}z', '{doc3}'];

beforeAll(async () => {
  [plain, world] = await Promise.all([RedisWorld.start(), ClusterWorld.startCluster()]);
  const untagged = await seedTenant(plain.raw, 'siraya');
  await seedNeighbours(plain.raw);
  for (const [index, tag] of TAGGED.entries()) {
    await plain.raw.rpush(`siraya:${tag}`, 'a', `${index}`);
    if (index > 2) await plain.raw.pexpire(`siraya:${tag}`, 86_400_000);
  }
  names = new Map([...untagged, ...TAGGED.map((tag) => [`siraya:${tag}`, `tenant_7:${tag}`] as const)]);
  before = await plain.snapshot();
});
afterAll(() => Promise.all([plain.stop(), world.stop()]));
beforeEach(async () => {
  await world.reset();
  await world.fillFrom(plain.raw);
});

const moved = () => renamed(before, names);
const small = { batchSize: 7 };
/** Both names of every key, as they stand between apply and finalize. */
const copiedOf = (rename: (key: string) => boolean): Snapshot => {
  const all = new Map(Object.entries(before));
  const after = renamed(before, names);
  for (const [from, to] of names) {
    all.set(to, after[to] ?? '');
    if (rename(from)) all.delete(from);
  }
  return Object.fromEntries([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
};
/** Tags of the application's own that names hold: those keep their slot. */
const keepsSlot = (key: string) => /\{[^}]+\}/.test(key);

describe('in a cluster of three masters a move', () => {
  test('copies what changes its slot and renames the rest; only finalize removes a source; nobody else is touched', async () => {
    expect(await world.snapshot()).toEqual(before);
    expect(await world.preflight({ probe: true })).toEqual([]);
    const plan = await world.plan({ verify: 'full' });
    expect(plan).toMatchObject({ problems: [], copies: 'cross-slot' });
    expect(plan.moves).toMatchObject([{ found: names.size, atTarget: 0 }]);
    const renames = [...names.keys()].filter(keepsSlot).length;
    expect(plan.notices.find(({ kind }) => kind === 'copied')?.count).toBe(names.size - renames);
    expect(total(await world.apply(plan, small), 'moved')).toBe(names.size);
    expect(await world.snapshot()).toEqual(copiedOf(keepsSlot));
    expect(await world.verify(plan, { verify: 'full' })).toMatchObject([
      { kind: 'pending-removal', count: names.size - renames },
    ]);
    await world.finalize(plan, small);
    expect(await world.snapshot()).toEqual(moved());
    expect(await world.verify(plan, { verify: 'full' }, 'finalized')).toEqual([]);
  });

  test('that stops after any batch of apply or finalize goes on to the same end, and back to the start', async () => {
    for (const [phase, stopAt] of [
      ['apply', 1],
      ['apply', 3],
      ['finalize', 2],
      ['none', 0],
    ] as const) {
      await world.reset();
      await world.fillFrom(plain.raw);
      const plan = await world.plan();
      if (phase === 'apply')
        await expect(world.apply(plan, { ...small, permit: stopAfter(stopAt) })).rejects.toThrow('stop');
      else await world.apply(plan, small);
      if (phase === 'finalize')
        await expect(world.finalize(plan, { ...small, permit: stopAfter(stopAt) })).rejects.toThrow('stop');
      const both = { continuing: true };
      const again = await world.plan(both);
      expect(again.problems).toEqual([]);
      expect(total(await world.apply(again, both), 'conflicts')).toBe(0);
      expect(await world.differences(plan, both)).toEqual([]);
      await world.finalize(again, both);
      expect(await world.snapshot()).toEqual(moved());
      const undone = await world.undo(plan);
      expect([total(undone, 'conflicts'), total(undone, 'failed')]).toEqual([0, 0]);
      expect(await world.snapshot()).toEqual(before);
      expect(total(await world.undo(plan), 'moved')).toBe(0);
      expect(await world.snapshot()).toEqual(before);
    }
  });

  test('is undone after an interrupted apply and finalize without another step between', async () => {
    for (const phase of ['apply', 'finalize'] as const) {
      await world.reset();
      await world.fillFrom(plain.raw);
      const plan = await world.plan();
      if (phase === 'apply')
        await expect(world.apply(plan, { ...small, permit: stopAfter(2) })).rejects.toThrow('stop');
      else {
        await world.apply(plan, small);
        await expect(world.finalize(plan, { ...small, permit: stopAfter(2) })).rejects.toThrow('stop');
      }
      await world.undo(plan);
      expect(await world.snapshot()).toEqual(before);
    }
  });

  test('keeps the newest value, whichever end was written', async () => {
    const plan = await world.plan();
    await world.apply(plan);
    // Written at the source after it was copied: copied again by the next pass.
    await world.client.rpush('siraya:list', 'late');
    const late = await world.verify(plan);
    expect(late.find(({ kind }) => kind === 'conflict')).toMatchObject({ count: 1, drainable: true });
    const both = { continuing: true };
    const again = await world.plan(both);
    expect(again.problems).toEqual([]);
    expect(total(await world.apply(again, both), 'moved')).toBe(1);
    expect(await world.client.lindex('tenant_7:list', -1)).toBe('late');
    // Between verify and finalize: stays at both ends.
    await world.client.hset('siraya:hash', 'late', '1');
    await world.finalize(again, both);
    expect(await world.client.hget('siraya:hash', 'late')).toBe('1');
    // The list's sampled content has changed, which is the application's own doing.
    expect(kinds(await world.differences(plan, both, 'finalized'))).toEqual(['conflict', 'content']);
    const third = await world.plan(both);
    await world.apply(third, both);
    await world.finalize(third, both);
    expect(await world.client.hget('tenant_7:hash', 'late')).toBe('1');
    // Written at the target: goes back with the value that it has now.
    await world.client.sadd('tenant_7:integers', 'newer');
    await world.client.set('tenant_7:theirs', 'not ours');
    expect(total(await world.undo(plan), 'conflicts')).toBe(0);
    expect(await world.client.sismember('siraya:integers', 'newer')).toBe(1);
    expect(await world.client.lindex('siraya:list', -1)).toBe('late');
    const after = await world.snapshot();
    expect(after['tenant_7:theirs']).toBeDefined();
    const changed = Object.keys(after).filter((key) => after[key] !== before[key]);
    expect(changed.sort()).toEqual(['siraya:hash', 'siraya:integers', 'siraya:list', 'tenant_7:theirs']);
  });

  test('that is undone before finalize takes a newer target back, and leaves both where both were written', async () => {
    const plan = await world.plan();
    await world.apply(plan);
    await world.client.set('tenant_7:empty', 'newer at the target');
    await world.client.rpush('siraya:list', 'newer at the source');
    await world.client.sadd('siraya:integers', 's');
    await world.client.sadd('tenant_7:integers', 't');
    expect(total(await world.undo(plan), 'conflicts')).toBe(1);
    expect(await world.client.get('siraya:empty')).toBe('newer at the target');
    expect(await world.client.lindex('siraya:list', -1)).toBe('newer at the source');
    expect(await world.client.sismember('siraya:integers', 's')).toBe(1);
    expect(await world.client.sismember('tenant_7:integers', 't')).toBe(1);
    expect(await world.client.exists('tenant_7:empty')).toBe(0);
  });

  test('never takes a foreign target for its copy', async () => {
    const plan = await world.plan();
    await world.client.set('tenant_7:empty', 'theirs');
    await expect(world.apply(plan)).resolves.toSatisfy((checkpoints) => total(checkpoints as never, 'conflicts') === 1);
    await world.finalize(plan);
    expect(await world.client.get('siraya:empty')).toBe('');
    expect(await world.client.get('tenant_7:empty')).toBe('theirs');
    await world.undo(plan);
    const { 'tenant_7:empty': theirs, ...rest } = await world.snapshot();
    expect(theirs).toBeDefined();
    expect(rest).toEqual(before);
  });

  test('is refused where only renames are allowed, or targets are to be overwritten', async () => {
    expect((await world.plan({ redisMode: 'rename' })).problems).toMatchObject([
      { code: 'cross-slot', fix: expect.stringContaining('--redis-mode auto') },
    ]);
    expect(await world.preflight({ merge: true, onConflict: 'overwrite' })).toMatchObject([{ code: 'overwrite' }]);
  });

  test('that finds no memory leaves every source, and is told so beforehand where the plan can see it', async () => {
    const plan = await world.plan();
    await Promise.all(world.raws.map((raw) => raw.config('SET', 'maxmemory', '2mb')));
    try {
      expect((await world.plan()).problems).toMatchObject([{ code: 'memory' }]);
      await Promise.all(world.raws.map((raw) => raw.config('SET', 'maxmemory', '1mb')));
      await expect(world.apply(plan)).rejects.toThrow(/OOM/);
    } finally {
      await Promise.all(world.raws.map((raw) => raw.config('SET', 'maxmemory', '0')));
    }
    const left = await world.snapshot();
    for (const [from, to] of names) expect(left[from] ?? left[to]).toBe(before[from]);
    await world.undo(plan);
    expect(await world.snapshot()).toEqual(before);
  });

  test('sends every key to the master that the server names, whatever braces and bytes it holds', async () => {
    const parts = fc.array(fc.constantFrom('{', '}', 'a', 'ü', '\xff', ':', 'bc')).map((all) => all.join(''));
    const keys = fc.sample(fc.oneof(fc.string(), parts), { numRuns: 500, seed: 7 });
    const pipeline = world.raw.pipeline();
    for (const key of keys) pipeline.cluster('KEYSLOT', key);
    expect(keys.map((key) => keySlot(key))).toEqual(((await pipeline.exec()) ?? []).map(([, slot]) => slot));
  });

  test('holds all its locks in one slot', async () => {
    const settings = redisSettings(world.ports[1] as number);
    const lease = await RedisLease.acquire(settings, { tenants: ['a', 'b', 'c'], owner: 'one' });
    if (!(lease instanceof RedisLease)) throw new Error('not taken');
    expect(await lease.renew()).toBe(true);
    expect(await RedisLease.acquire(settings, { tenants: ['c'], owner: 'two' })).toMatchObject({ heldBy: 'one' });
    expect(await world.snapshot()).not.toEqual(before);
    await lease.release();
    expect(await world.snapshot()).toEqual(before);
  });

  test('ends the connections of a broken process at every master', async () => {
    const broken = await openRedisWriter(redisSettings(world.server.port));
    const count = async () => {
      const lists = await Promise.all(world.raws.map((raw) => raw.client('LIST')));
      return lists.map((list) => [...String(list).matchAll(/ name=tenant-migrate-test /g)].length);
    };
    const two = await count();
    await world.quiesce();
    expect((await count()).every((left, index) => left < (two[index] ?? 0))).toBe(true);
    await broken.close();
  });
});

describe('with connections that are cut', () => {
  test.each([
    [0, 'up', 3_000],
    [1, 'down', 6_000],
    [2, 'down', 20_000],
    [1, 'up', 15_000],
  ] as const)('to master %d, %swards after %d bytes, it comes to the same end and back', async (master, way, bytes) => {
    const proxies = await Promise.all(
      world.ports.map((port) => startTcpProxy({ target: { host: '127.0.0.1', port } })),
    );
    const nodeMap = Object.fromEntries(
      world.ports.map((port, index) => [`127.0.0.1:${port}`, `127.0.0.1:${proxies[index]?.port}`]),
    );
    const retries: string[] = [];
    await world.connect(redisSettings(world.server.port, { nodeMap, onRetry: ({ reason }) => retries.push(reason) }));
    const plan = await world.plan();
    proxies[master]?.cutAfterBytes(bytes, way);
    expect(total(await world.apply(plan, small), 'conflicts')).toBe(0);
    await world.finalize(plan, small);
    expect(retries.length).toBeGreaterThan(0);
    expect(await world.snapshot()).toEqual(moved());
    proxies[(master + 1) % 3]?.cutAfterBytes(bytes, way);
    await world.undo(plan);
    expect(await world.snapshot()).toEqual(before);
    await world.connect(redisSettings(world.server.port));
    await Promise.all(proxies.map((proxy) => proxy.close()));
  });
});

describe('while a slot is on its way', () => {
  /** Begins to move the slot of a key, and carries over the keys that `which` names. */
  async function beginMigration(key: string, which: (name: string) => boolean) {
    const { slot, owner, other } = await world.masterOf(key);
    const [from, to] = [world.raws[owner] as Redis, world.raws[other] as Redis];
    await to.cluster('SETSLOT', slot, 'IMPORTING', await world.idOf(owner));
    await from.cluster('SETSLOT', slot, 'MIGRATING', await world.idOf(other));
    const carry = async (some: (name: string) => boolean) => {
      const keys = ((await from.cluster('GETKEYSINSLOT', slot, 1_000)) as string[]).filter(some);
      for (const name of keys) await from.migrate('127.0.0.1', world.ports[other] as number, name, 0, 5_000);
    };
    await carry(which);
    const give = async (index: number) => {
      const id = await world.idOf(index);
      for (const raw of [world.raws[index], ...world.raws]) await (raw as Redis).cluster('SETSLOT', slot, 'NODE', id);
    };
    return {
      end: async () => {
        await carry(() => true);
        await give(other);
      },
      /** All back to where it was. */
      back: async () => {
        const keys = (await to.cluster('GETKEYSINSLOT', slot, 1_000)) as string[];
        await from.cluster('SETSLOT', slot, 'IMPORTING', await world.idOf(other));
        for (const name of keys) await to.migrate('127.0.0.1', world.ports[owner] as number, name, 0, 5_000);
        await give(owner);
      },
    };
  }

  test('keys at both of its ends are moved and taken back, also once it has arrived', async () => {
    const plan = await world.plan();
    const migration = await beginMigration('{doc1}', (name) => name.endsWith(':b'));
    expect((await world.plan()).notices.map(({ kind }) => kind)).toContain('migrating');
    expect(total(await world.apply(plan), 'moved')).toBe(names.size);
    expect((await world.verify(plan)).map(({ kind }) => kind)).toEqual(['pending-removal']);
    await world.finalize(plan);
    expect(await world.snapshot()).toEqual(moved());
    await world.undo(plan);
    expect(await world.snapshot()).toEqual(before);
    // The store's own view of the slots is an older one now.
    await migration.end();
    const again = await world.plan();
    await world.apply(again);
    await world.finalize(again);
    expect(await world.snapshot()).toEqual(moved());
    await world.undo(again);
    expect(await world.snapshot()).toEqual(before);
    await migration.back();
  });
});

/** A permit that refuses after so many batches. */
function stopAfter(batches: number): () => Promise<void> {
  let left = batches;
  return async () => {
    if (left === 0) throw new Error('stop');
    left -= 1;
  };
}

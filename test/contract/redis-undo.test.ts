import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RedisPlan } from '../../src/stages/redis/redis-plan.ts';
import { redisStage } from '../../src/stages/redis.ts';
import type { Checkpoint } from '../../src/stages/stage.ts';
import type { RedisWriter } from '../../src/stores/redis/redis-store.ts';
import { seedNeighbours, seedTenant } from '../support/redis-tenants.ts';
import { kinds, RedisWorld, renamed, type Snapshot } from '../support/redis-world.ts';
import { total } from '../support/stage-context.ts';

let world: RedisWorld;
let names: ReadonlyMap<string, string>;
let before: Snapshot;

beforeAll(async () => {
  world = await RedisWorld.start();
});
afterAll(() => world.stop());
beforeEach(async () => {
  await world.reset();
  names = await seedTenant(world.raw, 'siraya');
  await seedNeighbours(world.raw);
  before = await world.snapshot();
});

const moved = () => renamed(before, names);
const small = { batchSize: 5 };

describe('while the tenant is alive', () => {
  test('keys that expire before or after they are moved are counted as expired', async () => {
    await world.raw.set('siraya:soon', '', 'PX', 250);
    await world.raw.set('siraya:later', '', 'PX', 900);
    const plan = await world.plan();
    expect(plan.samples.length).toBe(names.size + 2);
    await sleep(300);
    await world.apply(plan);
    expect(await world.differences(plan)).toEqual([]);
    await sleep(700);
    const findings = await world.verify(plan);
    expect(findings).toMatchObject([{ kind: 'expired', severity: 'notice', count: 2 }]);
  });

  test('a key that somebody deletes is a difference', async () => {
    const plan = await world.plan({ verify: 'counts' });
    await world.raw.del('siraya:hash');
    await world.apply(plan);
    expect(await world.verify(plan, { verify: 'counts' })).toMatchObject([
      { kind: 'count', severity: 'difference', count: 1 },
    ]);
  });

  test('keys written to the source meanwhile are found by verify and moved by applying again', async () => {
    const plan = await world.plan();
    await world.apply(plan);
    await world.raw.set('siraya:late', 'x', 'PX', 60_000);
    expect(await world.verify(plan)).toContainEqual(
      expect.objectContaining({ kind: 'left-behind', drainable: true, count: 1, samples: ['siraya:late'] }),
    );
    await world.apply(plan);
    expect(await world.differences(plan)).toEqual([]);
    expect(await world.raw.get('tenant_7:late')).toBe('x');
    await world.undo(plan);
    expect(await world.raw.get('siraya:late')).toBe('x');
  });

  test('the first keys of a tenant that had none are moved, too', async () => {
    world.moves = [{ source: 'newcomer', target: 'tenant_8' }];
    const plan = await world.plan();
    await world.raw.set('newcomer:1', 'x');
    expect(kinds(await world.differences(plan))).toEqual(['left-behind']);
    await world.apply(plan);
    expect(await world.differences(plan)).toEqual([]);
    expect(await world.raw.get('tenant_8:1')).toBe('x');
  });

  test('a value that has changed goes back with the value it has now', async () => {
    const plan = await world.plan();
    await world.apply(plan);
    await world.raw.set('tenant_7:empty', 'written later', 'KEEPTTL');
    await world.raw.del('tenant_7:list');
    await world.raw.set('siraya:hash', 'made anew at the old name');
    const checkpoints = await world.undo(plan);
    expect([total(checkpoints, 'conflicts'), total(checkpoints, 'vanished')]).toEqual([1, 1]);
    expect(await world.raw.get('siraya:empty')).toBe('written later');
    expect(await world.raw.exists('siraya:list')).toBe(0);
    expect(await world.raw.get('siraya:hash')).toBe('made anew at the old name');
    expect(await world.raw.hget('tenant_7:hash', 'a')).toBe('1');
  });

  test('keys that only the target has stay there in an undo', async () => {
    const plan = await world.plan();
    await world.apply(plan);
    await world.raw.set('tenant_7:own', 'x');
    await world.undo(plan);
    expect(await world.raw.get('tenant_7:own')).toBe('x');
    await world.raw.del('tenant_7:own');
    expect(await world.snapshot()).toEqual(before);
  });
});

describe('a target key that exists', () => {
  test('with the same content and expiry is one key: its source goes in finalize, and comes back in an undo', async () => {
    for (const key of ['siraya:hash', 'siraya:stream', 'siraya:volatile-set', 'siraya:skip-list']) {
      await world.raw.copy(key, key.replace('siraya', 'tenant_7'));
    }
    before = await world.snapshot();
    const plan = await world.plan({ merge: true });
    expect([plan.problems, plan.conflicts, plan.occupied]).toEqual([[], 0, [4]]);
    const applied = await world.apply(plan, { merge: true });
    expect([total(applied, 'moved'), total(applied, 'skipped'), total(applied, 'conflicts')]).toEqual([
      names.size - 4,
      4,
      0,
    ]);
    expect(await world.differences(plan, { merge: true })).toEqual([]);
    expect(kinds(await world.differences(plan, { merge: true }, 'finalized'))).toEqual(['left-behind']);
    await world.finalize(plan, { merge: true });
    expect(await world.differences(plan, { merge: true }, 'finalized')).toEqual([]);
    expect(await world.snapshot()).toEqual(moved());
    await world.undo(plan, { merge: true });
    expect(await world.snapshot()).toEqual(before);
    await world.undo(plan, { merge: true });
    expect(await world.snapshot()).toEqual(before);
  });

  test('and is gone when the undo comes is made from the logged dump', async () => {
    await world.raw.copy('siraya:stream', 'tenant_7:stream');
    const plan = await world.plan({ merge: true });
    await world.apply(plan, { merge: true });
    await world.finalize(plan, { merge: true });
    await world.raw.del('tenant_7:stream');
    await world.undo(plan, { merge: true });
    expect(await world.snapshot()).toEqual(before);
  });

  test.each([
    ['source', 'siraya:hash'],
    ['target', 'tenant_7:hash'],
  ])('and is written at its %s between the last look and the removing stays, as a conflict', async (_, written) => {
    for (const key of ['siraya:hash', 'siraya:stream', 'siraya:list']) {
      await world.raw.copy(key, key.replace('siraya', 'tenant_7'));
    }
    const plan = await world.plan({ merge: true });
    await world.apply(plan, { merge: true });
    const own = world.store;
    world.store = lookingBefore(own, () => world.raw.hset(written, 'late', 'x'));
    const finalized = await world.finalize(plan, { merge: true });
    world.store = own;
    expect([total(finalized, 'skipped'), total(finalized, 'conflicts')]).toEqual([2, 1]);
    expect(await world.raw.hget(written, 'late')).toBe('x');
    expect(await world.raw.exists('siraya:hash', 'tenant_7:hash', 'siraya:stream', 'siraya:list')).toBe(2);
    expect(world.events).toContainEqual(expect.objectContaining({ type: 'record-failed', record: 'siraya:hash' }));
    await world.undo(plan, { merge: true });
    expect(await world.raw.exists('siraya:stream', 'siraya:list')).toBe(2);
  });

  test('and that is written all the time stays, as a conflict', async () => {
    await world.raw.copy('siraya:hash', 'tenant_7:hash');
    const plan = await world.plan({ merge: true });
    await world.apply(plan, { merge: true });
    const own = world.store;
    // The same value again: equal at every look, and written in between.
    world.store = lookingBefore(own, () => world.raw.hset('siraya:hash', 'a', '1'));
    const finalized = await world.finalize(plan, { merge: true, onConflict: 'skip' });
    world.store = own;
    expect([total(finalized, 'skipped'), total(finalized, 'conflicts')]).toEqual([0, 1]);
    expect(await world.raw.exists('siraya:hash', 'tenant_7:hash')).toBe(2);
    expect(world.events.filter(({ type }) => type === 'record-failed')).toEqual([]);
  });

  test('and is large is logged apart from others, so that no line of the log grows without bound', async () => {
    await world.raw.config('SET', 'rdbcompression', 'no');
    for (let n = 0; n < 7; n += 1) {
      await world.raw.setrange(`siraya:large:${n}`, (5 << 20) - 1, 'x');
      await world.raw.copy(`siraya:large:${n}`, `tenant_7:large:${n}`);
    }
    const plan = await world.plan({ merge: true });
    await world.apply(plan, { merge: true });
    const finalized = await world.finalize(plan, { merge: true });
    expect(finalized.map(({ skipped }) => skipped).sort()).toEqual([1, 3, 3]);
    await world.raw.config('SET', 'rdbcompression', 'yes');
  });

  test('and is too large to be logged stays, and is named', async () => {
    await world.raw.config('SET', 'rdbcompression', 'no');
    await world.raw.setrange('siraya:huge', (129 << 20) - 1, 'x');
    await world.raw.copy('siraya:huge', 'tenant_7:huge');
    await world.raw.copy('siraya:list', 'tenant_7:list');
    const plan = await world.plan({ merge: true });
    await world.apply(plan, { merge: true });
    const finalized = await world.finalize(plan, { merge: true });
    expect([total(finalized, 'skipped'), total(finalized, 'failed')]).toEqual([1, 1]);
    expect(world.events).toContainEqual(expect.objectContaining({ type: 'record-failed', record: 'siraya:huge' }));
    expect(await world.raw.exists('siraya:huge', 'tenant_7:huge', 'siraya:list')).toBe(2);
    await world.raw.config('SET', 'rdbcompression', 'yes');
  }, 30_000);

  test('for all of a batch writes no line of the log', async () => {
    const { raw } = world;
    for (const [from, to] of names) await raw.copy(Buffer.from(from, 'latin1'), Buffer.from(to, 'latin1'));
    for (const kind of ['task', 'batch']) await raw.set(`${kind}:tenant_7:1`, '{"tenant_id":"tenant_7"}', 'KEEPTTL');
    const plan = await world.plan({ merge: true });
    const applied = await world.apply(plan, { merge: true });
    expect([total(applied, 'skipped'), world.undoFile?.empty]).toEqual([names.size, true]);
  });

  test('with other content is a conflict: refused by the plan, or left at both ends', async () => {
    await world.raw.set('tenant_7:hash', 'another type');
    await world.raw.set('tenant_7:empty', 'other content');
    await world.raw.copy('siraya:volatile-set', 'tenant_7:volatile-set');
    await world.raw.pexpire('tenant_7:volatile-set', 5_000_000);
    before = await world.snapshot();
    expect((await world.plan({ merge: true })).problems).toMatchObject([{ code: 'conflict' }]);
    const skipping = { merge: true, onConflict: 'skip' } as const;
    const plan = await world.plan(skipping);
    expect([plan.problems, plan.conflicts]).toEqual([[], 3]);
    expect(total(await world.apply(plan, skipping), 'conflicts')).toBe(3);
    await world.finalize(plan, skipping);
    const findings = await world.verify(plan, skipping, 'finalized');
    expect(findings).toMatchObject([{ kind: 'conflict', severity: 'notice', count: 3 }]);
    const rest = new Map([...names].filter(([key]) => !/:(hash|empty|volatile-set)$/.test(key)));
    expect(await world.snapshot()).toEqual(renamed(before, rest));
    await world.undo(plan, skipping);
    expect(await world.snapshot()).toEqual(before);
  });

  test('since the plan was made is neither overwritten nor taken away by an undo', async () => {
    const plan = await world.plan();
    await world.raw.set('tenant_7:hash', 'the application was faster');
    before = await world.snapshot();
    const applied = await world.apply(plan);
    expect([total(applied, 'moved'), total(applied, 'conflicts')]).toEqual([names.size - 1, 1]);
    expect(kinds(await world.differences(plan))).toContain('conflict');
    await world.undo(plan);
    expect(await world.snapshot()).toEqual(before);
  });
});

describe('a move that is stopped half-way', () => {
  test.each([0, 1, 3])('after %i batches is finished by applying again', async (batches) => {
    const plan = await world.plan({ verify: 'full' });
    const stopped = await stop(plan, batches);
    expect(total(stopped, 'moved')).toBe(5 * batches);
    expect(kinds(await world.differences(plan, { verify: 'full' }))).toEqual(['left-behind']);
    await world.apply(plan, { ...small, continuing: true });
    await world.finalize(plan, { ...small, continuing: true });
    expect(await world.snapshot()).toEqual(moved());
    expect(await world.verify(plan, { verify: 'full', continuing: true }, 'finalized')).toEqual([]);
  });

  test.each([0, 1, 3])('after %i batches is as before when it is undone', async (batches) => {
    const plan = await world.plan();
    await stop(plan, batches);
    await world.undo(plan);
    expect(await world.snapshot()).toEqual(before);
  });

  test('while it is undone can be undone to the end, or applied again', async () => {
    const plan = await world.plan();
    await world.apply(plan, small);
    await expect(world.undo(plan, { permit: rejectingAfter(2) })).rejects.toThrow('stop');
    await world.undo(plan);
    expect(await world.snapshot()).toEqual(before);
    await world.apply(plan, { ...small, continuing: true });
    await expect(world.undo(plan, { permit: rejectingAfter(3) })).rejects.toThrow('stop');
    await world.apply(plan, { ...small, continuing: true });
    expect(await world.snapshot()).toEqual(moved());
  });

  async function stop(plan: RedisPlan, batches: number) {
    const done: Checkpoint[] = [];
    await expect(async () => {
      const ctx = await world.writing({ ...small, permit: rejectingAfter(batches) });
      for await (const checkpoint of redisStage.apply(plan, ctx)) done.push(checkpoint);
    }).rejects.toThrow('stop');
    return done;
  }
});

/** The store, through which something happens whenever dumps have been read: behind the last look at the keys. */
function lookingBefore(store: RedisWriter, happens: () => Promise<unknown>): RedisWriter {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function') return member;
      if (name !== 'dumps') return member.bind(target);
      return async (keys: readonly string[]) => {
        const dumps = await target.dumps(keys);
        await happens();
        return dumps;
      };
    },
  });
}

function rejectingAfter(batches: number): () => Promise<void> {
  let left = batches;
  return () => (left-- > 0 ? Promise.resolve() : Promise.reject(new Error('stop')));
}

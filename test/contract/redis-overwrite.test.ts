import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { redisStage } from '../../src/stages/redis.ts';
import type { Checkpoint, StageOptions } from '../../src/stages/stage.ts';
import type { RedisWriter } from '../../src/stores/redis/redis-store.ts';
import { seedNeighbours, seedTenant } from '../support/redis-tenants.ts';
import { kinds, RedisWorld, redisSettings, renamed, type Snapshot } from '../support/redis-world.ts';
import { total } from '../support/stage-context.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const overwrite = { merge: true, onConflict: 'overwrite' } satisfies Partial<StageOptions>;

let world: RedisWorld;
let names: ReadonlyMap<string, string>;
/** As {@link takeTargets} left it. */
let before: Snapshot;
/** With every key of the source in the target's place. */
let after: Snapshot;

beforeAll(async () => {
  world = await RedisWorld.start();
});
afterAll(() => world.stop());
beforeEach(async () => {
  await world.connect(redisSettings(world.server.port));
  await world.reset();
  names = await seedTenant(world.raw, 'siraya');
  await seedNeighbours(world.raw);
  await takeTargets();
  before = await world.snapshot();
  after = overwritten(before);
});

/** Other content, another type, another expiry, equal content, and a key that only the target has. */
async function takeTargets(): Promise<void> {
  const { raw } = world;
  await raw.set('tenant_7:hash', 'another type', 'PX', 70_000_000);
  await raw.set('tenant_7:empty', 'other content');
  await raw.xadd('tenant_7:stream', '1-1', 'f', 'v');
  await raw.xgroup('CREATE', 'tenant_7:stream', 'readers', '0');
  await raw.copy('siraya:volatile-set', 'tenant_7:volatile-set');
  await raw.pexpire('tenant_7:volatile-set', 5_000_000);
  await raw.copy('siraya:list', 'tenant_7:list');
  await raw.set('tenant_7:own', 'only here');
}

function overwritten(snapshot: Snapshot): Snapshot {
  const taken = new Set(names.values());
  return renamed(Object.fromEntries(Object.entries(snapshot).filter(([key]) => !taken.has(key))), names);
}

describe('a source that overwrites', () => {
  test.each(['counts', 'sample', 'full'] as const)(
    'takes the place of different targets, as verify of the depth %s confirms, and an undo is exact',
    async (verify) => {
      const options = { ...overwrite, verify };
      expect(await world.preflight({ probe: true, ...options })).toEqual([]);
      expect(await world.snapshot()).toEqual(before);
      const plan = await world.plan(options);
      expect([plan.problems, plan.conflicts, plan.occupied]).toEqual([[], 4, [5]]);
      expect(plan.notices).toContainEqual(expect.objectContaining({ kind: 'overwrite', count: 4 }));
      const applied = await world.apply(plan, options);
      expect([total(applied, 'moved'), total(applied, 'skipped')]).toEqual([names.size - 1, 1]);
      expect([total(applied, 'conflicts'), total(applied, 'failed')]).toEqual([0, 0]);
      expect(kinds(await world.verify(plan, options))).toEqual(['pending-removal']);
      await world.finalize(plan, options);
      expect(await world.verify(plan, options, 'finalized')).toEqual([]);
      expect(await world.snapshot()).toEqual(after);
      await world.undo(plan, options);
      expect(await world.snapshot()).toEqual(before);
      expect(total(await world.undo(plan, options), 'moved')).toBe(0);
      expect(await world.snapshot()).toEqual(before);
      await world.apply(plan, { ...options, continuing: true });
      await world.finalize(plan, { ...options, continuing: true });
      expect(await world.snapshot()).toEqual(after);
      await world.undo(plan, options);
      expect(await world.snapshot()).toEqual(before);
    },
  );

  test.each<[string, 'sample' | 'full', () => Promise<unknown>]>([
    ['whose content is changed', 'sample', () => world.raw.append('tenant_7:empty', 'x')],
    ['whose content is changed', 'full', () => world.raw.append('tenant_7:empty', 'x')],
    ['that gets the destroyed value back', 'full', () => world.raw.set('tenant_7:empty', 'other content')],
    ['that is deleted', 'sample', () => world.raw.del('tenant_7:empty')],
    ['whose expiry is changed', 'full', () => world.raw.persist('tenant_7:volatile-set')],
  ])('%s afterwards is a difference (%s)', async (_, verify, harm) => {
    const options = { ...overwrite, verify };
    const plan = await world.plan(options);
    await world.apply(plan, options);
    await world.finalize(plan, options);
    await harm();
    expect(await world.differences(plan, options, 'finalized')).not.toEqual([]);
  });

  test('is not counted as done where it did not happen', async () => {
    for (const verify of ['sample', 'full'] as const) {
      const plan = await world.plan({ ...overwrite, verify });
      expect(kinds(await world.differences(plan, { ...overwrite, verify }))).toContain('conflict');
    }
  });

  test('meets targets that came after the plan as well', async () => {
    await world.raw.del('tenant_7:hash', 'tenant_7:empty', 'tenant_7:stream', 'tenant_7:volatile-set');
    await world.raw.del('tenant_7:list', 'tenant_7:own');
    const plan = await world.plan({ onConflict: 'overwrite' });
    await takeTargets();
    before = await world.snapshot();
    await world.apply(plan, { onConflict: 'overwrite' });
    expect(await world.raw.hget('tenant_7:hash', 'a')).toBe('1');
    await world.undo(plan);
    expect(await world.snapshot()).toEqual(before);
  });
});

describe('what somebody writes meanwhile', () => {
  test.each([
    ['source', 'siraya:empty'],
    ['target', 'tenant_7:empty'],
  ])('to the %s of a pair stays, as a conflict', async (_, written) => {
    const plan = await world.plan(overwrite);
    const own = world.store;
    world.store = dumpingThen(own, () => world.raw.append(written, '!'));
    const applied = await world.apply(plan, overwrite);
    world.store = own;
    expect(total(applied, 'conflicts')).toBe(1);
    expect(await world.raw.get(written)).toMatch(/!$/);
    expect(await world.raw.exists('siraya:empty', 'tenant_7:empty')).toBe(2);
    expect(await world.raw.hget('tenant_7:hash', 'a')).toBe('1');
    expect(world.events).toContainEqual(expect.objectContaining({ type: 'record-failed', record: 'siraya:empty' }));
    const now = [await world.raw.get('siraya:empty'), await world.raw.get('tenant_7:empty')];
    await world.undo(plan, overwrite);
    expect([await world.raw.get('siraya:empty'), await world.raw.get('tenant_7:empty')]).toEqual(now);
    expect(await world.raw.get('tenant_7:hash')).toBe('another type');
  });

  test('and removes the source or the target, is not made undone', async () => {
    const plan = await world.plan(overwrite);
    const own = world.store;
    let times = 0;
    world.store = dumpingThen(own, async () => {
      times += 1;
      if (times === 1) await world.raw.del('siraya:empty', 'tenant_7:hash');
    });
    await world.apply(plan, { ...overwrite, batchSize: 1_000 });
    world.store = own;
    expect(await world.raw.get('tenant_7:empty')).toBe('other content');
    expect(await world.raw.type('siraya:hash')).toBe('hash');
    await world.undo(plan, overwrite);
    expect(await world.raw.get('tenant_7:empty')).toBe('other content');
    expect(await world.raw.exists('siraya:empty', 'tenant_7:hash')).toBe(0);
  });

  test('to the target goes back to the source with the value that it has now', async () => {
    const plan = await world.plan(overwrite);
    await world.apply(plan, overwrite);
    await world.raw.set('tenant_7:empty', 'written later');
    await world.raw.del('tenant_7:hash');
    await world.undo(plan, overwrite);
    expect(await world.raw.mget('siraya:empty', 'tenant_7:empty')).toEqual(['written later', 'other content']);
    expect(await world.raw.exists('siraya:hash')).toBe(0);
    expect(await world.raw.get('tenant_7:hash')).toBe('another type');
  });

  test('to the source’s old name stays, and so does what was moved', async () => {
    const plan = await world.plan(overwrite);
    await world.apply(plan, overwrite);
    await world.raw.set('siraya:empty', 'made anew');
    expect(total(await world.undo(plan, overwrite), 'conflicts')).toBe(1);
    expect(await world.raw.mget('siraya:empty', 'tenant_7:empty')).toEqual(['made anew', '']);
  });

  test('to a source that was moved already is moved as well, and the undo tells what it leaves at the target', async () => {
    const plan = await world.plan(overwrite);
    await world.apply(plan, overwrite);
    await world.raw.set('siraya:empty', 'made anew');
    expect(total(await world.apply(plan, { ...overwrite, continuing: true }), 'moved')).toBe(1);
    expect(await world.raw.mget('siraya:empty', 'tenant_7:empty')).toEqual([null, 'made anew']);
    expect(total(await world.undo(plan, overwrite), 'conflicts')).toBe(1);
    expect(await world.raw.mget('siraya:empty', 'tenant_7:empty')).toEqual(['made anew', '']);
    expect(world.events).toContainEqual(
      expect.objectContaining({ type: 'note', text: expect.stringContaining('keeps') }),
    );
  });

  test('all the time, never loses a write', async () => {
    const keys = Array.from({ length: 60 }, (_, n) => `counter:${n}`);
    for (const key of keys) await world.raw.mset(`siraya:${key}`, '0', `tenant_7:${key}`, '1000000');
    const plan = await world.plan(overwrite);
    let running = true;
    const counts = new Map<string, number>();
    const writing = (async () => {
      for (let n = 0; running; n += 1) {
        const key = keys[n % keys.length]!;
        // Only where it exists: as an application that updates its records.
        const value = Number(await world.raw.eval(INCREMENT_IF_THERE, 1, `siraya:${key}`));
        if (value > 0) counts.set(key, value);
      }
    })();
    await world.apply(plan, { ...overwrite, batchSize: 7 });
    running = false;
    await writing;
    for (const key of keys) {
      const [source, target] = await world.raw.mget(`siraya:${key}`, `tenant_7:${key}`);
      expect([key, source ?? target]).toEqual([key, `${counts.get(key) ?? 0}`]);
      if (source !== null) expect(target).toBe('1000000');
    }
  });
});

const INCREMENT_IF_THERE = "if redis.call('exists', KEYS[1]) == 1 then return redis.call('incr', KEYS[1]) end return 0";

describe('an undo of what was logged and never done', () => {
  beforeEach(async () => {
    const plan = await world.plan(overwrite);
    const own = world.store;
    world.store = replaced(own, 'overwriteUnwritten', async (_: unknown, choose: () => Promise<unknown>) => {
      await choose();
      throw new Error('killed');
    });
    await expect(world.apply(plan, overwrite)).rejects.toThrow('killed');
    world.store = own;
    expect(await world.raw.get('tenant_7:hash')).toBe('another type');
  });

  test('leaves both', async () => {
    await world.undo(await world.plan(overwrite), overwrite);
    expect(await world.snapshot()).toEqual(before);
  });

  test('does not move a foreign target to a source that has gone', async () => {
    const { raw } = world;
    const plan = await world.plan(overwrite);
    await raw.del('siraya:hash', 'siraya:empty');
    await raw.set('tenant_7:empty', 'written by the target’s owner');
    const undone = await world.undo(plan, overwrite);
    expect(await raw.exists('siraya:hash', 'siraya:empty')).toBe(0);
    expect(await raw.mget('tenant_7:hash', 'tenant_7:empty')).toEqual([
      'another type',
      'written by the target’s owner',
    ]);
    expect(total(undone, 'failed')).toBe(1);
    expect(world.events).toContainEqual(expect.objectContaining({ type: 'record-failed', record: 'siraya:empty' }));
  });

  test('of a rename leaves to a target its own value, which a later overwriting destroyed', async () => {
    const own = world.store;
    await world.raw.set('siraya:session', 'moved');
    const plan = await world.plan();
    world.store = replaced(own, 'rename', async () => {
      throw new Error('killed');
    });
    await expect(world.apply(plan, { onConflict: 'overwrite' })).rejects.toThrow('killed');
    world.store = own;
    await world.raw.set('tenant_7:session', 'its own');
    const again = { continuing: true, onConflict: 'overwrite' } as const;
    await world.apply(await world.plan(again), again);
    expect(await world.raw.get('tenant_7:session')).toBe('moved');
    // As if it had expired.
    await world.raw.del('tenant_7:session');
    await world.undo(plan, again);
    expect(await world.raw.mget('siraya:session', 'tenant_7:session')).toEqual([null, 'its own']);
  });

  test('does not bring back what the target’s owner has removed', async () => {
    const plan = await world.plan(overwrite);
    await world.raw.del('tenant_7:hash', 'tenant_7:empty', 'siraya:empty');
    await world.undo(plan, overwrite);
    expect(await world.raw.exists('tenant_7:hash', 'tenant_7:empty', 'siraya:empty')).toBe(0);
    expect(await world.raw.type('siraya:hash')).toBe('hash');
  });
});

test('an undo takes nothing away that came to a target while its key was being renamed', async () => {
  await world.raw.del('tenant_7:hash', 'tenant_7:empty', 'tenant_7:stream', 'tenant_7:volatile-set');
  await world.raw.del('tenant_7:list', 'tenant_7:own');
  const plan = await world.plan({ onConflict: 'skip' });
  await world.raw.set('tenant_7:hash', 'the application was faster');
  const applied = await world.apply(plan, { onConflict: 'skip' });
  const logged: number[] = [];
  for await (const { id } of world.undoFile!.read()) logged.push(id);
  expect(applied.flatMap(({ batch }) => (batch > 0 ? [batch] : [])).sort()).toEqual(logged.sort());
  await world.raw.del('siraya:hash');
  await world.undo(plan);
  expect(await world.raw.get('tenant_7:hash')).toBe('the application was faster');
  expect(await world.raw.exists('siraya:hash')).toBe(0);
});

test('an overwriting whose confirmation was not written any more is recognised by what stands at the target', async () => {
  const plan = await world.plan(overwrite);
  const ctx = await world.writing(overwrite);
  const undo = {
    append: async (entries: readonly { kind?: string }[]) => {
      if (entries[0]?.kind === 'overwritten') throw new Error('killed');
      return ctx.undo.append(entries as never);
    },
    read: () => ctx.undo.read(),
  };
  const done: Checkpoint[] = [];
  await expect(async () => {
    for await (const checkpoint of redisStage.apply(plan, { ...ctx, undo } as never)) done.push(checkpoint);
  }).rejects.toThrow('killed');
  expect(await world.raw.type('tenant_7:hash')).toBe('hash');
  await world.undo(plan, overwrite);
  expect(await world.snapshot()).toEqual(before);
});

test('a destroyed value whose time has passed is not brought back', async () => {
  await world.raw.set('tenant_7:empty', 'short', 'PX', 700);
  const plan = await world.plan(overwrite);
  await world.apply(plan, overwrite);
  await new Promise((resolve) => setTimeout(resolve, 800));
  await world.undo(plan, overwrite);
  expect(await world.raw.mget('siraya:empty', 'tenant_7:empty')).toEqual(['', null]);
});

test('a target that is too large to be logged stays, and is named', async () => {
  await world.raw.config('SET', 'rdbcompression', 'no');
  await world.raw.setrange('tenant_7:empty', (129 << 20) - 1, 'x');
  const plan = await world.plan({ ...overwrite, verify: 'counts' });
  const applied = await world.apply(plan, overwrite);
  await world.raw.config('SET', 'rdbcompression', 'yes');
  expect([total(applied, 'failed'), total(applied, 'moved')]).toEqual([1, names.size - 2]);
  expect(world.events).toContainEqual(expect.objectContaining({ type: 'record-failed', record: 'siraya:empty' }));
  expect(await world.raw.strlen('tenant_7:empty')).toBe(129 << 20);
  expect(await world.raw.exists('siraya:empty')).toBe(1);
}, 30_000);

test('a connection that is cut anywhere while keys are overwritten or put back loses nothing', async () => {
  const proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: world.server.port } });
  const own = world.store;
  await world.connect(redisSettings(proxy.port));
  expect(own).not.toBe(world.store);
  const all = { up: 0, down: 0 };
  for (let cut = 0; cut <= 12; cut += 1) {
    await world.undoFile?.close();
    world.undoFile = undefined;
    const plan = await world.plan(overwrite);
    const direction = cut % 2 === 0 ? 'up' : 'down';
    const start = { ...proxy.passed };
    if (cut > 0) proxy.cutAfterBytes(Math.max(1, Math.floor((all[direction] * cut) / 13)), direction);
    await world.apply(plan, { ...overwrite, batchSize: 6 });
    await world.finalize(plan, overwrite);
    expect([cut, await world.snapshot()]).toEqual([cut, after]);
    if (cut === 0) for (const way of ['up', 'down'] as const) all[way] = proxy.passed[way] - start[way];
    proxy.cutAfterBytes(200 + cut * 300, direction);
    await world.undo(plan, overwrite);
    expect([cut, await world.snapshot()]).toEqual([cut, before]);
  }
  await world.connect(redisSettings(world.server.port));
  await proxy.close();
}, 60_000);

describe('a user', () => {
  test.each([
    ['dump', [false, true], 'DUMP'],
    ['rename', [true], 'RENAME'],
    ['exec', [true], 'EXEC'],
    ['restore', [true], 'RESTORE'],
  ])('that may not %s is a problem where keys are to be overwritten', async (command, probes, named) => {
    await world.raw.acl('SETUSER', 'mover', 'reset', 'on', 'nopass', '+@all', `-${command}`, '~*');
    await world.connect(redisSettings(world.server.port, { username: 'mover', password: 'any' }));
    for (const probe of probes) {
      expect(await world.preflight({ probe })).toEqual([]);
      expect(await world.preflight({ probe, onConflict: 'overwrite' })).toMatchObject([
        { code: 'denied', message: expect.stringContaining(named), fix: expect.stringContaining(named) },
      ]);
    }
  });
});

/** The store, through which something happens whenever dumps have been read: behind the last look at the keys. */
function dumpingThen(store: RedisWriter, happens: () => Promise<unknown>): RedisWriter {
  return replaced(store, 'dumps', async (keys: readonly string[]) => {
    const dumps = await store.dumps(keys);
    await happens();
    return dumps;
  });
}

function replaced(store: RedisWriter, name: keyof RedisWriter, by: unknown): RedisWriter {
  return new Proxy(store, {
    get(target, asked) {
      if (asked === name) return by;
      const member: unknown = Reflect.get(target, asked);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

describe('the plan’s estimate of the undo log', () => {
  test.each<[string, Partial<StageOptions>]>([
    ['renames', {}],
    ['renames in small batches', { batchSize: 10 }],
    ['overwritings and removals', overwrite],
  ])('of %s is not less than what is written, nor many times as much', async (_, options) => {
    if (options.merge !== true) await world.raw.del(...[...names.values()].map((name) => Buffer.from(name, 'latin1')));
    await world.raw.del('tenant_7:own');
    for (let n = 0; n < 500; n += 1) await world.raw.set(`siraya:${'x'.repeat(n % 60)}:"${n}`, 'y'.repeat(200));
    if (options.merge === true) {
      for (let n = 0; n < 500; n += 2) await world.raw.copy(key(n, 'siraya'), key(n, 'tenant_7'));
      for (let n = 1; n < 500; n += 4) await world.raw.set(key(n, 'tenant_7'), 'z'.repeat(3_000));
    }
    const { undoBytes = 0, ...plan } = await world.plan(options);
    await world.apply(plan, options);
    await world.finalize(plan, options);
    let written = 0;
    for await (const { id, entries } of world.undoFile!.read()) written += JSON.stringify([id, entries]).length + 1;
    expect(undoBytes).toBeGreaterThanOrEqual(written);
    // Repeated letters are dumped compressed.
    expect(undoBytes).toBeLessThan(options.merge === true ? written * 8 : written * 3);
  });

  const key = (n: number, id: string) => `${id}:${'x'.repeat(n % 60)}:"${n}`;
});

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { namesOf, seedNeighbours, seedTenant } from '../support/redis-tenants.ts';
import { kinds, RedisWorld, redisSettings, renamed, type Snapshot } from '../support/redis-world.ts';
import { total } from '../support/stage-context.ts';

let world: RedisWorld;
let names: ReadonlyMap<string, string>;
let before: Snapshot;
const copy = { redisMode: 'copy' } as const;

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

describe('--redis-mode copy on a single server', () => {
  test('copies every type with its expiry, removes the sources at the end, and takes all of it back', async () => {
    expect(await world.preflight({ ...copy, probe: true })).toEqual([]);
    const plan = await world.plan({ ...copy, verify: 'full' });
    expect(plan).toMatchObject({ problems: [], copies: 'all' });
    expect(total(await world.apply(plan, { batchSize: 9 }), 'moved')).toBe(names.size);
    expect(await world.snapshot()).toEqual({ ...before, ...moved() });
    expect(kinds(await world.verify(plan, { verify: 'full' }))).toEqual(['pending-removal']);
    await world.finalize(plan);
    expect(await world.snapshot()).toEqual(moved());
    expect(await world.verify(plan, { verify: 'full' }, 'finalized')).toEqual([]);
    expect(total(await world.undo(plan), 'conflicts')).toBe(0);
    expect(await world.snapshot()).toEqual(before);
  });

  test('needs no scripts: where they are forbidden each source is watched, compared and removed', async () => {
    await world.raw.call('ACL', 'SETUSER', 'mover', 'on', '>pw', '~*', '+@all', '-@scripting', '-@admin');
    await world.connect(redisSettings(world.server.port, { username: 'mover', password: 'pw' }));
    expect(await world.preflight({ ...copy, probe: true })).toEqual([]);
    const plan = await world.plan(copy);
    await world.apply(plan);
    await world.finalize(plan);
    expect(await world.snapshot()).toEqual(moved());
    await world.undo(plan);
    expect(await world.snapshot()).toEqual(before);
    await world.raw.call('ACL', 'SETUSER', 'mover', '-restore');
    expect(await world.preflight({ ...copy, probe: true })).toMatchObject([
      { code: 'denied', message: expect.stringContaining('RESTORE') },
    ]);
    await world.connect(redisSettings(world.server.port));
  });

  test('leaves to its expiry what expires meanwhile, and keeps large values', async () => {
    const elements = Array.from({ length: 5_000 }, (_, index) => `element ${index}`);
    await world.raw.set('siraya:large', Buffer.alloc(2 << 20, 'abc\xff', 'latin1'));
    await world.raw.hset('siraya:large-hash', ...elements.flatMap((element) => [element, element]));
    names = new Map([
      ...namesOf('siraya', 'tenant_7'),
      ...['large', 'large-hash'].map((name) => [`siraya:${name}`, `tenant_7:${name}`] as const),
    ]);
    before = await world.snapshot();
    const plan = await world.plan(copy);
    await world.raw.set('siraya:brief', 'x', 'PX', 1_500);
    const late = async () => {
      await sleep(1_600);
    };
    const applied = await world.apply(plan, { permit: late });
    expect([total(applied, 'vanished'), total(applied, 'moved')]).toEqual([1, names.size]);
    expect(await world.differences(plan)).toEqual([]);
    await world.finalize(plan);
    expect(await world.snapshot()).toEqual(moved());
  });

  test('loses nothing that is written while sources are copied and removed', async () => {
    const written = new Map<string, number>();
    let writing = true;
    const writer = (async () => {
      for (let n = 0; writing; n += 1) {
        const key = `siraya:counter:${n % 5}`;
        written.set(key, await world.raw.rpush(key, String(n)));
      }
    })();
    await sleep(20);
    const plan = await world.plan(copy);
    await world.apply(plan).catch(() => undefined);
    await world.finalize(plan, { onConflict: 'skip' });
    writing = false;
    await writer;
    // Every push is in the source's list, or in the copy that stood when the source was removed.
    for (let n = 0; n < 5; n += 1) {
      const lists = await Promise.all(
        ['siraya', 'tenant_7'].map((id) => world.raw.lrange(`${id}:counter:${n}`, 0, -1)),
      );
      const seen = new Set(lists.flat().map(Number));
      const last = Math.max(...seen);
      const expected = Array.from({ length: Math.floor((last - n) / 5) + 1 }, (_, at) => n + 5 * at);
      expect([...seen].sort((a, b) => a - b)).toEqual(expected);
    }
  });
});

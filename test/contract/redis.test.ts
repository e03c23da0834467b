import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { generic } from '../../src/profiles/generic.ts';
import { ragApi } from '../../src/profiles/rag-api.ts';
import { namesOf, seedNeighbours, seedTenant } from '../support/redis-tenants.ts';
import { RedisWorld, rawRedis, renamed, type Snapshot } from '../support/redis-world.ts';
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

describe('a move', () => {
  test('gives every key of the tenant its new name, with type, content and expiry, and changes nothing else', async () => {
    expect(await world.preflight({ probe: true })).toEqual([]);
    const plan = await world.plan({ verify: 'full' });
    expect(plan.problems).toEqual([]);
    expect(plan.moves).toEqual([{ source: 'siraya', target: 'tenant_7', found: names.size, atTarget: 0 }]);
    expect(total(await world.apply(plan), 'moved')).toBe(names.size);
    expect(await world.snapshot()).toEqual(moved());
    expect(await world.verify(plan, { verify: 'full' })).toEqual([]);
    expect(total(await world.finalize(plan), 'moved')).toBe(0);
    expect(await world.verify(plan, {}, 'finalized')).toEqual([]);
    expect(await world.snapshot()).toEqual(moved());
  });

  test('of large values keeps every byte and element', async () => {
    const elements = Array.from({ length: 50_000 }, (_, index) => `element ${index}`);
    await world.raw.set('siraya:large', Buffer.alloc(3 << 20, 'abc\xff', 'latin1'));
    await world.raw.rpush('siraya:large-list', ...elements);
    await world.raw.sadd('siraya:large-set', ...elements);
    await world.raw.hset('siraya:large-hash', ...elements.flatMap((element) => [element, element]));
    await world.raw.zadd('siraya:large-zset', ...elements.flatMap((element, index) => [index / 7, element]));
    const stream = world.raw.pipeline();
    for (const [index, element] of elements.slice(0, 5_000).entries())
      stream.xadd('siraya:s', `1-${index + 1}`, 'f', element);
    stream
      .xgroup('CREATE', 'siraya:s', 'g', '0')
      .xreadgroup('GROUP', 'g', 'c', 'COUNT', 4_500, 'STREAMS', 'siraya:s', '>');
    await stream.exec();
    before = await world.snapshot();
    const plan = await world.plan({ verify: 'full' });
    await world.apply(plan);
    for (const kind of ['large', 'large-list', 'large-set', 'large-hash', 'large-zset', 's']) {
      names = new Map([...names, [`siraya:${kind}`, `tenant_7:${kind}`]]);
    }
    expect(await world.snapshot()).toEqual(moved());
    expect(await world.verify(plan, { verify: 'full' })).toEqual([]);
  });

  test('that is applied again changes nothing', async () => {
    const plan = await world.plan();
    await world.apply(plan);
    const again = await world.apply(plan, { continuing: true });
    expect(again.filter((checkpoint) => checkpoint.moved > 0)).toEqual([]);
    await world.finalize(plan, { continuing: true });
    expect(await world.snapshot()).toEqual(moved());
  });

  test('that is undone is as before, and applied once more is as after', async () => {
    const plan = await world.plan();
    await world.apply(plan, small);
    expect(total(await world.undo(plan), 'moved')).toBe(names.size);
    expect(await world.snapshot()).toEqual(before);
    expect(total(await world.undo(plan), 'moved')).toBe(0);
    expect(await world.snapshot()).toEqual(before);
    await world.apply(plan, { ...small, continuing: true });
    expect(await world.snapshot()).toEqual(moved());
    await world.undo(plan);
    expect(await world.snapshot()).toEqual(before);
  });

  test('among several in one run goes its own way, and back', async () => {
    world.moves = [
      { source: 'siraya', target: 'tenant_7' },
      { source: 'siraya_eu', target: 'eu' },
      { source: 'SIRAYA', target: 'shout' },
    ];
    expect(await world.preflight({ probe: true })).toEqual([]);
    const all = new Map([...names, ...namesOf('siraya_eu', 'eu'), ...namesOf('SIRAYA', 'shout')]);
    const plan = await world.plan({ verify: 'full' });
    expect(plan.moves.map(({ found }) => found)).toEqual([names.size, names.size, names.size]);
    await world.apply(plan, small);
    expect(await world.snapshot()).toEqual(renamed(before, all));
    expect(await world.verify(plan, { verify: 'full' })).toEqual([]);
    await world.undo(plan);
    expect(await world.snapshot()).toEqual(before);
  });

  test('by templates of its own takes what they claim, and nothing of a longer id', async () => {
    const keyTemplates = [...ragApi.keyTemplates, '{tenant}_*', 'cache:{tenant}:*'];
    world.profile = { ...ragApi, keyTemplates };
    expect(await world.preflight()).toEqual([]);
    names = new Map([...names, ['siraya_text_chunks', 'tenant_7_text_chunks'], ['cache:siraya:1', 'cache:tenant_7:1']]);
    const plan = await world.plan({ verify: 'full' });
    await world.apply(plan);
    expect(await world.snapshot()).toEqual(moved());
    expect(await world.verify(plan, { verify: 'full' })).toEqual([]);
  });

  test('to ids with the characters of patterns, and in other scripts, is exact', async () => {
    world.profile = { ...generic, keyTemplates: ['k:{tenant}:*'] };
    world.moves = [
      { source: 'a*b?[c]', target: '日本' },
      { source: 'z.+(x)|y^$', target: 'é{tenant}' },
    ];
    for (const id of ['a*b?[c]', 'axbyc', 'z.+(x)|y^$', 'zzx']) await world.raw.set(`k:${id}:1`, id);
    const plan = await world.plan({ verify: 'full' });
    await world.apply(plan);
    const keys = await world.raw.keys('k:*');
    expect(keys.sort()).toEqual(['k:axbyc:1', 'k:zzx:1', 'k:é{tenant}:1', 'k:日本:1']);
    expect(await world.verify(plan, { verify: 'full' })).toEqual([]);
  });
});

describe('under templates at random', () => {
  const part = fc.stringMatching(/^[ab_:]{0,2}$/);
  const id = fc.stringMatching(/^[ab_:]{1,3}$/);
  const template = fc
    .record({ prefix: part, suffix: fc.stringMatching(/^[ab_:]{1,3}$/), open: fc.boolean() })
    .map(({ prefix, suffix, open }) => `${prefix}{tenant}${suffix}${open ? '*' : ''}`);
  const parts = fc.record({
    template: fc.nat(),
    tenant: fc.nat(),
    head: fc.constantFrom('', '', '', 'a', 'b'),
    other: fc.constantFrom('', '', 'a', '_b', ':a'),
    rest: fc.stringMatching(/^[ab_:]{0,5}$/),
  });

  test('a move and what verifies it agree, and the way back is exact', async () => {
    let moves = 0;
    const property = fc.asyncProperty(
      fc.uniqueArray(template, { minLength: 1, maxLength: 4 }),
      fc.uniqueArray(id, { minLength: 2, maxLength: 4 }),
      fc.array(parts, { maxLength: 40 }),
      async (keyTemplates, ids, made) => {
        await world.reset();
        world.profile = { ...generic, keyTemplates };
        const [source = '', target = '', more, ...rest] = ids;
        world.moves = [{ source, target }];
        if (more !== undefined && rest[0] !== undefined)
          world.moves = [...world.moves, { source: more, target: rest[0] }];
        if ((await world.preflight()).length > 0) return;
        const keys = made.map(({ template, tenant, head, other, rest }) => {
          const name = `${ids[tenant % ids.length]}${other}`;
          return (
            head + (keyTemplates[template % keyTemplates.length] ?? '').replace('{tenant}', name).replace('*', rest)
          );
        });
        if (keys.length > 0) await world.raw.mset(keys.flatMap((key) => [key, 'x']));
        const start = await world.snapshot();
        const plan = await world.plan({ verify: 'full', merge: true, onConflict: 'skip' });
        const options = { merge: true, onConflict: 'skip', verify: 'full' } as const;
        moves += total(await world.apply(plan, { ...options, batchSize: 3 }), 'moved');
        await world.finalize(plan, options);
        expect(await world.differences(plan, options, 'finalized')).toEqual([]);
        const again = await world.plan({ verify: 'counts', merge: true, onConflict: 'skip' });
        // Equal at both ends is one key: nothing stays at a source.
        expect(again.moves.map(({ found }) => found)).toEqual(world.moves.map(() => 0));
        await world.undo(plan, options);
        expect(await world.snapshot()).toEqual(start);
      },
    );
    await fc.assert(property, { numRuns: 60 });
    expect(moves).toBeGreaterThan(0);
  });
});

describe('what writes nothing', () => {
  test('is a dry run: the server sees reading commands only', async () => {
    const seen = await commandsDuring(async () => {
      await world.preflight();
      for (const verify of ['counts', 'sample', 'full'] as const) {
        const plan = await world.plan({ verify, merge: true });
        await world.verify(plan, { verify });
      }
    });
    expect(seen).toContain('scan');
    expect(await writingAmong(seen)).toEqual([]);
    expect(await world.snapshot()).toEqual(before);
  });

  test('is the probe of the right to write', async () => {
    const seen = await commandsDuring(() => world.preflight({ probe: true, merge: true }));
    expect(seen).toEqual(expect.arrayContaining(['renamenx', 'dump', 'unlink']));
    expect(await world.snapshot()).toEqual(before);
  });
});

describe('the plan', () => {
  test('names what is not claimed with the template that would claim it, and counts look-alikes', async () => {
    const { notices } = await world.plan();
    const unclaimed = notices.filter(({ kind }) => kind === 'unclaimed').map(({ where }) => where);
    expect(unclaimed).toEqual(
      expect.arrayContaining([
        'cache:{tenant}:*',
        'queue:{{tenant}}*',
        'user:42:{tenant}',
        '{tenant}',
        'task:other:{tenant}',
      ]),
    );
    expect(notices.find(({ kind }) => kind === 'look-alike')?.count).toBeGreaterThan(50);
    const config = notices.filter(({ kind }) => kind === 'config-record').map(({ where }) => where);
    expect(config.sort()).toEqual(['tenant:config:siraya', 'tenant:config:tenant_7']);
    expect((await world.plan({ failOnUnclaimed: true })).problems).toMatchObject([{ code: 'unclaimed' }]);
  });

  test('names the unclaimed keys of each move, also where one id is part of another', async () => {
    world.moves = [
      { source: 'siraya', target: 'tenant_7' },
      { source: 'siraya_eu', target: 'eu' },
    ];
    await world.raw.set('cache:siraya_eu:1', '');
    const { notices } = await world.plan();
    expect(notices.find(({ where }) => where === 'cache:{tenant}:*')?.count).toBe(2);
  });

  test('holds no content and survives JSON', async () => {
    const plan = await world.plan({ verify: 'full' });
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
    expect(JSON.stringify(plan)).not.toMatch(/nested|Palermo/);
  });

  test('is refused where both ends have data', async () => {
    await world.raw.set('tenant_7:own', '');
    expect((await world.plan()).problems).toMatchObject([{ code: 'both-have-data' }]);
    expect((await world.plan({ merge: true })).problems).toEqual([]);
  });
});

async function commandsDuring(work: () => Promise<unknown>): Promise<readonly string[]> {
  const seen = new Set<string>();
  const watcher = rawRedis(world.server.port);
  const monitor = await watcher.monitor();
  monitor.on('monitor', (_time: string, [command]: string[]) => seen.add(String(command).toLowerCase()));
  await work();
  await world.raw.ping();
  await sleep(50);
  monitor.disconnect();
  watcher.disconnect();
  return [...seen];
}

/** Those that the server itself calls writing. */
async function writingAmong(commands: readonly string[]): Promise<readonly string[]> {
  const infos = (await world.raw.command('INFO', ...commands)) as [string, number, string[]][];
  expect(infos.every((info) => Array.isArray(info))).toBe(true);
  return infos.filter(([, , flags]) => flags.includes('write')).map(([name]) => name);
}

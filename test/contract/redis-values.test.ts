import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { textHash } from '../../src/model/text-token.ts';
import { ragApi } from '../../src/profiles/rag-api.ts';
import { redisStage } from '../../src/stages/redis.ts';
import type { RedisWriter } from '../../src/stores/redis/redis-store.ts';
import { kinds, RedisWorld, redisSettings } from '../support/redis-world.ts';
import { drain, planContext, total } from '../support/stage-context.ts';

const HOUR = 3_600_000;
/** By key, what it holds before and after a move; each value is there twice where nothing of it may change. */
const VALUES: readonly (readonly [rest: string, before: string, after?: string])[] = [
  ['plain', '{"tenant_id":"siraya"}', '{"tenant_id":"tenant_7"}'],
  [
    'python',
    '{"n": 1.50, "tenant_id" : "siraya", "about": "siraya"}',
    '{"n": 1.50, "tenant_id" : "tenant_7", "about": "siraya"}',
  ],
  ['escaped', '{"tenant_id":"\\u0073iraya","x":"é"}', '{"tenant_id":"tenant_7","x":"é"}'],
  ['other', '{"tenant_id":"siraya_eu"}'],
  ['nested', '{"a":{"tenant_id":"siraya"}}'],
  ['none', '{}'],
  ['empty', ''],
  ['text', 'siraya'],
  ['twice', '{"tenant_id":"siraya","tenant_id":"siraya"}'],
  ['mark', '\u{feff}{"tenant_id":"siraya"}'],
  ['torn', '{"tenant_id":"siraya"'],
];
const ODD = ['twice', 'mark', 'torn', 'text'];

let world: RedisWorld;
beforeAll(async () => {
  world = await RedisWorld.start();
});
afterAll(() => world.stop());
beforeEach(async () => {
  await world.connect(redisSettings(world.server.port));
  await world.reset();
  for (const [rest, before] of VALUES) await world.raw.set(`task:siraya:${rest}`, before, 'PX', HOUR);
  await world.raw.rpush('batch:siraya:list', '{"tenant_id":"siraya"}');
  await world.raw.set('task:siraya_eu:1', '{"tenant_id":"siraya"}');
  await world.raw.set('tenant:config:siraya', '{"tenant_id":"siraya"}');
  await world.raw.set('siraya_text_chunks:1', '{"tenant_id":"siraya"}');
});

const taskOf = (tenant: string, rest: string) => world.raw.get(`task:${tenant}:${rest}`);

async function expectMoved(): Promise<void> {
  for (const [rest, before, after = before] of VALUES)
    expect([rest, await taskOf('tenant_7', rest)]).toEqual([rest, after]);
}

describe.each(['script', 'transaction'] as const)('values rewritten by %s', (way) => {
  beforeEach(async () => {
    const scripts = way === 'script' ? [] : ['-@scripting'];
    await world.raw.acl('SETUSER', 'mover', 'reset', 'on', '>p', '+@all', ...scripts, '~*');
    await world.connect(redisSettings(world.server.port, { username: 'mover', password: 'p' }));
  });

  test.each(['counts', 'sample', 'full'] as const)(
    'name the target after a move, in their token alone, and the source after its undo; depth %s',
    async (verify) => {
      const before = await world.snapshot();
      expect(await world.preflight({ probe: true, verify })).toEqual([]);
      const plan = await world.plan({ verify });
      expect(plan.values).toContainEqual({ shape: 'task:siraya:…', field: 'tenant_id', count: 3, exact: true });
      const left = plan.notices.filter(({ kind }) => kind === 'value-left').flatMap(({ samples }) => samples ?? []);
      expect([...left].sort()).toEqual(ODD.map((rest) => `task:siraya:${rest}`).sort());
      expect(await world.snapshot()).toEqual(before);
      const applied = await world.apply(plan, { verify });
      expect([total(applied, 'moved'), total(applied, 'failed')]).toEqual([VALUES.length + 2, 0]);
      await expectMoved();
      expect(await world.raw.pexpiretime('task:tenant_7:plain')).toBe(
        Number(before['task:siraya:plain']?.split(' ')[1]),
      );
      expect(await world.differences(plan, { verify })).toEqual([]);
      expect(await world.raw.get('task:siraya_eu:1')).toBe('{"tenant_id":"siraya"}');
      expect(await world.raw.get('tenant:config:siraya')).toBe('{"tenant_id":"siraya"}');
      expect(total(await world.apply(plan, { verify }), 'moved')).toBe(0);
      // The application goes on: its newer value keeps all but the token.
      await world.raw.set('task:tenant_7:plain', '{"done":true,"tenant_id":"tenant_7"}', 'KEEPTTL');
      await world.undo(plan, { verify });
      expect(await taskOf('siraya', 'plain')).toBe('{"done":true,"tenant_id":"siraya"}');
      await world.raw.set('task:siraya:plain', '{"tenant_id":"siraya"}', 'KEEPTTL');
      expect(await world.snapshot()).toEqual(before);
      await world.undo(plan, { verify });
      expect(await world.snapshot()).toEqual(before);
    },
  );

  test('a writer between the look and the set keeps what it wrote, which is rewritten next', async () => {
    const key = 'task:siraya:plain';
    const [was, token] = [Buffer.from('"siraya"'), Buffer.from('"tenant_7"')];
    const item = { key, hash: textHash(Buffer.from('{"tenant_id":"siraya"}')), start: 13, end: 21, was, token };
    await world.raw.set(key, '{"tenant_id":"siraya","n":2}', 'KEEPTTL');
    expect(await world.store.replaceTokens([item, { ...item, key: 'task:absent' }])).toEqual(['changed', 'changed']);
    expect(await world.raw.get(key)).toBe('{"tenant_id":"siraya","n":2}');
    let writes = 0;
    const busy = overriding(world.store, async (items) => {
      writes += 1;
      const value = `{"n":${writes},"tenant_id":"siraya"}`;
      if (writes < 3) await world.raw.set('task:tenant_7:plain', value, 'KEEPTTL');
      return world.store.replaceTokens(items);
    });
    const plan = await world.plan();
    const ctx = await world.writing({});
    await drain(redisStage.apply(plan, { ...ctx, store: busy }));
    expect(await taskOf('tenant_7', 'plain')).toBe('{"n":2,"tenant_id":"tenant_7"}');
    await world.undo(plan);
    expect(await taskOf('siraya', 'plain')).toBe('{"n":2,"tenant_id":"siraya"}');
  });
});

/** The store with another way to replace. */
function overriding(store: RedisWriter, replaceTokens: RedisWriter['replaceTokens']): RedisWriter {
  return new Proxy(store, {
    get: (target, name) => {
      const member: unknown = name === 'replaceTokens' ? replaceTokens : Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

test('a value that is written with the source’s id again and again is a failed record, and verify finds it', async () => {
  const plan = await world.plan();
  const ctx = await world.writing({});
  let n = 0;
  const busy = overriding(world.store, async (items) => {
    n += 1;
    await world.raw.set('task:tenant_7:plain', `{"n":${n},"tenant_id":"siraya"}`, 'KEEPTTL');
    return world.store.replaceTokens(items);
  });
  expect(total(await drain(redisStage.apply(plan, { ...ctx, store: busy })), 'failed')).toBe(1);
  expect(world.events).toContainEqual(
    expect.objectContaining({ type: 'record-failed', record: 'task:tenant_7:plain' }),
  );
  const found = { kind: 'value-names-source', drainable: true, count: 1, samples: ['task:tenant_7:plain'] };
  expect(await world.differences(plan)).toContainEqual(expect.objectContaining(found));
});

test.each(['before it is logged', 'before it is sent', 'after it was sent'] as const)(
  'killed %s, a run is continued to the same end, and is taken back from there',
  async (moment) => {
    const before = await world.snapshot();
    const plan = await world.plan();
    const kill = new Error('killed');
    const ctx = await world.writing({});
    const append = async (entries: readonly { kind?: string }[]) => {
      if (moment === 'before it is logged' && entries[0]?.kind === 'values') throw kill;
      return ctx.undo.append(entries as never);
    };
    const store = overriding(world.store, async (items) => {
      if (moment === 'before it is sent') throw kill;
      await world.store.replaceTokens(items);
      throw kill;
    });
    const broken = { ...ctx, store, undo: { append, read: () => ctx.undo.read() } };
    const run = () => drain(redisStage.apply(plan, broken as never));
    await expect(run()).rejects.toThrow('killed');
    await world.undo(plan);
    expect(await world.snapshot()).toEqual(before);
    await expect(run()).rejects.toThrow('killed');
    await world.apply(await world.plan({ continuing: true }), { continuing: true });
    await expectMoved();
    expect(await world.differences(plan)).toEqual([]);
    await world.undo(plan);
    expect(await world.snapshot()).toEqual(before);
  },
);

test('a half-finished copy that names the source is put right, its sources go, and an undo is exact', async () => {
  const { raw } = world;
  await raw.copy('task:siraya:plain', 'task:tenant_7:plain');
  await raw.set(
    'task:tenant_7:python',
    (await taskOf('siraya', 'python'))?.replace('siraya', 'tenant_7') ?? '',
    'PX',
    HOUR,
  );
  await raw.pexpireat('task:tenant_7:python', await raw.pexpiretime('task:siraya:python'));
  await raw.set('task:tenant_7:own', '{"tenant_id":"siraya","own":1}');
  const before = await world.snapshot();
  const options = { merge: true };
  const plan = await world.plan(options);
  expect([plan.problems, plan.occupied, plan.mends]).toEqual([[], [2], 2]);
  await world.apply(plan, options);
  expect(kinds(await world.verify(plan, options))).toContain('pending-removal');
  await world.finalize(plan, options);
  expect(await world.differences(plan, options, 'finalized')).toEqual([]);
  await expectMoved();
  expect(await taskOf('tenant_7', 'own')).toBe('{"tenant_id":"tenant_7","own":1}');
  await world.undo(plan, options);
  expect(await world.snapshot()).toEqual(before);
});

test('with nothing left at the source, values that name it are work, and verify alone finds them', async () => {
  const plan = await world.plan();
  await world.apply(plan);
  await world.raw.set('task:tenant_7:plain', '{"tenant_id":"siraya"}');
  const again = await world.plan();
  expect([again.moves[0]?.found, again.mends]).toEqual([0, 1]);
  expect(kinds(await world.differences(again))).toEqual(['value-names-source']);
  await world.apply(again);
  expect(await taskOf('tenant_7', 'plain')).toBe('{"tenant_id":"tenant_7"}');
});

test('other values that mention the source are counted and left', async () => {
  await world.raw.hset('siraya:hash', 'x', 'of siraya, and of siraya_eu');
  await world.raw.hset('siraya:hash-2', 'x', 'of siraya_eu and my-siraya alone');
  const { notices } = await world.plan();
  const mentions = notices.filter(({ kind }) => kind === 'mentions');
  const told = mentions.map(({ where, count, samples }) => `${where} ${count} ${samples?.length}`);
  expect(told.sort()).toEqual(['batch:siraya:… 1 1', 'siraya:… 1 1', 'siraya_text_chunks:… 1 1', 'task:siraya:… 6 6']);
});

test('without fields keys are moved and values stay; a user without the rights is told before', async () => {
  world.profile = { ...ragApi, values: [] };
  const plan = await world.plan();
  await world.apply(plan);
  expect(await taskOf('tenant_7', 'plain')).toBe('{"tenant_id":"siraya"}');
  expect(await world.differences(plan)).toEqual([]);
  world.profile = undefined;
  const denied = async (...rules: string[]) => {
    await world.raw.acl('SETUSER', 'mover', 'reset', 'on', '>p', '+@all', ...rules, '~*');
    await world.connect(redisSettings(world.server.port, { username: 'mover', password: 'p' }));
    return world.preflight({ probe: true, verify: 'counts' });
  };
  for (const rules of [['-set'], ['-@scripting', '-watch'], ['-get'], ['-strlen']]) {
    const found = await denied(...rules);
    expect([rules, found]).toMatchObject([rules, [{ code: 'denied', fix: expect.stringContaining('--keep-values') }]]);
  }
});

test('a profile with a nested field of its own is followed, and a pointer names it', async () => {
  const template = 'job:{tenant}:*';
  world.profile = { ...ragApi, keyTemplates: [template], values: [{ template, field: '/meta/owner~1id' }] };
  world.moves = [{ source: 'café', target: '蕭"x' }];
  await world.raw.set('job:café:1', '{"meta": {"owner/id": "caf\\u00e9"}, "n": 1}');
  await world.raw.set('job:café:2', '{"meta": {"owner/id": "café"}, "n": 1}');
  const before = await world.snapshot();
  const plan = await redisStage.plan(world.moves, planContext(world.store, { profile: world.profile }));
  await world.apply(plan);
  expect(await world.raw.get('job:蕭"x:1')).toBe('{"meta": {"owner/id": "\\u856d\\"x"}, "n": 1}');
  expect(await world.raw.get('job:蕭"x:2')).toBe('{"meta": {"owner/id": "蕭\\"x"}, "n": 1}');
  expect(await world.differences(plan)).toEqual([]);
  await world.undo(plan);
  expect(await world.snapshot()).toEqual(before);
});

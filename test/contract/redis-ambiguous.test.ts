import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ragApi } from '../../src/profiles/rag-api.ts';
import type { StageOptions } from '../../src/stages/stage.ts';
import { kinds, RedisWorld, renamed } from '../support/redis-world.ts';

let world: RedisWorld;

beforeAll(async () => {
  world = await RedisWorld.start();
});
afterAll(() => world.stop());
beforeEach(() => world.reset());

const LOOSE = { ...ragApi, keyTemplates: [...ragApi.keyTemplates, '{tenant}_*'] };

async function given(...keys: string[]): Promise<void> {
  for (const key of keys) await world.raw.set(key, `value of ${key}`);
}

/** Plans, moves and verifies everything; the plan. */
async function moved(more: Partial<StageOptions>) {
  const options: Partial<StageOptions> = { verify: 'full', ...more };
  const plan = await world.plan(options);
  expect(plan.problems).toEqual([]);
  await world.apply(plan, options);
  expect(await world.differences(plan, options)).toEqual([]);
  return plan;
}

describe('a key that two known tenants could have', () => {
  const KEYS = ['siraya_text_chunks:1', 'siraya_text_chunks:2', 'siraya_full_docs:1', 'siraya:x'];

  test('is nobody’s but the most specific template’s as long as nothing tells of the other tenant', async () => {
    await given(...KEYS, 'siraya_eu_text_chunks:1', 'task:queue', 'task:siraya:1', 'text_chunks:1');
    const plan = await moved({});
    expect(plan.moves[0]?.found).toBe(5);
    expect(kinds(plan.notices)).not.toContain('ambiguous');
  });

  test.each([
    ['task:siraya_text_chunks:1', 'could be siraya_text_chunks’s as well'],
    ['tenant:config:siraya_text_chunks', 'could be'],
    ['siraya_text_chunks_doc_status:1', 'could be'],
    ['task:tenant_7_text_chunks:1', 'would become tenant_7_text_chunks’s'],
  ])('refuses the move once %s tells of it', async (witness, said) => {
    await given(...KEYS, witness);
    const before = await world.snapshot();
    const { problems } = await world.plan();
    expect(problems).toMatchObject([
      { code: 'ambiguous-keys', fix: expect.stringContaining('--ambiguous-keys claim') },
    ]);
    const [{ message } = { message: '' }] = problems;
    expect(message).toMatch(/^2 keys such as 'siraya_text_chunks:[12]' are siraya's under '\{tenant\}_text_chunks:\*'/);
    expect(message.replaceAll("'", '’')).toContain(said);
    expect(message).toContain(`is known by '${witness}'`);
    expect(await world.snapshot()).toEqual(before);
  });

  test('is moved where the operator claims it', async () => {
    await given(...KEYS, 'task:siraya_text_chunks:1');
    const before = await world.snapshot();
    const plan = await moved({ ambiguousKeys: 'claim' });
    expect(plan.notices.filter(({ kind }) => kind === 'ambiguous')).toMatchObject([{ count: 2 }]);
    const names = KEYS.map((key) => [key, key.replace('siraya', 'tenant_7')] as const);
    expect(await world.snapshot()).toEqual(renamed(before, new Map(names)));
    await world.undo(plan, { ambiguousKeys: 'claim' });
    expect(await world.snapshot()).toEqual(before);
  });

  test.each(['task:siraya_text_chunks:1', 'task:tenant_7_text_chunks:1'])(
    'stays where the operator leaves it to the tenant of %s, and is in nobody’s counts',
    async (witness) => {
      await given(...KEYS, witness);
      const before = await world.snapshot();
      const plan = await moved({ ambiguousKeys: 'leave' });
      expect(plan.moves[0]?.found).toBe(2);
      expect(plan.notices.filter(({ kind }) => kind === 'ambiguous')).toMatchObject([{ count: 2 }]);
      const names = ['siraya_full_docs:1', 'siraya:x'].map((key) => [key, key.replace('siraya', 'tenant_7')] as const);
      expect(await world.snapshot()).toEqual(renamed(before, new Map(names)));
      expect((await world.plan({ ambiguousKeys: 'leave' })).moves[0]).toMatchObject({ found: 0, atTarget: 2 });
      await world.undo(plan, { ambiguousKeys: 'leave' });
      expect(await world.snapshot()).toEqual(before);
    },
  );

  test('keeps its value where it is left, also where values of its template name their tenant', async () => {
    world.profile = { ...ragApi, values: [{ template: '{tenant}_text_chunks:*', field: 'tenant_id' }] };
    for (const tenant of ['siraya', 'tenant_7']) {
      await world.raw.set(`${tenant}_text_chunks:1`, '{"tenant_id":"siraya"}');
      await given(`task:${tenant}_text_chunks:1`);
    }
    const before = await world.snapshot();
    const plan = await moved({ ambiguousKeys: 'leave' });
    await world.finalize(plan, { ambiguousKeys: 'leave', continuing: true });
    expect(await world.snapshot()).toEqual(before);
  });

  test('is looked for under a template that claims the rest, also where the other tenant comes later in the scan', async () => {
    world.profile = LOOSE;
    const notes = Array.from({ length: 50 }, (_, i) => `siraya_eu_notes_${i}`);
    await given(...notes, 'siraya_plans', 'siraya_eu_text_chunks:1');
    const { problems } = await world.plan();
    expect(problems).toMatchObject([
      { code: 'ambiguous-keys', message: expect.stringMatching(/^50 keys .* siraya_eu's/) },
    ]);
    const plan = await moved({ ambiguousKeys: 'leave' });
    expect(plan.moves[0]?.found).toBe(1);
    const left = Object.keys(await world.snapshot()).sort();
    expect(left).toEqual([...notes, 'siraya_eu_text_chunks:1', 'tenant_7_plans'].sort());
  });
});

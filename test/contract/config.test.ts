import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  CONFIG,
  configWorld,
  GIVEN,
  LLM_KEY,
  LOOKS_EQUAL,
  MOVE,
  OPEN_CONFIG,
  SECRETS,
  SHORT_KEY,
  TOKEN,
} from '../support/config-world.ts';
import { total } from '../support/stage-context.ts';

const world = configWorld();
const { start, reader, stored, writes } = world;

describe('a config with secrets', () => {
  test('arrives with its real secrets, and the source stays', async () => {
    world.api.seed('siraya', CONFIG);
    const run = await start({ given: GIVEN });
    expect(run.plan.moves).toEqual([{ ...MOVE, found: 1, atTarget: 0 }]);
    expect(run.plan.problems).toEqual([]);
    expect(total(await run.apply(), 'moved')).toBe(1);
    expect(await run.verify()).toEqual([]);
    expect(await run.finalize()).toEqual([]);
    expect(await run.verify('finalized')).toEqual([]);
    expect(stored('tenant_76920508')).toEqual(CONFIG);
    expect(stored('siraya')).toEqual(CONFIG);
    expect(run.notes()).toEqual(['Source config found: siraya', 'Target config created']);
  });

  test('is refused with the names of its fields where no real values are given', async () => {
    world.api.seed('siraya', CONFIG);
    const run = await start();
    expect(run.plan.problems).toMatchObject([{ code: 'masked-secrets' }]);
    const [problem] = run.plan.problems;
    expect(problem?.message).toContain('llm_config.api_key, embedding_config.api_key, mineru_config.api_token');
    expect(problem?.fix).toContain('--config-secrets');
    expect(problem?.fix).toContain('--skip-config');
    // Even where somebody runs the plan in spite of that, no mask is written.
    await expect(run.apply()).rejects.toMatchObject({ code: 'refused' });
    expect(writes()).toEqual([]);
  });

  test('is refused where a given value is not the one in use, and where it names no secret', async () => {
    world.api.seed('siraya', CONFIG);
    const run = await start({ given: { ...GIVEN, llm_config: { api_key: 'sk-other-key-0000', model: 'x' } } });
    expect(run.plan.problems.map(({ code }) => code)).toEqual(['secret-mismatch', 'unknown-secret']);
    expect(inspect(run.plan)).not.toContain('sk-other');
    await expect(run.apply()).rejects.toMatchObject({ code: 'refused' });
    expect(writes()).toEqual([]);
  });

  test('shows no secret in plan, undo log, events, findings or errors', async () => {
    world.api.seed('siraya', CONFIG);
    const run = await start({ given: GIVEN, options: { deleteSourceConfig: true } });
    const said: unknown[] = [run.plan, await run.apply(), await run.verify(), await run.finalize()];
    world.api.fail({ method: 'PUT', path: /siraya/, kind: 'status', status: 400, body: detail(`bad key ${LLM_KEY}`) });
    said.push(await run.undo().catch((error: unknown) => error));
    world.api.fail({
      method: 'PUT',
      path: /siraya/,
      kind: 'status',
      status: 400,
      body: detail(`bad key ${LLM_KEY.slice(0, 12)}…`),
    });
    said.push(await run.undo().catch((error: unknown) => error));
    said.push(await run.undo(), run.events, await run.undoText());
    const text = said.map((part) => inspect(part, { depth: null }) + JSON.stringify(part)).join('\n');
    for (const secret of [...SECRETS, LLM_KEY.slice(0, 12)]) expect(text).not.toContain(secret);
    expect(JSON.stringify(run.plan)).not.toContain('gpt-4o');
  });
});

describe('running again', () => {
  test('a second apply sends nothing', async () => {
    world.api.seed('siraya', CONFIG);
    const run = await start({ given: GIVEN });
    await run.apply();
    world.api.clearRequests();
    expect(await run.apply()).toEqual([{ batch: 1, moved: 0, skipped: 1 }]);
    expect(writes()).toEqual([]);
  });

  test('apply and undo give the start, and apply once more the end', async () => {
    world.api.seed('siraya', CONFIG);
    const run = await start({ given: GIVEN });
    await run.apply();
    expect(total(await run.undo(), 'moved')).toBe(1);
    expect(stored('tenant_76920508')).toBeUndefined();
    expect(stored('siraya')).toEqual(CONFIG);
    expect(total(await run.undo(), 'moved')).toBe(0);
    await run.apply();
    expect(stored('tenant_76920508')).toEqual(CONFIG);
    expect(await run.verify()).toEqual([]);
  });

  test('the undo log holds the intent before anything is sent', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    const run = await start();
    const sent: number[] = [];
    await run.apply({ onUndo: () => void sent.push(writes().length) });
    expect(sent).toEqual([0]);
    expect(await run.undoText()).toBe('[1,[{"kind":"created","source":"siraya","target":"tenant_76920508"}]]\n');
  });

  test('undo before anything was written changes nothing', async () => {
    world.api.seed('siraya', CONFIG);
    const run = await start({ given: GIVEN });
    expect(await run.undo()).toEqual([]);
    expect(writes()).toEqual([]);
  });

  test('undo leaves a target that was changed since', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    const run = await start();
    await run.apply();
    const changed = { ...OPEN_CONFIG, llm_config: { model: 'newer' } };
    world.api.seed('tenant_76920508', changed);
    expect(total(await run.undo(), 'conflicts')).toBe(1);
    expect(stored('tenant_76920508')).toEqual(changed);
  });

  test('undo never deletes the last copy', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    const run = await start();
    await run.apply();
    await deleteByHand('siraya');
    expect(total(await run.undo(), 'conflicts')).toBe(1);
    expect(stored('tenant_76920508')).toEqual(OPEN_CONFIG);
  });

  test('apply refuses a source that changed after the plan', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    const run = await start();
    world.api.seed('siraya', { llm_config: { model: 'newer' } });
    await expect(run.apply()).rejects.toMatchObject({ code: 'stale-plan' });
    expect(writes()).toEqual([]);
  });

  test('a stopped run sends nothing more', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    const run = await start();
    const stopped = run.apply({ permit: () => Promise.reject(new Error('stopped')) });
    await expect(stopped).rejects.toThrow('stopped');
    expect(writes()).toEqual([]);
    expect(await run.undoText()).toBe('');
  });
});

describe('a target that has a config', () => {
  test('equal to the source is done', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    world.api.seed('tenant_76920508', OPEN_CONFIG);
    const run = await start();
    expect(run.plan).toMatchObject({ settled: true, problems: [], notices: [], moves: [{ found: 1, atTarget: 1 }] });
    expect(await run.apply()).toEqual([{ batch: 0, moved: 0, skipped: 1 }]);
    expect(await run.verify()).toEqual([]);
    await run.undo();
    expect(writes()).toEqual([]);
  });

  test('equal as far as masks show is done, with a notice that this proves nothing', async () => {
    world.api.seed('siraya', CONFIG);
    world.api.seed('tenant_76920508', LOOKS_EQUAL);
    const run = await start();
    expect(run.plan.problems).toEqual([]);
    expect(run.plan.notices).toMatchObject([
      {
        kind: 'secret-unproven',
        severity: 'notice',
        samples: ['llm_config.api_key', 'embedding_config.api_key', 'mineru_config.api_token'],
      },
    ]);
    await run.apply();
    expect(writes()).toEqual([]);
  });

  test('with other secrets behind equal masks gets the real values where they are given', async () => {
    world.api.seed('siraya', CONFIG);
    world.api.seed('tenant_76920508', LOOKS_EQUAL);
    const run = await start({ given: GIVEN });
    expect(run.plan).toMatchObject({ settled: false, problems: [], notices: [], configs: [{ action: 're-put' }] });
    expect(total(await run.apply(), 'moved')).toBe(1);
    expect(stored('tenant_76920508')).toEqual(CONFIG);
    await run.undo();
    expect(stored('tenant_76920508')).toEqual(CONFIG);
  });

  test('gets the sections alone whose secrets are all given', async () => {
    world.api.seed('siraya', CONFIG);
    world.api.seed('tenant_76920508', LOOKS_EQUAL);
    const run = await start({ given: { llm_config: { api_key: LLM_KEY } } });
    expect(run.plan.notices).toMatchObject([{ samples: ['embedding_config.api_key', 'mineru_config.api_token'] }]);
    await run.apply();
    expect(stored('tenant_76920508')).toEqual({ ...LOOKS_EQUAL, llm_config: CONFIG.llm_config });
  });

  test('with a difference is a conflict that names the sections', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    world.api.seed('tenant_76920508', {
      ...OPEN_CONFIG,
      llm_config: { model: 'own' },
      rerank_config: { enabled: true },
    });
    const run = await start();
    expect(run.plan.conflicts).toBe(1);
    expect(run.plan.problems).toMatchObject([{ code: 'conflict' }]);
    expect(run.plan.problems[0]?.message).toContain('llm_config, rerank_config');
    expect(await run.verify()).toMatchObject([{ kind: 'content', samples: ['llm_config', 'rerank_config'] }]);
  });

  test('with a difference is left and counted under skip', async () => {
    world.api.seed('siraya', CONFIG);
    world.api.seed('tenant_76920508', OPEN_CONFIG);
    const run = await start({ options: { onConflict: 'skip', deleteSourceConfig: true } });
    expect(run.plan).toMatchObject({ conflicts: 1, problems: [], notices: [{ kind: 'conflict' }] });
    expect(await run.apply()).toEqual([{ batch: 0, moved: 0, conflicts: 1 }]);
    expect(await run.verify()).toEqual([]);
    expect(await run.finalize()).toEqual([]);
    expect(writes()).toEqual([]);
  });

  test('that appears after the plan is not overwritten', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    const run = await start();
    const own = { llm_config: { model: 'own' } };
    world.api.seed('tenant_76920508', own);
    await expect(run.apply()).rejects.toMatchObject({ code: 'conflict' });
    expect(stored('tenant_76920508')).toEqual(own);
  });
});

describe('nothing to do', () => {
  test.each([
    { what: 'neither has a config', target: undefined, atTarget: 0 },
    { what: 'only the target has one', target: OPEN_CONFIG, atTarget: 1 },
  ])('where $what', async ({ target, atTarget }) => {
    if (target !== undefined) world.api.seed('tenant_76920508', target);
    const run = await start({ given: GIVEN, options: { deleteSourceConfig: true } });
    expect(run.plan).toMatchObject({ problems: [], moves: [{ ...MOVE, found: 0, atTarget }] });
    expect([...(await run.apply()), ...(await run.finalize()), ...(await run.undo())]).toEqual([]);
    expect(await run.verify('finalized')).toEqual([]);
    expect(writes()).toEqual([]);
  });

  test('where the record holds no section', async () => {
    world.api.seed('siraya', { llm_config: null });
    const run = await start();
    expect(run.plan).toMatchObject({ moves: [{ found: 0 }], notices: [{ kind: 'empty-config' }] });
    // Another API may leave its empty sections out.
    world.api.fail({ path: /siraya/, kind: 'status', status: 200, body: '{"tenant_id":"siraya"}' });
    expect((await start()).plan).toMatchObject({ moves: [{ found: 0 }], notices: [{ kind: 'empty-config' }] });
  });
});

describe('deleting the source', () => {
  test('happens in finalize, and undo puts it back with its secrets', async () => {
    world.api.seed('siraya', CONFIG);
    const run = await start({ given: GIVEN, options: { deleteSourceConfig: true } });
    await run.apply();
    expect(stored('siraya')).toEqual(CONFIG);
    expect(await run.verify('finalized')).toMatchObject([{ kind: 'left-behind' }]);
    await run.finalize();
    expect(stored('siraya')).toBeUndefined();
    expect(await run.verify('finalized')).toEqual([]);
    expect(await run.finalize()).toEqual([]);
    expect(await run.apply()).toEqual([{ batch: 1, moved: 0, skipped: 1 }]);
    await run.undo();
    expect(stored('siraya')).toEqual(CONFIG);
    expect(stored('tenant_76920508')).toBeUndefined();
  });

  test('needs secrets that the API shows, too, since the undo log must not hold them', async () => {
    const plain = { llm_config: { model: 'm', fallback: { password: 'plain-text-password' } } };
    world.api.seed('siraya', plain);
    const options = { deleteSourceConfig: true };
    expect((await start({ options })).plan.problems).toMatchObject([{ code: 'not-restorable' }]);
    const run = await start({ options, given: { llm_config: { fallback: { password: 'plain-text-password' } } } });
    expect(run.plan.problems).toEqual([]);
    await run.apply();
    await run.finalize();
    expect(await run.undoText()).not.toContain('plain-text-password');
    world.api.seed('tenant_76920508', { llm_config: { model: 'newer' } });
    await run.undo();
    expect(stored('siraya')).toEqual(plain);
    expect(stored('tenant_76920508')).toEqual({ llm_config: { model: 'newer' } });
  });

  test('is refused where it could not be restored', async () => {
    world.api.seed('siraya', CONFIG);
    world.api.seed('tenant_76920508', LOOKS_EQUAL);
    const run = await start({ options: { deleteSourceConfig: true } });
    expect(run.plan.problems).toMatchObject([{ code: 'not-restorable' }]);
    await expect(run.finalize()).rejects.toMatchObject({ code: 'refused' });
    expect(writes()).toEqual([]);
  });

  test('is refused where the target is no longer equal', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    const run = await start({ options: { deleteSourceConfig: true } });
    await run.apply();
    world.api.seed('tenant_76920508', { llm_config: { model: 'newer' } });
    await expect(run.finalize()).rejects.toMatchObject({ code: 'conflict' });
    expect(stored('siraya')).toEqual(OPEN_CONFIG);
  });

  test('is undone loudly or not at all where the secrets are not given any more', async () => {
    world.api.seed('siraya', CONFIG);
    const run = await start({ given: GIVEN, options: { deleteSourceConfig: true } });
    await run.apply();
    await run.finalize();
    await expect(run.undo({})).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('llm_config.api_key'),
    });
    expect(stored('siraya')).toBeUndefined();
    expect(stored('tenant_76920508')).toEqual(CONFIG);
  });
});

describe('verify', () => {
  test('names what is missing and what differs', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    const run = await start();
    expect(await run.verify()).toMatchObject([{ kind: 'missing', severity: 'difference' }]);
    world.api.seed('tenant_76920508', { ...OPEN_CONFIG, custom_prompts: { summary: 'other' } });
    expect(await run.verify()).toMatchObject([{ kind: 'content', samples: ['custom_prompts'] }]);
  });

  test('notices a config that came after the plan', async () => {
    const run = await start();
    world.api.seed('siraya', OPEN_CONFIG);
    expect(await run.verify()).toMatchObject([{ kind: 'left-behind' }]);
  });
});

test('several moves take their secrets by tenant and report each', async () => {
  const moves = [
    { source: 'a', target: 'a2' },
    { source: 'b', target: 'b2' },
    { source: 'c', target: 'c2' },
  ];
  world.api.seed('a', { llm_config: { api_key: SHORT_KEY } });
  world.api.seed('b', { llm_config: { api_key: LLM_KEY } });
  const flat = await start({ moves, given: { llm_config: { api_key: SHORT_KEY } } });
  expect(flat.plan.problems.map(({ code }) => code)).toEqual(['unknown-secret', 'masked-secrets', 'masked-secrets']);
  const given = { a: { llm_config: { api_key: SHORT_KEY } }, b: { llm_config: { api_key: LLM_KEY } } };
  const run = await start({ moves, given });
  expect(run.plan.problems).toEqual([]);
  expect(run.plan.moves.map(({ found }) => found)).toEqual([1, 1, 0]);
  expect(total(await run.apply(), 'moved')).toBe(2);
  expect(stored('a2')).toEqual({ llm_config: { api_key: SHORT_KEY } });
  expect(stored('b2')).toEqual({ llm_config: { api_key: LLM_KEY } });
  expect(await run.verify()).toEqual([]);
});

test('planning and verifying send no writing request, and a reader has no way to', async () => {
  world.api.seed('siraya', CONFIG);
  const run = await start({ given: GIVEN, options: { deleteSourceConfig: true } });
  await run.verify();
  expect(new Set(world.api.requests.map(({ method }) => method))).toEqual(new Set(['GET']));
  expect(await reader()).not.toHaveProperty('put');
});

async function deleteByHand(id: string): Promise<void> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const reply = await fetch(`${world.api.url}/tenants/${id}/config`, { method: 'DELETE', headers });
  expect(reply.ok).toBe(true);
}

function detail(text: string): string {
  return JSON.stringify({ detail: text });
}

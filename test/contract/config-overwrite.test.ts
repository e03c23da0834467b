import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { Sections } from '../support/config-api-stand-in.ts';
import { CONFIG, configWorld, GIVEN, LLM_KEY, MOVE, OPEN_CONFIG, SECRETS, TOKEN } from '../support/config-world.ts';
import { total } from '../support/stage-context.ts';

const world = configWorld();
const { start, stored, writes } = world;

const TARGET = MOVE.target;
const OWN_KEY = 'sk-own-9876543210-zyxw';
const KEY = 'a passphrase of the test';
/** Differs in two sections; one is the target's alone. */
const OWN: Sections = {
  ...CONFIG,
  llm_config: { model: 'own', api_key: OWN_KEY },
  rerank_config: { enabled: true },
};
const BOTH = { siraya: GIVEN, [TARGET]: { llm_config: { api_key: OWN_KEY } } };
const overwrite = { onConflict: 'overwrite' as const };
/** The API shows a section that is null and one that is absent alike. */
const sectionsOf = (id: string): Sections =>
  Object.fromEntries(Object.entries(stored(id) ?? {}).filter(([, section]) => section !== null));

describe('overwriting a target that differs', () => {
  test('makes it the source’s, and undo gives back exactly what was there', async () => {
    world.api.seed('siraya', CONFIG);
    world.api.seed(TARGET, OWN);
    const run = await start({ given: BOTH, options: overwrite });
    expect(run.plan).toMatchObject({ problems: [], conflicts: 1, settled: false, configs: [{ action: 'overwrite' }] });
    expect(run.plan.notices).toMatchObject([{ kind: 'overwrites', samples: ['llm_config', 'rerank_config'] }]);
    expect(total(await run.apply(), 'moved')).toBe(1);
    expect(sectionsOf(TARGET)).toEqual(CONFIG);
    expect([...(await run.verify()), ...(await run.verify('finalized'))]).toEqual([]);

    expect(total(await run.undo(), 'moved')).toBe(1);
    expect(sectionsOf(TARGET)).toEqual(OWN);
    expect(stored('siraya')).toEqual(CONFIG);
    world.api.clearRequests();
    expect(total(await run.undo(), 'moved')).toBe(0);
    expect(writes()).toEqual([]);
  });

  test('adds a section that only the source has, and undo takes it away again', async () => {
    const own = { llm_config: { model: 'own' } };
    world.api.seed('siraya', { ...OPEN_CONFIG, ...own });
    world.api.seed(TARGET, own);
    const run = await start({ options: overwrite });
    await run.apply();
    expect(sectionsOf(TARGET)).toEqual({ ...OPEN_CONFIG, ...own });
    await run.undo();
    expect(sectionsOf(TARGET)).toEqual(own);
    await run.apply();
    await removed(TARGET);
    expect(total(await run.undo(), 'conflicts')).toBeGreaterThan(0);
    expect(stored(TARGET)).toBeUndefined();
  });

  test('of several moves takes each end’s secrets by its id', async () => {
    const other = { source: 'beta', target: 'beta_2' };
    world.api.seed('siraya', CONFIG);
    world.api.seed(TARGET, OWN);
    world.api.seed('beta', { llm_config: { model: 'b', api_key: 'sk-beta-0123456789-beta' } });
    world.api.seed('beta_2', { llm_config: { model: 'c', api_key: 'sk-gamma-0123456789-gamm' } });
    const given = {
      ...BOTH,
      beta: { llm_config: { api_key: 'sk-beta-0123456789-beta' } },
      beta_2: { llm_config: { api_key: 'sk-gamma-0123456789-gamm' } },
    };
    const run = await start({ moves: [MOVE, other], given, key: KEY, options: overwrite });
    expect(run.plan.problems).toEqual([]);
    expect(total(await run.apply(), 'moved')).toBe(2);
    expect([sectionsOf(TARGET), sectionsOf('beta_2')]).toEqual([CONFIG, stored('beta')]);
    await run.undo({ key: KEY });
    expect(sectionsOf(TARGET)).toEqual(OWN);
    expect(stored('beta_2')).toEqual({ llm_config: { model: 'c', api_key: 'sk-gamma-0123456789-gamm' } });
  });

  test('a second apply, and a second run, change nothing more', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    world.api.seed(TARGET, { ...OPEN_CONFIG, rerank_config: { enabled: true } });
    const run = await start({ options: overwrite });
    await run.apply();
    world.api.clearRequests();
    expect(await run.apply()).toEqual([{ batch: 1, moved: 0, skipped: 1 }]);
    expect((await start({ options: overwrite })).plan).toMatchObject({ settled: true, conflicts: 0, notices: [] });
    expect(writes()).toEqual([]);
  });

  test('writes only what differs, so that it needs only the secrets of that', async () => {
    world.api.seed('siraya', CONFIG);
    world.api.seed(TARGET, { ...CONFIG, custom_prompts: { summary: 'own' } });
    const run = await start({ options: overwrite });
    expect(run.plan.problems).toEqual([]);
    expect(run.plan.notices.map(({ kind }) => kind)).toEqual(['overwrites', 'secret-unproven']);
    await run.apply();
    expect(writes().map(({ body }) => Object.keys(JSON.parse(body ?? '')))).toEqual([['custom_prompts']]);
    expect(stored(TARGET)).toEqual(CONFIG);
    await run.undo();
    expect(stored(TARGET)).toEqual({ ...CONFIG, custom_prompts: { summary: 'own' } });
  });

  test('is refused before any write where the target’s secrets are not known', async () => {
    world.api.seed('siraya', CONFIG);
    world.api.seed(TARGET, OWN);
    for (const key of [undefined, KEY]) {
      const run = await start({ given: GIVEN, options: overwrite, ...(key === undefined ? {} : { key }) });
      expect(run.plan.problems).toMatchObject([{ code: 'not-restorable' }]);
      const [problem] = run.plan.problems;
      expect(problem?.message).toContain('llm_config.api_key');
      expect(problem?.fix).toMatch(new RegExp(`${TARGET}.*--config-secrets.*--skip-config`));
      await expect(run.apply()).rejects.toMatchObject({ code: 'refused' });
    }
    const source = await start({ given: { [TARGET]: BOTH[TARGET]! }, options: overwrite });
    expect(source.plan.problems).toMatchObject([{ code: 'masked-secrets' }]);
    const wrong = await start({
      given: { siraya: GIVEN, [TARGET]: { llm_config: { api_key: 'sk-another-one' }, mineru_config: { x: 'y' } } },
      options: overwrite,
    });
    expect(wrong.plan.problems.map(({ code }) => code)).toEqual([
      'secret-mismatch',
      'unknown-secret',
      'not-restorable',
    ]);
    expect(writes()).toEqual([]);
  });

  test('leaves alone a target that changed after the plan', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    world.api.seed(TARGET, { llm_config: { model: 'own' } });
    const run = await start({ options: overwrite });
    const newer = { llm_config: { model: 'newer' } };
    world.api.seed(TARGET, newer);
    await expect(run.apply()).rejects.toMatchObject({ code: 'stale-plan' });
    expect(stored(TARGET)).toEqual(newer);
    // One that came to be after the plan was never looked at.
    world.api.reset();
    world.api.seed('siraya', OPEN_CONFIG);
    const other = await start({ options: overwrite });
    world.api.seed(TARGET, newer);
    await expect(other.apply()).rejects.toMatchObject({ code: 'conflict' });
    expect(stored(TARGET)).toEqual(newer);
  });
});

describe('undo of an overwritten target', () => {
  const overwritten = async (options: { key?: string } = {}) => {
    world.api.seed('siraya', CONFIG);
    world.api.seed(TARGET, OWN);
    const run = await start({ given: BOTH, options: overwrite, ...options });
    await run.apply();
    return run;
  };

  test('leaves it where somebody changed it since', async () => {
    const run = await overwritten();
    const newer = { ...CONFIG, llm_config: { model: 'newer' } };
    world.api.seed(TARGET, newer);
    expect(total(await run.undo(), 'conflicts')).toBe(1);
    expect(stored(TARGET)).toEqual(newer);
    await removed(TARGET);
    expect(total(await run.undo(), 'conflicts')).toBe(1);
    expect(stored(TARGET)).toBeUndefined();
  });

  test('keeps the last copy where somebody deleted the source', async () => {
    const run = await overwritten();
    await removed('siraya');
    expect(total(await run.undo(), 'conflicts')).toBe(1);
    expect(sectionsOf(TARGET)).toEqual(CONFIG);
  });

  test('needs the secrets once more where no key sealed them, and says so', async () => {
    const run = await overwritten();
    expect(run.plan.notices[0]?.message).toContain('ENCRYPTION_KEY');
    await expect(run.undo({ key: KEY })).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('llm_config.api_key'),
      next: expect.stringMatching(/ENCRYPTION_KEY.*--config-secrets/),
    });
    expect(sectionsOf(TARGET)).toEqual(CONFIG);
    await run.undo({ given: BOTH });
    expect(sectionsOf(TARGET)).toEqual(OWN);
  });

  test('needs only the key where it was given', async () => {
    const run = await overwritten({ key: KEY });
    expect(run.plan.notices[0]?.message).not.toContain('ENCRYPTION_KEY');
    await expect(run.undo({ key: 'another key of the test' })).rejects.toMatchObject({ code: 'settings' });
    await expect(run.undo({})).rejects.toMatchObject({ code: 'refused' });
    expect(sectionsOf(TARGET)).toEqual(CONFIG);
    await run.undo({ key: KEY });
    expect(sectionsOf(TARGET)).toEqual(OWN);
  });

  test('finds no secret in the open: neither in the plan nor in the log nor in what was said', async () => {
    const open = { ...OWN, custom_prompts: { notes: 'x', password: 'shown-by-the-api' } };
    world.api.seed('siraya', CONFIG);
    world.api.seed(TARGET, open);
    const run = await start({ given: BOTH, key: KEY, options: { ...overwrite, deleteSourceConfig: true } });
    const said: unknown[] = [run.plan, await run.apply(), await run.finalize(), await run.undoText()];
    const bytes = Buffer.byteLength(await run.undoText());
    expect(run.plan.undoBytes).toBeGreaterThan(bytes);
    expect(run.plan.undoBytes).toBeLessThan(bytes + 5_000);
    said.push(await run.undo({ key: KEY }), run.events);
    expect([sectionsOf(TARGET), stored('siraya')]).toEqual([open, CONFIG]);
    const text = said.map((part) => inspect(part, { depth: null }) + JSON.stringify(part)).join('\n');
    for (const secret of [...SECRETS, OWN_KEY, 'shown-by-the-api', KEY]) expect(text).not.toContain(secret);
  });

  test('refuses a secret that the API shows where neither key nor value is given', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    world.api.seed(TARGET, { llm_config: { fallback: { password: 'shown-by-the-api' } } });
    expect((await start({ options: overwrite })).plan.problems).toMatchObject([{ code: 'not-restorable' }]);
    expect((await start({ options: overwrite, key: KEY })).plan.problems).toEqual([]);
  });
});

describe('a run that is killed while it overwrites', () => {
  test('between log and PUT: both ways are open', async () => {
    world.api.seed('siraya', CONFIG);
    world.api.seed(TARGET, OWN);
    const run = await start({ given: BOTH, options: overwrite });
    const killed = () => {
      throw new Error('killed');
    };
    await expect(run.apply({ onUndo: killed })).rejects.toThrow('killed');
    expect(writes()).toEqual([]);
    expect(total(await run.undo(), 'skipped')).toBe(2);
    expect(stored(TARGET)).toEqual(OWN);
    await run.apply();
    expect(sectionsOf(TARGET)).toEqual(CONFIG);
    await run.undo();
    expect(sectionsOf(TARGET)).toEqual(OWN);
  });

  test.each([
    { what: 'before the PUT', kind: 'cut-before' as const, puts: 2 },
    { what: 'after it', kind: 'cut-after' as const, puts: 1 },
    { what: 'or gets a 500 after it was carried out', kind: 'status-after' as const, puts: 1 },
  ])('and loses the connection $what: looks first', async ({ kind, puts }) => {
    world.api.seed('siraya', CONFIG);
    world.api.seed(TARGET, OWN);
    const run = await start({ given: BOTH, options: overwrite });
    world.api.fail({ method: 'PUT', path: /config$/, kind });
    expect(total(await run.apply(), 'moved')).toBe(1);
    expect(sectionsOf(TARGET)).toEqual(CONFIG);
    expect(writes()).toHaveLength(puts);
    expect(looksAfterPut()).toBeGreaterThan(0);
    world.api.clearRequests();
    world.api.fail({ method: 'PUT', path: /config$/, kind });
    expect(total(await run.undo(), 'moved')).toBe(1);
    expect(sectionsOf(TARGET)).toEqual(OWN);
    expect(writes()).toHaveLength(puts);
    expect(looksAfterPut()).toBeGreaterThan(0);
  });
});

describe('deleting the source with a key', () => {
  test('is undone without the secrets file', async () => {
    world.api.seed('siraya', { ...CONFIG, rerank_config: { password: 'shown-by-the-api' } });
    const run = await start({ given: GIVEN, key: KEY, options: { deleteSourceConfig: true } });
    expect(run.plan.problems).toEqual([]);
    await run.apply();
    await run.finalize();
    expect(stored('siraya')).toBeUndefined();
    world.api.seed(TARGET, { llm_config: { model: 'newer' } });
    expect(await run.undoText()).not.toContain('shown-by-the-api');
    await run.undo({ key: KEY });
    expect(stored('siraya')).toEqual({ ...CONFIG, rerank_config: { password: 'shown-by-the-api' } });
  });

  test('still needs what the API masks', async () => {
    world.api.seed('siraya', CONFIG);
    world.api.seed(TARGET, CONFIG);
    const given = { llm_config: { api_key: LLM_KEY } };
    const run = await start({ given, key: KEY, options: { deleteSourceConfig: true } });
    expect(run.plan.problems).toMatchObject([{ code: 'not-restorable' }]);
    expect(run.plan.problems[0]?.message).not.toContain('llm_config');
  });
});

/** Requests that look at the target once something was sent to it. */
function looksAfterPut(): number {
  const first = world.api.requests.findIndex(({ method }) => method === 'PUT');
  return world.api.requests.slice(first).filter(({ method }) => method === 'GET').length;
}

async function removed(id: string): Promise<void> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  await fetch(`${world.api.url}/tenants/${id}/config`, { method: 'DELETE', headers });
}

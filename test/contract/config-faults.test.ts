import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { MigrateError } from '../../src/model/errors.ts';
import { configStage } from '../../src/stages/config.ts';
import { openConfigReader } from '../../src/stores/config-api/config-api.ts';
import { CONFIG, configWorld, GIVEN, LOOKS_EQUAL, OPEN_CONFIG, TOKEN } from '../support/config-world.ts';
import { planContext, total } from '../support/stage-context.ts';

const world = configWorld();
const { start, preflight, reader, settingsOf, stored, writes } = world;

describe('a lost connection', () => {
  test.each(['cut-before', 'cut-after'] as const)('%s the PUT ends in one effective write', async (kind) => {
    world.api.seed('siraya', CONFIG);
    const run = await start({ given: GIVEN });
    world.api.fail({ method: 'PUT', path: /config$/, kind });
    expect(total(await run.apply(), 'moved')).toBe(1);
    expect(stored('tenant_76920508')).toEqual(CONFIG);
    expect(writes()).toHaveLength(kind === 'cut-before' ? 2 : 1);
    // After the lost reply it looked before it did anything else.
    const puts = world.api.requests.findIndex(({ method }) => method === 'PUT');
    expect(world.api.requests[puts + 1]?.method).toBe('GET');
  });

  test.each(['cut-before', 'cut-after'] as const)('%s each PUT of three still ends in the truth', async (kind) => {
    world.api.seed('siraya', OPEN_CONFIG);
    const run = await start();
    world.api.fail({ method: 'PUT', path: /config$/, kind, times: 3 });
    if (kind === 'cut-after') {
      await run.apply();
      expect(writes()).toHaveLength(1);
    } else {
      await expect(run.apply()).rejects.toMatchObject({ code: 'unreachable' });
      expect(writes()).toHaveLength(3);
      expect(stored('tenant_76920508')).toBeUndefined();
      await run.apply();
    }
    expect(stored('tenant_76920508')).toEqual(OPEN_CONFIG);
    await run.undo();
    expect(stored('tenant_76920508')).toBeUndefined();
  });

  test('after the last try is looked into, too', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    const run = await start();
    world.api.fail({ method: 'PUT', path: /config$/, kind: 'cut-before', times: 2 });
    world.api.fail({ method: 'PUT', path: /config$/, kind: 'cut-after' });
    expect(total(await run.apply(), 'moved')).toBe(1);
    expect(stored('tenant_76920508')).toEqual(OPEN_CONFIG);
  });

  test('before a re-put is no reason to take equal masks for success', async () => {
    world.api.seed('siraya', CONFIG);
    world.api.seed('tenant_76920508', LOOKS_EQUAL);
    const run = await start({ given: GIVEN });
    world.api.fail({ method: 'PUT', path: /config$/, kind: 'cut-before' });
    await run.apply();
    expect(stored('tenant_76920508')).toEqual(CONFIG);
  });

  test.each(['cut-before', 'cut-after'] as const)('%s the DELETE ends with the config gone', async (kind) => {
    world.api.seed('siraya', OPEN_CONFIG);
    const run = await start({ options: { deleteSourceConfig: true } });
    await run.apply();
    world.api.fail({ method: 'DELETE', path: /config$/, kind });
    await run.finalize();
    expect(stored('siraya')).toBeUndefined();
    expect(stored('tenant_76920508')).toEqual(OPEN_CONFIG);
  });

  test('or a 503 for a PUT that was carried out is looked into, not replayed', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    const run = await start();
    world.api.fail({ method: 'PUT', path: /config$/, kind: 'status', status: 503 });
    await run.apply({ onUndo: () => world.api.seed('tenant_76920508', OPEN_CONFIG) });
    expect(writes()).toHaveLength(1);
    expect(stored('tenant_76920508')).toEqual(OPEN_CONFIG);
  });

  test('or a 500 for a PUT that was carried out is looked into, not replayed', async () => {
    world.api.seed('siraya', CONFIG);
    const run = await start({ given: GIVEN });
    world.api.fail({ method: 'PUT', path: /config$/, kind: 'status-after', body: detail('boom') });
    expect(total(await run.apply(), 'moved')).toBe(1);
    expect(writes()).toHaveLength(1);
    expect(stored('tenant_76920508')).toEqual(CONFIG);
    world.api.clearRequests();
    world.api.fail({ method: 'DELETE', path: /config$/, kind: 'status-after' });
    expect(total(await run.undo(), 'moved')).toBe(1);
    expect(writes()).toHaveLength(1);
    expect(stored('tenant_76920508')).toBeUndefined();
  });

  test('or a 500 for a PUT that was not carried out is looked into and sent once more', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    const run = await start();
    world.api.fail({ method: 'PUT', path: /config$/, kind: 'status', status: 500 });
    expect(total(await run.apply(), 'moved')).toBe(1);
    expect(writes()).toHaveLength(2);
    expect(stored('tenant_76920508')).toEqual(OPEN_CONFIG);
  });

  test('of a slow PUT, given up before its reply, is looked into until it has arrived', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    const run = await start({ settings: { timeoutMs: 300 } });
    world.api.fail({ method: 'PUT', path: /config$/, kind: 'delay', ms: 450 });
    expect(total(await run.apply(), 'moved')).toBe(1);
    expect(stored('tenant_76920508')).toEqual(OPEN_CONFIG);
    const [put, look] = world.api.requests.slice(world.api.requests.findIndex(({ write }) => write));
    expect([put?.method, look?.method]).toEqual(['PUT', 'GET']);
    expect(await run.verify()).toEqual([]);
  });

  test('to an API that is away for longer ends the run; the same again finishes it', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    const run = await start();
    world.api.fail({ path: /config$/, kind: 'status', status: 503, times: Number.POSITIVE_INFINITY });
    await expect(run.apply()).rejects.toMatchObject({ code: 'unreachable', retryable: true });
    expect(writes()).toEqual([]);
    world.api.clearFailures();
    expect(total(await run.apply(), 'moved')).toBe(1);
  });

  test('is not repeated into somebody else’s config', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    const run = await start();
    const own = { llm_config: { model: 'own' } };
    world.api.fail({ method: 'PUT', path: /config$/, kind: 'cut-before' });
    await expect(run.apply({ onUndo: () => world.api.seed('tenant_76920508', own) })).rejects.toMatchObject({
      code: 'conflict',
    });
    expect(writes()).toHaveLength(1);
    expect(stored('tenant_76920508')).toEqual(own);
  });
});

describe('before it goes on from a broken process', () => {
  test('the stage waits as long as a request may be under way, and says so', async () => {
    const run = await start({ options: { settleMs: 300 } });
    const began = performance.now();
    await run.quiesce();
    expect(performance.now() - began).toBeGreaterThan(290);
    expect(run.notes().at(-1)).toMatch(/^Waiting 0\.3 s .*--settle/);
  });

  test('a stop ends the waiting with its own reason', async () => {
    const run = await start({ options: { settleMs: 60_000 } });
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('stopped by SIGINT')), 50);
    await expect(run.quiesce(stop.signal)).rejects.toThrow('stopped by SIGINT');
    await expect(run.quiesce(stop.signal)).rejects.toThrow('stopped by SIGINT');
  });
});

describe('an API that cannot be used', () => {
  const cases = [
    {
      what: '401',
      rule: { status: 401, body: detail('Invalid token') },
      code: 'unauthorised',
      says: ': Invalid token',
    },
    { what: '403', rule: { status: 403, body: '{}' }, code: 'unauthorised', says: '403' },
    { what: 'a foreign 404', rule: { status: 404, body: detail('Not Found') }, code: 'missing', says: 'Not Found' },
    {
      what: 'a 404 for another tenant',
      rule: { status: 404, body: '{"detail":{"tenant_id":"other"}}' },
      code: 'missing',
      says: '404',
    },
    { what: 'an HTML 404', rule: { status: 404, body: '<h1>404</h1>' }, code: 'missing', says: '404' },
    {
      what: 'an HTML page',
      rule: { status: 200, body: '<html>Sign in</html>' },
      code: 'store',
      says: 'not a JSON object',
    },
    {
      what: 'other JSON',
      rule: { status: 200, body: '{"status":"ok"}' },
      code: 'store',
      says: "not a tenant's config",
    },
    {
      what: 'another tenant',
      rule: { status: 200, body: '{"tenant_id":"other"}' },
      code: 'store',
      says: 'another tenant',
    },
    { what: 'a redirect', rule: { status: 307, headers: { location: '/x' } }, code: 'missing', says: 'redirect' },
    { what: '500', rule: { status: 500, body: detail('boom') }, code: 'store', says: ': boom' },
    { what: '503', rule: { status: 503 }, code: 'unreachable', says: '503' },
    { what: 'cut connections', rule: { kind: 'cut-before' as const }, code: 'unreachable', says: 'does not answer' },
    {
      what: 'no reply',
      rule: { kind: 'delay' as const, ms: 3000 },
      code: 'unreachable',
      says: 'no reply within 200 ms',
    },
    {
      what: 'a number beyond JavaScript',
      rule: { status: 200, body: '{"tenant_id":"siraya","llm_config":{"seed":9007199254740993}}' },
      code: 'unsupported',
      says: 'number',
    },
  ];

  test.each(cases)('$what: says so, names the way out and writes nothing', async ({ rule, code, says }) => {
    world.api.seed('siraya', OPEN_CONFIG);
    world.api.fail({ kind: 'status', ...rule, path: /siraya/, times: Number.POSITIVE_INFINITY });
    const settings = { timeoutMs: 200 };
    const problems = await preflight(settings);
    expect(problems).toMatchObject([{ stage: 'config', code }]);
    expect(problems[0]?.message).toContain(says);
    expect(problems[0]?.fix).toContain('--skip-config');
    await expect(start({ settings })).rejects.toMatchObject({ code });
    expect(writes()).toEqual([]);
    expect(inspect(problems)).not.toContain(TOKEN);
  });

  test('down: says so', async () => {
    const url = world.api.url;
    await world.api.close();
    const problems = await preflight({ url });
    expect(problems).toMatchObject([{ code: 'unreachable', message: expect.stringContaining('ECONNREFUSED') }]);
  });

  test('with a wrong path or a wrong token: says so', async () => {
    expect(await preflight({ path: '/v2/{tenant}' })).toMatchObject([{ code: 'missing' }]);
    const problems = await preflight({ token: 'another-token' });
    expect(problems).toMatchObject([{ code: 'unauthorised', fix: expect.stringContaining('API_TOKEN') }]);
  });

  test('for a moment: is asked again', async () => {
    world.api.seed('siraya', OPEN_CONFIG);
    const retries: string[] = [];
    world.api.fail({ path: /siraya/, kind: 'status', status: 503, headers: { 'retry-after': '0' } });
    world.api.fail({ path: /siraya/, kind: 'cut-before' });
    world.api.fail({ path: /tenant_/, kind: 'status', status: 500 });
    expect(await preflight({ onRetry: ({ reason }) => void retries.push(reason) })).toEqual([]);
    expect(retries).toEqual(['status 503', expect.any(String), 'status 500']);
  });

  test.each([
    { url: 'not an address' },
    { url: 'ftp://host/' },
    { url: 'http://user:sk-in-url@host/' },
    { path: '/tenants/config' },
    { token: 'sk-in-url\n' },
  ])('because of its settings: refuses them without showing them (%#)', async (settings) => {
    const error: MigrateError = await openConfigReader(settingsOf(settings)).then(
      () => expect.unreachable(),
      (thrown) => thrown,
    );
    expect(error.code).toBe('settings');
    expect(inspect(error)).not.toContain('sk-in-url');
  });
});

describe('tenant ids', () => {
  test.each(['a/b', 'a?b=c', 'a#b', '100%', '%2e%2e', 'two words', '繁體中文', '🦊', "it's", 'a$&b', '...', 'q"<>'])(
    '%s reaches its own config and no other',
    async (id) => {
      world.api.seed(id, OPEN_CONFIG);
      world.api.seed('a', { llm_config: { model: 'of another tenant' } });
      const there = await start({ moves: [{ source: id, target: `${id}-new` }] });
      await there.apply();
      expect(stored(`${id}-new`)).toEqual(OPEN_CONFIG);
      const back = await start({ moves: [{ source: `${id}-new`, target: `${id}/2` }] });
      await back.apply();
      expect(stored(`${id}/2`)).toEqual(OPEN_CONFIG);
      await back.undo();
      await there.undo();
      expect([stored(`${id}-new`), stored(`${id}/2`)]).toEqual([undefined, undefined]);
      expect(stored(id)).toEqual(OPEN_CONFIG);
    },
  );

  test.each(['.', '..'])('%s is refused, since a URL cannot hold it', async (id) => {
    const problems = await configStage(undefined).preflight(
      [{ source: 'siraya', target: id }],
      planContext(await reader()),
    );
    expect(problems).toMatchObject([{ code: 'tenant-id' }]);
    expect(world.api.requests).toEqual([]);
  });
});

test('a base address with a path of its own is respected', async () => {
  world.api.seed('siraya', OPEN_CONFIG);
  await preflight({ url: `${world.api.url}/gateway/` });
  expect(world.api.requests[0]?.path).toBe('/gateway/tenants/siraya/config');
});

function detail(text: string): string {
  return JSON.stringify({ detail: text });
}

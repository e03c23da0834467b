import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { RedisServer } from '../../scripts/services/redis.ts';
import { ragApi } from '../../src/profiles/rag-api.ts';
import { pickSections } from '../../src/stages/config/record.ts';
import type { StageOptions } from '../../src/stages/stage.ts';
import { openDatabases } from '../../src/stores/redis/redis-databases.ts';
import { openRedisReader } from '../../src/stores/redis/redis-store.ts';
import { RedisRecords } from '../../src/wire/redis-records.ts';
import { type ConfigApiStandIn, startConfigApiStandIn } from '../support/config-api-stand-in.ts';
import { configWorld, LLM_KEY, type StartOptions } from '../support/config-world.ts';
import { freshRedis } from '../support/redis-server.ts';
import { redisSettings } from '../support/redis-world.ts';

/** The real values of `config-world`, but for the short one, whose mask shows nothing. */
const SHOWN = {
  llm_config: { model: 'gpt-4o', api_key: LLM_KEY },
  mineru_config: { api_token: 'mineru-9876543210-wxyz', pages: [1] },
};
const record = (tenant: string, sections: object = SHOWN) =>
  JSON.stringify({ tenant_id: tenant, ...sections, created_at: 'x', updated_at: 'y' });
const [SOURCE, TARGET] = ['tenant:config:siraya', 'tenant:config:tenant_76920508'];

let server: RedisServer;
let redis: Redis;
let api: ConfigApiStandIn;
let records: RedisRecords;
let told: string[];
const world = configWorld();

beforeAll(async () => {
  server = await freshRedis([]);
  redis = new Redis(server.url, { protocol: 2 });
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(async () => {
  await redis.flushall();
  await redis.set(SOURCE, record('siraya'));
  told = [];
  records = new RedisRecords(
    ['tenant:config:{tenant}'],
    () => openDatabases([redisSettings(server.port)], openRedisReader),
    (text) => told.push(text),
  );
  api = await startConfigApiStandIn({ redisUrl: server.url });
});
afterEach(async () => {
  await records.close();
  await api.close();
});

const start = (more: StartOptions = {}) =>
  world.start({
    records,
    ...more,
    settings: { url: api.url, refreshPath: '/tenants/{tenant}/config/refresh', ...more.settings },
  });
const parsed = async (key: string) => JSON.parse((await redis.get(key)) ?? 'null');
const codes = (run: Awaited<ReturnType<typeof start>>) => run.plan.problems.map(({ code }) => code);

test('masked secrets come from the application’s own record, the server is refreshed, and no secret is written down', async () => {
  const run = await start();
  expect(run.plan.problems).toEqual([]);
  await run.apply();
  expect(await parsed(TARGET)).toMatchObject({ tenant_id: 'tenant_76920508', ...SHOWN });
  // The cache still held "no config": only the refresh shows what was written.
  expect(await run.verify()).toEqual([]);
  const refreshed = api.requests.filter(({ path }) => path.endsWith('/refresh'));
  expect(refreshed.map(({ path }) => path)).toEqual(['/tenants/tenant_76920508/config/refresh']);
  const all = JSON.stringify([run.plan, run.events]) + (await run.undoText());
  for (const secret of [LLM_KEY, SHOWN.mineru_config.api_token]) expect(all).not.toContain(secret);
  // Refreshed by a second attempt too, whose first one may have been stopped in between.
  await run.apply();
  await redis.set(
    TARGET,
    record('tenant_76920508', { ...SHOWN, llm_config: { ...SHOWN.llm_config, api_key: 'sk-other-1-cdef' } }),
  );
  expect(await run.verify()).toMatchObject([{ kind: 'content', samples: ['llm_config.api_key'] }]);
  await redis.set(TARGET, record('tenant_76920508'));
  await run.undo();
  expect(await redis.exists(TARGET)).toBe(0);
  expect(await parsed(SOURCE)).toMatchObject(SHOWN);
});

test.each<[string, () => Promise<unknown>]>([
  ['is another tenant’s', () => redis.set(SOURCE, record('other'))],
  ['is not there', () => redis.del(SOURCE)],
  ['is no JSON', () => redis.set(SOURCE, record('siraya').slice(1))],
  ['is no string', () => redis.multi().del(SOURCE).hset(SOURCE, 'tenant_id', 'siraya').exec()],
  [
    'has a value that the mask does not fit',
    () => redis.set(SOURCE, record('siraya').replace(LLM_KEY, 'sk-live-another-value')),
  ],
  ['differs beside the secret', () => redis.set(SOURCE, record('siraya').replace('gpt-4o', 'gpt-5'))],
])('a record that %s fills nothing', async (_, change) => {
  // The server answers from its cache what it read before.
  await (await start()).verify();
  await change();
  expect(codes(await start())).toEqual(['masked-secrets']);
});

test('a bare mask proves nothing: its value comes from the operator alone, and both sources are joined', async () => {
  await redis.set(SOURCE, record('siraya', { ...SHOWN, embedding_config: { api_key: 'tiny-pw' } }));
  const refused = await start();
  expect(refused.plan.problems).toMatchObject([
    { code: 'masked-secrets', message: expect.stringContaining('embedding_config.api_key of siraya') },
  ]);
  const run = await start({ given: { embedding_config: { api_key: 'tiny-pw' } } });
  await run.apply();
  expect(await parsed(TARGET)).toMatchObject({ ...SHOWN, embedding_config: { api_key: 'tiny-pw' } });
  const wrong = { llm_config: { api_key: 'sk-live-wrong-but-cdef' }, embedding_config: { api_key: 'tiny-pw' } };
  expect(codes(await start({ given: wrong }))).toContain('secret-mismatch');
});

test('equal masks are proven equal by the records of both ends, or written once more, or a conflict', async () => {
  await redis.set(TARGET, record('tenant_76920508'));
  const equal = await start();
  expect([equal.plan.configs[0]?.action, equal.plan.notices, equal.plan.settled]).toEqual(['leave', [], true]);
  // As a copy through the API leaves it: the mask instead of the secret.
  const copied = { ...SHOWN, llm_config: { ...SHOWN.llm_config, api_key: 'sk-*****cdef' } };
  await redis.set(TARGET, record('tenant_76920508', copied));
  await api.close();
  api = await startConfigApiStandIn({ redisUrl: server.url });
  const mended = await start();
  expect(mended.plan.configs[0]?.action).toBe('re-put');
  await mended.apply();
  expect(await parsed(TARGET)).toMatchObject(SHOWN);
  const other = { ...SHOWN, llm_config: { ...SHOWN.llm_config, api_key: 'sk-of-its-own-cdef' } };
  await redis.set(TARGET, record('tenant_76920508', other));
  expect(codes(await start())).toEqual(['conflict']);
});

test('a record of the source alone does not have an equal target written again', async () => {
  world.api.seed('siraya', SHOWN);
  world.api.seed('tenant_76920508', SHOWN);
  const run = await world.start({ records });
  expect([run.plan.configs[0]?.action, run.plan.settled]).toEqual(['leave', true]);
  expect(run.plan.notices).toMatchObject([
    { kind: 'secret-unproven', samples: ['llm_config.api_key', 'mineru_config.api_token'] },
  ]);
});

test('a deleted source comes back with its secrets: sealed in the log, or from the record that the target has', async () => {
  const options = { deleteSourceConfig: true };
  expect(codes(await start({ options }))).toEqual(['not-restorable']);
  for (const gone of [false, true]) {
    const run = await start({ options, key: 'a key of the test' });
    expect(run.plan.problems).toEqual([]);
    await run.apply();
    await run.finalize();
    expect(await redis.exists(SOURCE)).toBe(0);
    if (gone) await redis.set(TARGET, record('tenant_76920508').replace(LLM_KEY, 'sk-***cdef'));
    await run.undo(gone ? { key: 'a key of the test' } : {});
    expect(await parsed(SOURCE)).toMatchObject({ tenant_id: 'siraya', ...SHOWN });
  }
});

test('a server without refresh is told of, and one whose refresh fails fails the run', async () => {
  const without = await start({ settings: { refreshPath: '/tenants/{tenant}/no-such-thing' } });
  await without.apply();
  expect(without.notes()).toContainEqual(expect.stringContaining('no way to refresh tenant_76920508'));
  await without.undo();
  const failing = await start();
  api.fail({ path: /refresh/, kind: 'status', status: 500, times: Number.POSITIVE_INFINITY });
  await expect(failing.apply()).rejects.toMatchObject({ code: 'store', message: expect.stringContaining('refresh') });
  api.clearFailures();
  await failing.apply();
  expect(await failing.verify()).toEqual([]);
});

test.each<['apply' | 'finalize', Partial<StageOptions>]>([
  ['apply', {}],
  ['apply', { onConflict: 'overwrite' }],
  ['finalize', { deleteSourceConfig: true }],
])(
  'what %s wrote with %o is taken back though its refresh failed and the cache does not show it',
  async (step, options) => {
    if (options.onConflict !== undefined)
      await redis.set(TARGET, record('tenant_76920508', { llm_config: { model: 'old' } }));
    const [source, target] = [await parsed(SOURCE), await parsed(TARGET)];
    const run = await start({ options, key: 'a key of the test' });
    if (step === 'finalize') await run.apply();
    api.fail({ path: /refresh/, kind: 'status', status: 500, times: Number.POSITIVE_INFINITY });
    await expect(run[step]()).rejects.toMatchObject({ code: 'store' });
    api.clearFailures();
    await run.undo();
    const shown = async (key: string) => pickSections((await parsed(key)) ?? {}, ragApi);
    expect(await shown(SOURCE)).toEqual(pickSections(source, ragApi));
    expect(await shown(TARGET)).toEqual(pickSections(target ?? {}, ragApi));
  },
);

test('a deletion that ended before its refresh is seen by the next attempt, which has no record to log', async () => {
  const run = await start({ options: { deleteSourceConfig: true }, key: 'a key of the test' });
  await run.apply();
  api.fail({ path: /siraya.config/, method: 'DELETE', kind: 'status-after', status: 400 });
  await expect(run.finalize()).rejects.toMatchObject({ code: 'store' });
  expect(await redis.exists(SOURCE)).toBe(0);
  await run.finalize();
  expect(await run.verify('finalized')).toEqual([]);
});

test('Redis that cannot be asked leaves the secrets to the operator', async () => {
  const away = new RedisRecords(
    ['tenant:config:{tenant}'],
    () => openDatabases([redisSettings(1, { connectTimeoutMs: 300 })], openRedisReader),
    (text) => told.push(text),
  );
  expect(codes(await start({ records: away }))).toEqual(['masked-secrets']);
  expect(told).toMatchObject([expect.stringContaining('cannot be read')]);
  await away.close();
});

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, expect, inject, test } from 'vitest';
import { openConfigReader } from '../../src/stores/config-api/config-api.ts';
import { openGraphReader } from '../../src/stores/graph/graph-store.ts';
import { openQdrantReader } from '../../src/stores/qdrant/qdrant-store.ts';
import { openRedisReader } from '../../src/stores/redis/redis-store.ts';
import type { RetryRule } from '../../src/stores/retry-rule.ts';
import { startConfigApiStandIn } from '../support/config-api-stand-in.ts';
import { startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { freshRedis } from '../support/redis-server.ts';
import { redisSettings } from '../support/redis-world.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const forever = Number.POSITIVE_INFINITY;
const closing: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Each wait is within a quarter of what the rule says. */
function expectWaits(retries: readonly { readonly delayMs: number }[], { delayMs, backoff }: RetryRule): void {
  for (const [index, retry] of retries.entries()) {
    expect(retry.delayMs).toBeGreaterThanOrEqual(Math.floor(0.75 * delayMs * backoff ** index));
    expect(retry.delayMs).toBeLessThanOrEqual(Math.ceil(1.25 * delayMs * backoff ** index));
  }
}

function ruled(retry: RetryRule) {
  const told: { readonly attempt: number; readonly delayMs: number; readonly reason: string }[] = [];
  return { told, settings: { retry, onRetry: (one: (typeof told)[number]) => void told.push(one) } };
}

async function configApi(retry: RetryRule) {
  const api = await startConfigApiStandIn();
  const { told, settings } = ruled(retry);
  const about = { url: api.url, path: '/tenants/{tenant}/config', method: 'PUT', timeoutMs: 5_000 } as const;
  const reader = await openConfigReader({ ...about, ...settings });
  closing.push(
    () => api.close(),
    () => reader.close(),
  );
  return { api, told, reader };
}

async function qdrant(retry: RetryRule) {
  const standIn = await startQdrantStandIn();
  const { told, settings } = ruled(retry);
  const reader = await openQdrantReader({ url: standIn.url, timeoutMs: 5_000, ...settings });
  closing.push(
    () => standIn.close(),
    () => reader.close(),
  );
  return { standIn, told, reader };
}

test.each([
  { retries: 3, delayMs: 20, backoff: 3 },
  { retries: 1, delayMs: 100, backoff: 1 },
  { retries: 0, delayMs: 100, backoff: 2 },
])('a failing HTTP store is asked again $retries times, each wait $backoff times the one before', async (rule) => {
  const config = await configApi(rule);
  config.api.fail({ path: /config/, kind: 'status', status: 503, times: forever });
  await expect(config.reader.get('siraya')).rejects.toThrow(/503/);
  expect(config.api.requests.length).toBe(rule.retries + 1);
  const points = await qdrant(rule);
  points.standIn.fail({ path: /collections/, kind: 'status', status: 502, times: forever });
  await expect(points.reader.collection('c')).rejects.toThrow(/502/);
  expect(points.standIn.requests.length).toBe(rule.retries + 1);
  for (const { told } of [config, points]) {
    expect(told.map(({ attempt }) => attempt)).toEqual(Array.from({ length: rule.retries }, (_, index) => index + 1));
    expectWaits(told, rule);
  }
});

test('a wait that the server asks for wins over the rule', async () => {
  const rule = { retries: 1, delayMs: 10, backoff: 2 };
  const busy = { kind: 'status', status: 429, headers: { 'retry-after': '1' }, times: 1 } as const;
  const config = await configApi(rule);
  config.api.fail({ path: /config/, ...busy });
  const points = await qdrant(rule);
  points.standIn.fail({ path: /collections/, ...busy });
  await Promise.all([
    config.reader.get('siraya'),
    expect(points.reader.collection('c')).rejects.toMatchObject({ code: expect.stringMatching(/./) }),
  ]);
  expect(config.told.map(({ delayMs }) => delayMs)).toEqual([1_000]);
  expect(points.told.map(({ delayMs }) => delayMs)).toEqual([1_000]);
});

test('a lost connection to Redis is made again as often as the rule says', async () => {
  const server = await freshRedis();
  const proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: server.port } });
  const rule = { retries: 2, delayMs: 30, backoff: 2 };
  const { told, settings } = ruled(rule);
  const reader = await openRedisReader(redisSettings(proxy.port, settings));
  closing.push(
    () => server.stop(),
    () => proxy.close(),
    () => reader.close(),
  );
  await proxy.refuse(true);
  proxy.cutAll();
  await expect(reader.exist(['a'])).rejects.toThrow(/after 3 tries/);
  expect(told.length).toBe(2);
  expectWaits(told, rule);
});

const graphUrl = inject('graphUrl');

test.skipIf(graphUrl === '')('a lost connection to the graph, too', async () => {
  const { hostname, port } = new URL(graphUrl);
  const proxy = await startTcpProxy({ target: { host: hostname, port: Number(port) } });
  const rule = { retries: 2, delayMs: 30, backoff: 2 };
  const { told, settings } = ruled(rule);
  const reader = await openGraphReader({
    url: `bolt://127.0.0.1:${proxy.port}`,
    username: inject('graphUsername'),
    password: inject('graphPassword'),
    connectTimeoutMs: 2_000,
    ...settings,
  });
  closing.push(
    () => proxy.close(),
    () => reader.close(),
  );
  await proxy.refuse(true);
  proxy.cutAll();
  await expect(reader.counts([['nobody']])).rejects.toThrow();
  expect(told.length).toBe(2);
  expectWaits(told, rule);
});

test('a graph whose connection breaks within the first answer is one that is not reached', async () => {
  const torn = createServer((socket) => {
    socket.once('data', () => socket.end(Buffer.from([0, 0])));
    socket.on('error', () => socket.destroy());
  });
  torn.listen(0, '127.0.0.1');
  await once(torn, 'listening');
  closing.push(() => torn.close());
  const { port } = torn.address() as AddressInfo;
  const opening = openGraphReader({ url: `bolt://127.0.0.1:${port}`, connectTimeoutMs: 2_000 });
  await expect(opening).rejects.toMatchObject({ name: 'MigrateError', code: 'unreachable', retryable: true });
});

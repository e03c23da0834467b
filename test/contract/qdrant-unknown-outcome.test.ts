import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stopReason } from '../../src/model/errors.ts';
import type { QdrantWriter, RetryInfo } from '../../src/stores/qdrant/qdrant-reader.ts';
import { openQdrantWriter } from '../../src/stores/qdrant/qdrant-store.ts';
import { type QdrantStandIn, startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { chunkId, FIELD, makeTenants, type Tenants } from '../support/qdrant-tenants.ts';
import { QdrantWorld } from '../support/qdrant-world.ts';

const PAYLOAD = /\/points\/payload/;
const FOREVER = Number.POSITIVE_INFINITY;

let standIn: QdrantStandIn;
let world: QdrantWorld;
let tenants: Tenants;
let retries: RetryInfo[];
let writers: QdrantWriter[];

beforeEach(async () => {
  standIn = await startQdrantStandIn();
  world = new QdrantWorld(standIn.url);
  tenants = await makeTenants(world);
  retries = [];
  writers = [];
  standIn.clearRequests();
});

afterEach(async () => {
  standIn.releaseUpdates();
  await Promise.all(writers.map((writer) => writer.close()));
  await standIn.close();
});

describe('a write whose outcome is unknown', () => {
  it.each([
    ['timed out in the queue and is done later', { kind: 'trouble', trouble: 'late', ms: 150 }],
    ['was done by one shard of two', { kind: 'trouble', trouble: 'half' }],
    ['lost its connection before it arrived', { kind: 'cut-before' }],
    ['lost its connection after it was done', { kind: 'cut-after' }],
    ['got half of its reply', { kind: 'cut-half' }],
  ] as const)('because it %s is done when the call returns', async (_why, rule) => {
    const writer = await open();
    standIn.fail({ path: PAYLOAD, ...rule });
    await move(writer, 40);
    expect(await countOf(tenants.move.target)).toBe(40);
    expect(retries).toHaveLength(1);
  });

  it('is not repeated where a look shows that it is done', async () => {
    const writer = await open();
    standIn.fail({ path: PAYLOAD, kind: 'cut-after', times: FOREVER });
    await move(writer, 40);
    expect(payloadWrites()).toBe(1);
  });

  it('is not repeated while the server has it in its queue', async () => {
    const writer = await open({ timeoutMs: 300 });
    standIn.holdUpdates();
    await expect(move(writer, 40)).rejects.toMatchObject({
      code: 'store',
      retryable: true,
      message: expect.stringContaining(`1 updates of ${tenants.chunks}`),
      next: expect.stringContaining('update queue'),
    });
    expect(payloadWrites()).toBe(1);
  });

  it('and that comes out of the queue in time is done', async () => {
    const writer = await open({ timeoutMs: 400 });
    standIn.holdUpdates();
    const moved = move(writer, 40);
    await sleep(600);
    standIn.releaseUpdates();
    await moved;
    expect(await countOf(tenants.move.target)).toBe(40);
  });

  it('is given up after three tries, and says that the same command goes on', async () => {
    const writer = await open();
    standIn.fail({ path: PAYLOAD, kind: 'status', status: 408, body: '{"status":{"error":"slow"}}', times: FOREVER });
    await expect(move(writer, 40)).rejects.toMatchObject({
      code: 'store',
      retryable: true,
      message: expect.stringContaining(`could not set ${FIELD} in ${tenants.chunks}: HTTP 408`),
      next: expect.stringContaining('type the same command again'),
    });
    expect(payloadWrites()).toBe(3);
  });

  it.each(['createTenantIndex', 'deleteIndex'] as const)(
    'of an index (%s) is repeated until it completes',
    async (change) => {
      const writer = await open();
      standIn.fail({ path: /\/index/, kind: 'trouble', trouble: 'late', ms: 100 });
      await writer[change](change === 'deleteIndex' ? tenants.chunks : tenants.named, FIELD);
      const schema = (await world.state(change === 'deleteIndex' ? tenants.chunks : tenants.named)).schema;
      expect(Object.keys(schema as object)).toEqual(change === 'deleteIndex' ? [] : [FIELD]);
      expect(retries).toHaveLength(1);
    },
  );
});

describe('a run that is told to stop', () => {
  it('does not wait for the rate limit to its end, and sends nothing more', async () => {
    const stop = new AbortController();
    const writer = (await open()).stoppedBy(stop.signal);
    const headers = { 'retry-after': '60' };
    standIn.fail({
      path: /./,
      kind: 'status',
      status: 429,
      headers,
      body: '{"status":{"error":"slow"}}',
      times: FOREVER,
    });
    const calls = [move(writer, 40), writer.count({ collection: tenants.chunks }), writer.collections()];
    const ended = Promise.all(calls.map((call) => expect(call).rejects.toThrow('stopped by SIGINT')));
    await sleep(150);
    const [sent, started] = [standIn.requests.length, performance.now()];
    stop.abort(stopReason('SIGINT'));
    await ended;
    expect(performance.now() - started).toBeLessThan(500);
    expect([sent, standIn.requests.length]).toEqual([3, 3]);
  });

  it('does not wait for the update queue', async () => {
    const stop = new AbortController();
    const writer = (await open()).stoppedBy(stop.signal);
    standIn.fail({ path: PAYLOAD, kind: 'trouble', trouble: 'late' });
    standIn.holdUpdates();
    const moved = expect(move(writer, 40)).rejects.toThrow('stopped by SIGINT');
    await sleep(500);
    stop.abort(stopReason('SIGINT'));
    await moved;
  });

  it('finishes the request that is under way', async () => {
    const stop = new AbortController();
    const writer = (await open()).stoppedBy(stop.signal);
    standIn.fail({ path: PAYLOAD, kind: 'delay', ms: 150 });
    const moved = move(writer, 40);
    await sleep(50);
    stop.abort(stopReason('SIGINT'));
    await moved;
    expect(await countOf(tenants.move.target)).toBe(40);
  });
});

describe('a write that no waiting lets in', () => {
  const overBudget =
    '{"status":{"error":"Rate limiting exceeded: Write rate limit exceeded, request larger than rate limiter capacity, please try to split your request"}}';

  it('because it costs more than a minute allows is split', async () => {
    const writer = await open();
    standIn.fail({ path: PAYLOAD, kind: 'status', status: 429, body: overBudget, times: 2 });
    await move(writer, 41);
    expect(await countOf(tenants.move.target)).toBe(41);
    // 41 refused, 21 refused, 11, 10, 20.
    expect([payloadWrites(), retries]).toEqual([5, []]);
  });

  it('is split under the rate limit of a real collection, too', async () => {
    await world.send('PATCH', `/collections/${tenants.chunks}`, {
      strict_mode_config: { enabled: true, write_rate_limit: 119 },
    });
    await move(await open(), 120);
    expect(await countOf(tenants.move.target)).toBe(120);
  });

  it('and is one point is an error that names the limit', async () => {
    const writer = await open();
    standIn.fail({ path: PAYLOAD, kind: 'status', status: 429, body: overBudget, times: FOREVER });
    await expect(move(writer, 1)).rejects.toMatchObject({ code: 'store', next: expect.stringContaining('rate limit') });
  });

  it.each([
    [
      'a full disk',
      500,
      'No space left on device: WAL buffer size exceeds available disk space',
      'store',
      'free space',
    ],
    ['a lock', 403, 'Forbidden: Locked', 'denied', 'unlock the server'],
    ['a key that may only read', 403, 'Forbidden: Global manage access is required', 'denied', 'QDRANT_API_KEY'],
    ['a missing key', 401, 'Must provide an API key', 'unauthorised', 'QDRANT_API_KEY'],
  ])('for %s is an error at once that says what to do', async (_why, status, error, code, next) => {
    const writer = await open();
    standIn.fail({
      path: PAYLOAD,
      kind: 'status',
      status,
      body: JSON.stringify({ status: { error } }),
      times: FOREVER,
    });
    await expect(move(writer, 40)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(`could not set ${FIELD} in ${tenants.chunks}`),
      next: expect.stringContaining(next),
    });
    expect([payloadWrites(), retries]).toEqual([1, []]);
  });
});

describe('a server that says it is not available', () => {
  const body = '{"status":{"error":"the shard has no active replica"}}';

  it('is asked again for longer than a failure that may pass', async () => {
    const writer = await open();
    standIn.fail({ path: PAYLOAD, kind: 'status', status: 503, body, times: 4 });
    await move(writer, 40);
    expect(await countOf(tenants.move.target)).toBe(40);
  });

  it('only by the page of a proxy fails after three tries', async () => {
    const writer = await open();
    const headers = { 'content-type': 'text/html' };
    standIn.fail({ path: PAYLOAD, kind: 'status', status: 503, body: '<html>', headers, times: FOREVER });
    await expect(move(writer, 40)).rejects.toMatchObject({ code: 'unreachable', retryable: true });
    expect(payloadWrites()).toBe(3);
  });

  it('and stays so fails when the time for a request is over', async () => {
    const writer = await open({ timeoutMs: 300 });
    standIn.fail({ path: PAYLOAD, kind: 'status', status: 503, body, times: FOREVER });
    const started = performance.now();
    await expect(move(writer, 40)).rejects.toMatchObject({ code: 'unreachable', retryable: true });
    expect(performance.now() - started).toBeLessThan(3_000);
  });
});

async function open({ timeoutMs = 5_000 } = {}): Promise<QdrantWriter> {
  const writer = await openQdrantWriter({ url: standIn.url, timeoutMs, onRetry: (info) => retries.push(info) });
  writers.push(writer);
  return writer;
}

function move(writer: QdrantWriter, points: number): Promise<void> {
  const ids = Array.from({ length: points }, (_, index) => chunkId(index));
  const match = { field: FIELD, value: tenants.move.source };
  return writer.setField({ collection: tenants.chunks, ids, match, to: tenants.move.target });
}

async function countOf(tenant: string): Promise<number> {
  const filter = { must: [{ key: FIELD, match: { value: tenant } }] };
  const text = await world.send('POST', `/collections/${tenants.chunks}/points/count`, { filter, exact: true });
  return (JSON.parse(text) as { readonly result: { readonly count: number } }).result.count;
}

function payloadWrites(): number {
  return standIn.requests.filter(({ path }) => PAYLOAD.test(path)).length;
}

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generic } from '../../src/profiles/generic.ts';
import { qdrantStage } from '../../src/stages/qdrant.ts';
import type { UndoPort } from '../../src/stages/stage.ts';
import type { QdrantWriter, RetryInfo } from '../../src/stores/qdrant/qdrant-reader.ts';
import { openQdrantReader, openQdrantWriter } from '../../src/stores/qdrant/qdrant-store.ts';
import { type QdrantStandIn, startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import {
  chunkId,
  FIELD,
  loggedContext,
  makeTenants,
  planOf,
  type Tenants,
  wholeMove,
} from '../support/qdrant-tenants.ts';
import { pointsOf, QdrantWorld, withField } from '../support/qdrant-world.ts';
import { drain, planContext } from '../support/stage-context.ts';

// Faults are made by the simulated server; nothing here can be asked of a real one.
let standIn: QdrantStandIn;
let world: QdrantWorld;
let tenants: Tenants;
let writer: QdrantWriter;
let retries: RetryInfo[];

beforeEach(async () => {
  standIn = await startQdrantStandIn();
  world = new QdrantWorld(standIn.url);
  tenants = await makeTenants(world);
  // Its own: what an ended test left under way may still tell of a retry.
  const own: RetryInfo[] = [];
  retries = own;
  writer = await openQdrantWriter({ url: standIn.url, timeoutMs: 5_000, onRetry: (info) => own.push(info) });
  standIn.clearRequests();
});

afterEach(async () => {
  await writer.close();
  await standIn.close();
});

/** One request of each kind that a whole move sends. */
const steps = {
  version: { method: 'GET', path: /^\/$/ },
  list: { method: 'GET', path: /^\/collections$/ },
  describe: { method: 'GET', path: /^\/collections\/[^/]+$/ },
  count: { path: /\/points\/count/ },
  facet: { path: /\/facet$/ },
  scroll: { path: /\/points\/scroll/ },
  retrieve: { path: /\/points$/ },
  index: { path: /\/index/ },
  'set payload': { path: /\/points\/payload/ },
} as const;

const named = Object.entries(steps).map(([step, rule]) => ({ step, rule }));

describe.each(named)('a connection lost at "$step"', ({ rule }) => {
  it.each(['cut-before', 'cut-after'] as const)(
    '(%s) changes nothing in the end, and undo gives back the start',
    async (kind) => {
      const before = await world.states();
      standIn.fail({ ...rule, kind, skip: 1 });
      standIn.fail({ ...rule, kind });
      const { findings, undo } = await wholeMove(writer, tenants.move, { batchSize: 50 });
      expect(findings).toEqual([]);
      expect(retries.length).toBeGreaterThan(0);
      standIn.clearFailures();
      expect(pointsOf(await world.states())).toEqual(withField(before, FIELD, tenants.move));
      standIn.fail({ ...rule, kind });
      await undo();
      standIn.clearFailures();
      expect(await world.states()).toEqual(before);
    },
  );
});

describe('an answer that passes by itself', () => {
  it.each([408, 500, 502, 503, 504])('%i is asked twice again', async (status) => {
    for (const rule of [steps.count, steps['set payload']]) {
      standIn.fail({ ...rule, kind: 'status', status, body: '{"status":{"error":"busy"}}', times: 2 });
    }
    const { findings } = await wholeMove(writer, tenants.move);
    expect(findings).toEqual([]);
    expect(retries.map(({ reason }) => reason)).toEqual(Array(4).fill(`HTTP ${status}`));
  });

  it('is asked again at every step', async () => {
    for (const rule of Object.values(steps)) standIn.fail({ ...rule, kind: 'status', status: 503 });
    const { findings } = await wholeMove(writer, tenants.move);
    expect(findings).toEqual([]);
    expect(retries).toHaveLength(Object.keys(steps).length);
  });

  it.each(['count', 'describe', 'set payload'] as const)(
    '429 at "%s" waits as long as the server says',
    async (step) => {
      const headers = { 'retry-after': '1' };
      const body = '{"status":{"error":"Rate limiting exceeded"}}';
      standIn.fail({ ...steps[step], kind: 'status', status: 429, headers, body });
      const { findings } = await wholeMove(writer, tenants.move);
      expect(findings).toEqual([]);
      expect(retries).toEqual([{ attempt: 1, delayMs: 1_000, reason: 'HTTP 429' }]);
    },
  );
});

describe('a server that stays away', () => {
  it('fails the batch as retryable; the next apply ends as if nothing had been', async () => {
    const before = await world.states();
    const plan = await planOf(writer, tenants.move);
    standIn.fail({ path: /\/points\/payload/, kind: 'cut-after', skip: 2, times: Number.POSITIVE_INFINITY });
    // Two collections are counted at the start; later counts are looks at what became of a write.
    standIn.fail({ path: /\/points\/count/, kind: 'cut-before', skip: 2, times: Number.POSITIVE_INFINITY });
    const ctx = await loggedContext(writer, { options: { batchSize: 20 } });
    await expect(drain(qdrantStage.apply(plan, ctx))).rejects.toMatchObject({ code: 'unreachable', retryable: true });
    standIn.clearFailures();
    await drain(qdrantStage.apply(plan, ctx));
    expect(await qdrantStage.verify(plan, 'applied', ctx)).toEqual([]);
    await drain(qdrantStage.undo(plan, ctx));
    expect(await world.states()).toEqual(before);
  });

  it('is a problem of the preflight that names the flags', async () => {
    await standIn.close();
    const problems = await qdrantStage.preflight([tenants.move], planContext(writer));
    expect(problems).toEqual([
      expect.objectContaining({ code: 'unreachable', fix: expect.stringMatching(/--qdrant-url.*--skip-qdrant/) }),
    ]);
    standIn = await startQdrantStandIn();
  });

  it('that is only slow runs into the time-out', async () => {
    const hasty = await openQdrantReader({ url: standIn.url, timeoutMs: 50 });
    standIn.setLatency(150);
    await expect(hasty.count({ collection: tenants.chunks })).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('no answer in time'),
    });
    await hasty.close();
  });
});

describe('a write that is only queued', () => {
  const body = '{"result":{"operation_id":7,"status":"acknowledged"},"status":"ok","time":0}';

  it('is looked after until it is done', async () => {
    standIn.fail({ path: /\/points\/payload/, kind: 'status', status: 200, body });
    const match = { field: FIELD, value: tenants.move.source };
    const written = writer.setField({ collection: tenants.chunks, ids: [chunkId(1)], match, to: tenants.move.target });
    await sleep(150);
    await world.setPayload(tenants.chunks, chunkId(1), { [FIELD]: tenants.move.target });
    await written;
  });

  it('and never done is no success', async () => {
    const hasty = await openQdrantWriter({ url: standIn.url, timeoutMs: 200 });
    standIn.fail({
      path: /\/points\/payload/,
      kind: 'status',
      status: 200,
      body: body.replace('acknowledged', 'wait_timeout'),
      times: Number.POSITIVE_INFINITY,
    });
    const match = { field: FIELD, value: tenants.move.source };
    await expect(
      hasty.setField({ collection: tenants.chunks, ids: [chunkId(1)], match, to: tenants.move.target }),
    ).rejects.toMatchObject({ code: 'store', retryable: true });
    await hasty.close();
  });
});

describe('what does not pass by itself', () => {
  it.each(['version', 'list', 'count'] as const)('HTML at "%s" asks whether this is Qdrant', async (step) => {
    standIn.fail({
      ...steps[step],
      kind: 'status',
      status: 200,
      body: '<html>hello</html>',
      headers: { 'content-type': 'text/html' },
    });
    const problems = await qdrantStage.preflight([tenants.move], planContext(writer));
    expect(problems).toEqual([
      expect.objectContaining({
        message: expect.stringContaining('is this Qdrant?'),
        fix: expect.stringContaining('--qdrant-url'),
      }),
    ]);
    expect(retries).toEqual([]);
  });

  it.each([400, 403, 404])('%i is not asked again', async (status) => {
    standIn.fail({ ...steps.scroll, kind: 'status', status, body: '{"status":{"error":"no"}}' });
    await expect(planOf(writer, tenants.move)).rejects.toThrow(`HTTP ${status}, no`);
    expect(retries).toEqual([]);
  });

  it('an old version is refused', async () => {
    standIn.fail({ ...steps.version, kind: 'status', status: 200, body: '{"title":"qdrant","version":"1.10.1"}' });
    expect(await qdrantStage.preflight([tenants.move], planContext(writer))).toEqual([
      expect.objectContaining({ code: 'unsupported', message: expect.stringContaining('1.10.1') }),
    ]);
  });

  it.each([
    ['members[].tenant', 'goes through an array'],
    ['the tenant', 'is no payload path'],
    ['metadata.', 'is no payload path'],
  ])('the field %s is refused: it %s', async (qdrantField, why) => {
    const profile = { ...generic, qdrantField };
    expect(await qdrantStage.preflight([tenants.move], planContext(writer, { profile }))).toEqual([
      expect.objectContaining({ code: 'unsupported', message: expect.stringContaining(why) }),
    ]);
  });
});

describe('keys', () => {
  const [good, readOnly] = ['good-key-1', 'read-only-key-2'];
  let guarded: QdrantStandIn;

  beforeEach(async () => {
    guarded = await startQdrantStandIn({ apiKey: good, readOnlyApiKey: readOnly });
  });

  afterEach(() => guarded.close());

  async function problemsWith(apiKey: string | undefined): Promise<string> {
    const store = await openQdrantWriter({ url: guarded.url, apiKey, timeoutMs: 5_000 });
    const list = await qdrantStage.preflight([tenants.move], planContext(store), store);
    await store.close();
    return JSON.stringify(list);
  }

  async function fill(): Promise<void> {
    const open = await openQdrantWriter({ url: guarded.url, apiKey: good, timeoutMs: 5_000 });
    const headers = { 'api-key': good, 'content-type': 'application/json' };
    const put = (path: string, body: object) =>
      fetch(`${guarded.url}${path}`, { method: 'PUT', headers, body: JSON.stringify(body) });
    await put('/collections/c', { vectors: { size: 1, distance: 'Dot' } });
    await put('/collections/c/points?wait=true', {
      points: [{ id: 1, vector: [1], payload: { [FIELD]: tenants.move.source } }],
    });
    await open.close();
  }

  it('none or a wrong one is a problem that names QDRANT_API_KEY and no key', async () => {
    for (const key of [undefined, 'wrong-key-3']) {
      const text = await problemsWith(key);
      expect(text).toContain('"unauthorised"');
      expect(text).toContain('QDRANT_API_KEY');
      expect(text).not.toContain('wrong-key-3');
    }
  });

  it('one that may only read is found before anything is written', async () => {
    await fill();
    expect(await problemsWith(readOnly)).toContain('"denied"');
    expect(await problemsWith(good)).toBe('[]');
  });

  it('one that no header can carry is refused without being shown', async () => {
    const opened = openQdrantReader({ url: guarded.url, apiKey: 'secret\nkey', timeoutMs: 5_000 });
    await expect(opened).rejects.toMatchObject({ code: 'settings', message: expect.not.stringContaining('secret') });
  });
});

it('a dry run sends nothing but reading requests', async () => {
  const before = await world.states();
  standIn.clearRequests();
  const reader = await openQdrantReader({ url: standIn.url, timeoutMs: 5_000 });
  const ctx = planContext(reader, { options: { verify: 'full' } });
  expect(await qdrantStage.preflight([tenants.move], ctx)).toEqual([]);
  const plan = await qdrantStage.plan([tenants.move], ctx);
  await qdrantStage.verify(plan, 'applied', ctx);
  expect(standIn.requests.length).toBeGreaterThan(10);
  expect(standIn.requests.filter(({ write }) => write)).toEqual([]);
  expect(await world.states()).toEqual(before);
  await reader.close();
});

it('every write is logged before it is sent', async () => {
  const plan = await planOf(writer, tenants.move);
  const ctx = await loggedContext(writer, { options: { batchSize: 30 } });
  const writes = () => standIn.requests.filter(({ write }) => write).length;
  const order: number[] = [];
  const undo: UndoPort = {
    append: async (entries) => {
      order.push(writes());
      await sleep(20);
      return ctx.undo.append(entries);
    },
    read: () => ctx.undo.read(),
  };
  standIn.clearRequests();
  await drain(qdrantStage.apply(plan, { ...ctx, undo }));
  expect(writes()).toBe(order.length);
  for (const [index, sent] of order.entries()) expect(sent).toBeLessThanOrEqual(index);
});

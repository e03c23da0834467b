import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { QdrantClient } from '@qdrant/js-client-rest';
import { request } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type QdrantStandIn, startQdrantStandIn } from '../support/qdrant-stand-in.ts';

type Method = 'GET' | 'PUT' | 'POST' | 'DELETE';

let standIn: QdrantStandIn;

beforeEach(async () => {
  standIn = await startQdrantStandIn();
  await call('PUT', '/collections/c', { vectors: { size: 2, distance: 'Dot' } });
  await call('PUT', '/collections/c/index?wait=true', { field_name: 'tenant', field_schema: 'keyword' });
  await upsert(Array.from({ length: 10 }, (_, id) => ({ id, vector: [id, 1], payload: { tenant: 'A', n: id } })));
  standIn.clearRequests();
});

afterEach(async () => {
  await standIn.close();
});

describe('faults', () => {
  it('a status rule replies so and does nothing, as often as told', async () => {
    standIn.fail({
      method: 'POST',
      path: /\/points\/payload/,
      kind: 'status',
      status: 503,
      body: '{"busy":true}',
      times: 2,
    });
    expect(await setTenant('B')).toEqual({ status: 503, text: '{"busy":true}' });
    expect((await setTenant('B')).status).toBe(503);
    expect(await countOf('B')).toBe(0);
    expect((await setTenant('B')).status).toBe(200);
    expect(await countOf('B')).toBe(10);
  });

  it('a rule lets the first matching requests through and keeps its headers', async () => {
    const headers = { 'retry-after': '3' };
    standIn.fail({ path: /\/points\/count$/, kind: 'status', status: 429, skip: 1, headers });
    expect(await countOf('A')).toBe(10);
    const refused = await request(`${standIn.url}/collections/c/points/count`, { method: 'POST', body: '{}' });
    expect(refused.statusCode).toBe(429);
    expect(refused.headers).toMatchObject({ 'retry-after': '3', 'x-simulated': 'qdrant' });
    await refused.body.dump();
    expect(await countOf('A')).toBe(10);
  });

  it('a connection cut before loses the request', async () => {
    standIn.fail({ path: /\/points\/payload/, kind: 'cut-before' });
    await expect(setTenant('B')).rejects.toThrow();
    expect(await countOf('B')).toBe(0);
  });

  it('a connection cut after loses the reply alone', async () => {
    standIn.fail({ path: /\/points\/payload/, kind: 'cut-after' });
    await expect(setTenant('B')).rejects.toThrow();
    expect(await countOf('B')).toBe(10);
  });

  it('a client that leaves early does no harm, and what arrived whole is still done', async () => {
    standIn.setLatency(60);
    const path = `${standIn.url}/collections/c/points/payload?wait=true`;
    const body = JSON.stringify({ payload: { tenant: 'B' }, filter: tenant('A') });
    await expect(request(path, { method: 'POST', body, signal: AbortSignal.timeout(20) })).rejects.toThrow();
    async function* endless() {
      yield '{"payload":';
      await new Promise(() => undefined);
    }
    const half = request(path, { method: 'POST', body: Readable.from(endless()), signal: AbortSignal.timeout(20) });
    await expect(half).rejects.toThrow();
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect(await countOf('B')).toBe(10);
  });

  it('a delay and a latency make a request take at least so long', async () => {
    standIn.fail({ path: /./, kind: 'delay', ms: 40 });
    standIn.setLatency(20);
    const started = performance.now();
    expect(await countOf('A')).toBe(10);
    expect(performance.now() - started).toBeGreaterThan(55);
  });

  it('clearing the failures ends a rule without end', async () => {
    standIn.fail({ path: /./, kind: 'status', times: Number.POSITIVE_INFINITY });
    expect((await setTenant('B')).status).toBe(500);
    expect((await setTenant('B')).status).toBe(500);
    standIn.clearFailures();
    expect((await setTenant('B')).status).toBe(200);
  });

  it('every request is on record, and which of them are writes', async () => {
    await countOf('A');
    await setTenant('B');
    await upsert([{ id: 99, vector: [1, 1], payload: { text: 'x'.repeat(70_000) } }]);
    const seen = standIn.requests.map(({ method, path, write }) => ({ method, path, write }));
    expect(seen).toEqual([
      { method: 'POST', path: '/collections/c/points/count', write: false },
      { method: 'POST', path: '/collections/c/points/payload?wait=true', write: true },
      { method: 'PUT', path: '/collections/c/points?wait=true', write: true },
    ]);
    expect(standIn.requests[1]?.body).toContain('"tenant":"B"');
    expect(standIn.requests[2]?.bytes).toBeGreaterThan(70_000);
    expect(standIn.requests[2]?.body).toBeUndefined();
  });
});

describe('what the recording does not show', () => {
  it('the tenant index follows points in, out and back', async () => {
    await setTenant('B');
    await setTenant('A');
    await call('POST', '/collections/c/points/delete?wait=true', { points: [3] });
    await upsert([{ id: 3, vector: [0, 0], payload: { tenant: 'A' } }]);
    const page = await call('POST', '/collections/c/points/scroll', {
      limit: 4,
      with_payload: false,
      filter: tenant('A'),
    });
    expect(result(page)).toMatchObject({ points: [{ id: 0 }, { id: 1 }, { id: 2 }, { id: 3 }], next_page_offset: 4 });
    expect(await countOf('A')).toBe(10);
    expect(await countOf('B')).toBe(0);
  });

  it('a page with named ids is in the order of ids and starts at the offset', async () => {
    const filter = { must: [{ has_id: [7, 2, 5, 99] }, ...tenant('A').must] };
    const page = await call('POST', '/collections/c/points/scroll', { offset: 3, with_payload: false, filter });
    expect(result(page)).toEqual({ points: [{ id: 5 }, { id: 7 }], next_page_offset: null });
  });

  it('an indexed and an unindexed filter agree', async () => {
    const set = { payload: { tenant: ['A', 'B'] }, points: [1, 2] };
    await call('POST', '/collections/c/points/payload?wait=true', set);
    const indexed = [await countOf('A'), await countOf('B')];
    await call('DELETE', '/collections/c/index/tenant?wait=true');
    expect([await countOf('A'), await countOf('B')]).toEqual(indexed);
    expect(indexed).toEqual([10, 2]);
  });

  it('filters see nulls, empty values, counts, elements of arrays and nested objects', async () => {
    const payload = {
      tags: ['x', 'y'],
      none: null,
      empty: [],
      items: [
        { a: 1, b: 'k' },
        { a: 2, b: 'l' },
      ],
    };
    await call('POST', '/collections/c/points/payload?wait=true', { payload, points: [0] });
    const at = (condition: unknown) => countBy({ must: [condition] });
    expect(await at({ is_null: { key: 'none' } })).toBe(1);
    expect(await at({ is_empty: { key: 'empty' } })).toBe(10);
    expect(await at({ key: 'tags', values_count: { gte: 2 } })).toBe(1);
    expect(await at({ key: 'items[].b', match: { value: 'l' } })).toBe(1);
    const both = { must: ['a', 'b'].map((key) => ({ key, match: { value: key === 'a' ? 1 : 'l' } })) };
    expect(await at({ nested: { key: 'items', filter: both } })).toBe(0);
    expect(await countBy({ min_should: { conditions: [{ has_id: [1] }, ...tenant('A').must], min_count: 2 } })).toBe(1);
    expect(await at({ has_vector: '' })).toBe(10);
  });

  it('a number keeps its kind through a merge, and an upsert replaces the whole payload', async () => {
    const raw = '{"payload":{"big":18446744073709551615,"whole":2.0},"points":[1]}';
    await send('POST', '/collections/c/points/payload?wait=true', raw);
    await call('POST', '/collections/c/points/payload?wait=true', { payload: { k: 1 }, points: [1] });
    const one = await send('GET', '/collections/c/points/1');
    expect(one.text).toContain('"payload":{"tenant":"A","n":1,"big":18446744073709551615,"whole":2.0,"k":1}');
    await upsert([{ id: 1, vector: [1, 1], payload: { z: 0 } }]);
    expect((await send('GET', '/collections/c/points/1')).text).toContain('"payload":{"z":0}');
  });

  it('a copy of a normalised vector is stored as it is', async () => {
    await call('PUT', '/collections/cos', { vectors: { size: 64, distance: 'Cosine' } });
    const vector = Array.from({ length: 64 }, (_, at) => Math.sin(at * 7 + 1));
    await call('PUT', '/collections/cos/points?wait=true', { points: [{ id: 1, vector }] });
    const first = await readVector('cos', 1);
    const points = `{"points":[{"id":2,"vector":${first}}]}`;
    await send('PUT', '/collections/cos/points?wait=true', points);
    expect(await readVector('cos', 2)).toBe(first);
    const stored = JSON.parse(first) as readonly number[];
    for (const text of first.slice(1, -1).split(',')) expect(shortestSingle(Number(text))).toBe(Number(text));
    expect(stored.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 6);
  });

  it('a batch of updates runs in order', async () => {
    const operations = [
      { upsert: { points: [{ id: 50, vector: [1, 1], payload: { tenant: 'A' } }] } },
      { set_payload: { payload: { tenant: 'B' }, filter: tenant('A') } },
      { delete_payload: { keys: ['n'], points: [0] } },
      { delete: { points: [50] } },
    ];
    const reply = await call('POST', '/collections/c/points/batch?wait=true', { operations });
    expect(result(reply)).toHaveLength(4);
    expect(await countOf('B')).toBe(10);
    expect(await countBy({ must: [{ is_empty: { key: 'n' } }] })).toBe(1);
  });

  it('points of a collection with shard keys are written and read by key', async () => {
    await call('PUT', '/collections/s', { vectors: { size: 1, distance: 'Dot' }, sharding_method: 'custom' });
    await call('PUT', '/collections/s/shards', { shard_key: 'k1' });
    await call('PUT', '/collections/s/shards', { shard_key: 'k2' });
    const points = [{ id: 1, vector: [1], payload: { tenant: 'A' } }];
    const refused = await call('PUT', '/collections/s/points?wait=true', { points });
    expect(refused).toMatchObject({ status: 400 });
    expect(refused.text).toContain('Shard key not specified');
    await call('PUT', '/collections/s/points?wait=true', { points, shard_key: 'k1' });
    const count = async (body: object) => result(await call('POST', '/collections/s/points/count', body));
    expect(await count({})).toEqual({ count: 1 });
    expect(await count({ shard_key: 'k2' })).toEqual({ count: 0 });
    expect(result(await call('GET', '/collections/s/shards'))).toEqual({ shard_keys: [{ key: 'k1' }, { key: 'k2' }] });
  });

  it('a chunked body over 32 MiB closes the connection and writes nothing', async () => {
    async function* body() {
      yield Buffer.from('{"points":[{"id":1,"vector":[1,1],"payload":{"text":"');
      for (let sent = 0; sent < 33; sent += 1) yield Buffer.alloc(1024 * 1024, 'x');
      yield Buffer.from('"}}]}');
    }
    const sent = request(`${standIn.url}/collections/c/points?wait=true`, {
      method: 'PUT',
      body: Readable.from(body()),
    });
    await expect(sent).rejects.toThrow();
    expect(await countOf('A')).toBe(10);
  });

  it('what is not simulated is refused loudly', async () => {
    expect((await call('POST', '/collections/c/points/search', {})).status).toBe(501);
    expect((await call('POST', '/collections/c/snapshots')).status).toBe(501);
  });
});

describe('keys', () => {
  it('a request needs a key, and the reading key cannot write', async () => {
    const locked = await startQdrantStandIn({ apiKey: 'rw', readOnlyApiKey: 'ro' });
    const status = async (method: Method, headers: Record<string, string>) => {
      const path = method === 'PUT' ? '/collections/x' : '/collections';
      const body = method === 'PUT' ? '{"vectors":{"size":1,"distance":"Dot"}}' : null;
      const reply = await request(`${locked.url}${path}`, { method, headers, body });
      await reply.body.dump();
      return reply.statusCode;
    };
    expect(await status('GET', {})).toBe(401);
    expect(await status('GET', { 'api-key': 'wrong' })).toBe(401);
    expect(await status('GET', { 'api-key': 'ro' })).toBe(200);
    expect(await status('PUT', { 'api-key': 'ro' })).toBe(403);
    expect(await status('PUT', { authorization: 'Bearer rw' })).toBe(200);
    await locked.close();
  });
});

describe('strict mode', () => {
  it('a write that costs more than a minute allows can never pass, others get a time to wait', async () => {
    const strict_mode_config = { enabled: true, write_rate_limit: 60 };
    await call('PUT', '/collections/slow', { vectors: { size: 1, distance: 'Dot' }, strict_mode_config });
    const points = (count: number) => ({ points: Array.from({ length: count }, (_, id) => ({ id, vector: [1] })) });
    const put = (count: number) => call('PUT', '/collections/slow/points?wait=true', points(count));
    expect((await put(61)).text).toContain('request larger than rate limiter capacity');
    expect((await put(60)).status).toBe(200);
    const refused = await put(60);
    expect(refused.status).toBe(429);
    expect(refused.text).toMatch(/Operation requires 60 tokens but only \d\.\d were available\. Retry after 60s/);
  });
});

describe('the official client', () => {
  it('creates, writes, pages, counts and moves points', async () => {
    const client = new QdrantClient({ url: standIn.url });
    await client.createCollection('js', {
      vectors: { size: 2, distance: 'Cosine' },
      hnsw_config: { m: 0, payload_m: 16 },
    });
    await client.createPayloadIndex('js', {
      field_name: 'tenant',
      field_schema: { type: 'keyword', is_tenant: true },
      wait: true,
    });
    const points = [1, 2, 3].map((id) => ({ id, vector: [id, 1], payload: { tenant: 'A' } }));
    expect(await client.upsert('js', { wait: true, points })).toMatchObject({ status: 'completed' });
    const page = await client.scroll('js', { limit: 2, filter: tenant('A'), with_vector: true });
    expect(page.points.map(({ id }) => id)).toEqual([1, 2]);
    expect(page.next_page_offset).toBe(3);
    await client.setPayload('js', { wait: true, payload: { tenant: 'B' }, filter: tenant('A') });
    expect(await client.count('js', { exact: true, filter: tenant('B') })).toEqual({ count: 3 });
    expect((await client.facet('js', { key: 'tenant', exact: true })).hits).toContainEqual({ value: 'B', count: 3 });
    expect((await client.getCollection('js')).payload_schema.tenant).toMatchObject({ data_type: 'keyword', points: 3 });
    expect((await client.getCollections()).collections.map(({ name }) => name)).toEqual(['c', 'js']);
    await expect(client.getCollection('nope')).rejects.toMatchObject({ status: 404 });
  });
});

describe('in a process of its own', () => {
  it('prints where it is, takes faults over HTTP and ends with its input', async () => {
    const path = fileURLToPath(new URL('../support/qdrant-stand-in.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', path, '--port', '0', '--end-with-stdin'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const { url, pid, simulated } = JSON.parse(line.toString()) as { url: string; pid: number; simulated: string };
    expect({ pid, simulated }).toEqual({ pid: child.pid, simulated: 'qdrant' });
    const control = async (method: Method, name: string, body?: object) => {
      const sent = body === undefined ? null : JSON.stringify(body);
      return (await request(`${url}/__stand-in/${name}`, { method, body: sent })).body.json();
    };
    await control('POST', 'fail', { path: '^/collections$', kind: 'status', status: 500, times: -1 });
    expect((await request(`${url}/collections`)).statusCode).toBe(500);
    await control('DELETE', 'fail');
    expect((await request(`${url}/collections`)).statusCode).toBe(200);
    expect(await control('GET', 'requests')).toHaveLength(2);
    await control('POST', 'reset');
    expect(await control('GET', 'requests')).toHaveLength(0);
    child.stdin.end();
    expect(await exited).toEqual([0, null]);
  });
});

function tenant(value: string) {
  return { must: [{ key: 'tenant', match: { value } }] };
}

async function setTenant(to: string) {
  const body = { payload: { tenant: to }, filter: { must: [{ has_id: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] }] } };
  return await call('POST', '/collections/c/points/payload?wait=true', body);
}

async function upsert(points: readonly object[]): Promise<void> {
  await call('PUT', '/collections/c/points?wait=true', { points });
}

async function countOf(value: string): Promise<number> {
  return await countBy(tenant(value));
}

async function countBy(filter: object): Promise<number> {
  return (result(await call('POST', '/collections/c/points/count', { exact: true, filter })) as { count: number })
    .count;
}

async function readVector(collection: string, id: number): Promise<string> {
  const { text } = await send('GET', `/collections/${collection}/points/${id}`);
  return /"vector":(\[[^\]]*\])/.exec(text)?.[1] ?? '';
}

/** The number of fewest digits that is the same 32-bit float. */
function shortestSingle(value: number): number {
  for (let digits = 1; digits < 9; digits += 1) {
    const candidate = Number(Math.fround(value).toPrecision(digits));
    if (Math.fround(candidate) === Math.fround(value)) return candidate;
  }
  return Number(Math.fround(value).toPrecision(9));
}

async function call(method: Method, path: string, body?: object) {
  return await send(method, path, body === undefined ? undefined : JSON.stringify(body));
}

async function send(method: Method, path: string, body?: string) {
  const headers = { 'content-type': 'application/json' };
  const reply = await request(`${standIn.url}${path}`, { method, body: body ?? null, headers });
  return { status: reply.statusCode, text: await reply.body.text() };
}

function result(reply: { readonly text: string }): unknown {
  return (JSON.parse(reply.text) as { result: unknown }).result;
}

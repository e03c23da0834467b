import { request } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FaultScript, type QdrantStandIn, startQdrantStandIn } from '../support/qdrant-stand-in.ts';

let standIn: QdrantStandIn;

beforeEach(async () => {
  standIn = await startQdrantStandIn();
  await call('PUT', '/collections/c', { vectors: { size: 1, distance: 'Dot' } });
  const points = Array.from({ length: 10 }, (_, id) => ({ id, vector: [1], payload: { tenant: 'A' } }));
  await call('PUT', '/collections/c/points?wait=true', { points });
});

afterEach(() => standIn.close());

describe('the update queue', () => {
  it('takes an update that times out and applies it later, and says so as the client asked', async () => {
    standIn.fail({ path: /payload/, kind: 'trouble', trouble: 'late', ms: 1_500, times: 2 });
    const timed = await setTenant('A', 'B', 'wait=true&timeout=1');
    expect([timed.status, timed.text]).toEqual([200, expect.stringContaining('"status":"wait_timeout"')]);
    const untimed = await setTenant('B', 'C', 'wait=true');
    expect([untimed.status, untimed.text]).toEqual([408, expect.stringContaining('Update operation timed out')]);
    expect([await countOf('A'), await queueLength()]).toEqual([10, 1]);
    // A write that waits comes after both.
    expect((await setTenant('C', 'D', 'wait=true')).text).toContain('"status":"completed"');
    expect([await countOf('D'), await queueLength()]).toEqual([10, 0]);
  });

  it('applies in order, and holds up who waits', async () => {
    standIn.holdUpdates();
    expect((await setTenant('A', 'B', 'wait=false')).text).toContain('"status":"acknowledged"');
    const waiting = setTenant('B', 'C', 'wait=true');
    const index = call('PUT', '/collections/c/index?wait=true', { field_name: 'tenant', field_schema: 'keyword' });
    await expect.poll(queueLength).toBe(3);
    expect(await countOf('A')).toBe(10);
    standIn.releaseUpdates();
    expect([(await waiting).status, (await index).status, await countOf('C')]).toEqual([200, 200, 10]);
  });

  it('keeps the errors of what nobody waits for to itself', async () => {
    standIn.holdUpdates();
    const body = { payload: { tenant: 'B' }, points: [1, 99] };
    expect((await call('POST', '/collections/c/points/payload?wait=false', body)).status).toBe(200);
    const waited = call('POST', '/collections/c/points/payload?wait=true', body);
    await expect.poll(queueLength).toBe(2);
    standIn.releaseUpdates();
    expect((await waited).status).toBe(404);
    expect(await countOf('B')).toBe(1);
  });
});

describe('faults', () => {
  it('one shard of two fails: half of the points are changed', async () => {
    standIn.fail({ path: /payload/, kind: 'trouble', trouble: 'half' });
    expect((await setTenant('A', 'B', 'wait=true')).status).toBe(500);
    expect([await countOf('A'), await countOf('B')]).toEqual([5, 5]);
  });

  it('half a reply breaks off after the work', async () => {
    standIn.fail({ path: /payload/, kind: 'cut-half' });
    await expect(setTenant('A', 'B', 'wait=true')).rejects.toThrow();
    expect(await countOf('B')).toBe(10);
  });

  it.each([
    ['429', 429, { 'retry-after': '7' }, 'Retry after 7s'],
    ['503', 503, {}, 'no active replica'],
    ['408', 408, {}, 'timed out'],
    ['disk-full', 500, {}, 'No space left on device: WAL buffer size exceeds available disk space'],
    ['locked', 403, {}, 'Locked'],
  ] as const)('"%s" refuses with its status and does nothing', async (kind, status, headers, text) => {
    standIn.setFaults({ seed: 1, rate: 1, kinds: [kind], on: 'POST .*payload', inARow: 1, retryAfter: 7 });
    const refused = await setTenant('A', 'B', 'wait=true');
    expect(refused).toMatchObject({ status, headers, text: expect.stringContaining(text) });
    expect(await countOf('B')).toBe(0);
    expect((await setTenant('A', 'B', 'wait=true')).status).toBe(200);
  });

  it('of the same seed meet the same requests, and of another seed others', async () => {
    const seen = async (seed: number): Promise<string> => {
      await control('faults', { seed, rate: 0.5, kinds: ['500', '503'], on: 'count' });
      const replies: number[] = [];
      for (let id = 0; id < 24; id += 1) {
        const filter = { must: [{ has_id: [id % 8] }] };
        replies.push((await call('POST', '/collections/c/points/count', { filter })).status);
      }
      return replies.join(' ');
    };
    const first = await seen(7);
    expect([await seen(7), await seen(8)]).toEqual([first, expect.not.stringMatching(first)]);
    expect(new Set(first.split(' '))).toEqual(new Set(['200', '500', '503']));
  });

  it('and the queue are told by another process over HTTP', async () => {
    await control('faults', { seed: 1, rate: 1, kinds: ['503'], inARow: 99 });
    expect((await setTenant('A', 'B', 'wait=true')).status).toBe(503);
    await control('faults', null);
    await control('hold-updates', {});
    await setTenant('A', 'B', 'wait=false');
    expect(await countOf('A')).toBe(10);
    await control('release-updates', {});
    await expect.poll(() => countOf('B')).toBe(10);
  });

  it('of two scripts stay apart, and a rate of 0 ends one', async () => {
    await control('faults', { seed: 1, rate: 1, kinds: ['503'], on: 'count', inARow: 99 });
    await control('faults', { seed: 1, rate: 1, kinds: ['locked'], on: 'payload', inARow: 99 });
    const count = async () => (await call('POST', '/collections/c/points/count', {})).status;
    expect([await count(), (await setTenant('A', 'B', 'wait=true')).status]).toEqual([503, 403]);
    await control('faults', { seed: 1, rate: 0, kinds: [], on: 'count' });
    expect([await count(), (await setTenant('A', 'B', 'wait=true')).status]).toEqual([200, 403]);
  });

  it('and held updates of one collection leave another alone', async () => {
    await call('PUT', '/collections/d', { vectors: { size: 1, distance: 'Dot' } });
    await control('hold-updates', { on: '^c$' });
    const write = { points: [{ id: 1, vector: [1], payload: {} }] };
    expect((await call('PUT', '/collections/d/points?wait=true', write)).status).toBe(200);
    await setTenant('A', 'B', 'wait=false');
    expect(await countOf('A')).toBe(10);
    await control('release-updates', { on: '^c$' });
    await expect.poll(() => countOf('B')).toBe(10);
  });

  it('are there from the start where they are asked for, and a kind that does not exist is refused', async () => {
    const faults: FaultScript = { seed: 1, rate: 1, kinds: ['503'] };
    const difficult = await startQdrantStandIn({ faults });
    expect((await fetch(`${difficult.url}/collections`)).status).toBe(503);
    await difficult.close();
    expect(() => standIn.setFaults({ ...faults, kinds: ['504' as '503'] })).toThrow('no such faults: 504');
  });
});

async function setTenant(from: string, to: string, query: string) {
  const filter = { must: [{ key: 'tenant', match: { value: from } }] };
  return call('POST', `/collections/c/points/payload?${query}`, { payload: { tenant: to }, filter });
}

async function countOf(tenant: string): Promise<number> {
  const filter = { must: [{ key: 'tenant', match: { value: tenant } }] };
  const { text } = await call('POST', '/collections/c/points/count', { filter, exact: true });
  return (JSON.parse(text) as { readonly result: { readonly count: number } }).result.count;
}

async function queueLength(): Promise<number> {
  const { text } = await call('GET', '/collections/c');
  return (JSON.parse(text) as { result: { update_queue: { length: number } } }).result.update_queue.length;
}

async function control(name: string, body: object | null): Promise<void> {
  expect((await call('POST', `/__stand-in/${name}`, body)).status).toBe(200);
}

async function call(method: 'GET' | 'PUT' | 'POST', path: string, body?: object | null) {
  const text = body === undefined ? null : JSON.stringify(body);
  const reply = await request(`${standIn.url}${path}`, { method, body: text });
  return { status: reply.statusCode, headers: reply.headers, text: await reply.body.text() };
}

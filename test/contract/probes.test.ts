import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { RedisServer } from '../../scripts/services/redis.ts';
import { parseProbes } from '../../src/model/probe-spec.ts';
import { graphMemory } from '../../src/probes/graph-memory.ts';
import { httpProbe } from '../../src/probes/http-probe.ts';
import { KeptReader } from '../../src/probes/kept-reader.ts';
import type { Probe, Reading } from '../../src/probes/probe.ts';
import { qdrantOptimizer, qdrantQueue } from '../../src/probes/qdrant-probes.ts';
import { redisLatency } from '../../src/probes/redis-latency.ts';
import { redisMemory } from '../../src/probes/redis-memory.ts';
import { openGraphReader } from '../../src/stores/graph/graph-store.ts';
import { bytesIn } from '../../src/stores/graph/server-facts.ts';
import { openQdrantReader } from '../../src/stores/qdrant/qdrant-store.ts';
import { openRedisReader } from '../../src/stores/redis/redis-store.ts';
import { graphSettings } from '../support/graph.ts';
import { type QdrantStandIn, startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { QdrantWorld } from '../support/qdrant-world.ts';
import { freshRedis } from '../support/redis-server.ts';

/** The one probe of this text. */
function spec<K extends string>(text: string, kind: K) {
  const [only] = parseProbes([text]);
  if (typeof only === 'string' || only?.kind !== kind) throw new Error(`${text} is no ${kind}`);
  return only as Extract<typeof only, { kind: K }>;
}

const look = (probe: Probe): Promise<Reading> => probe.look(new AbortController().signal);

describe('a probe of Redis', () => {
  let server: RedisServer;
  let redis: Redis;
  const reader = () =>
    new KeptReader(() =>
      openRedisReader({
        host: '127.0.0.1',
        port: server.port,
        db: 0,
        connectTimeoutMs: 2_000,
        replyTimeoutMs: 5_000,
        clientName: 'tenant-migrate-probe',
      }),
    );

  beforeAll(async () => {
    server = await freshRedis();
    redis = new Redis(server.url);
  });
  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });

  it('measures its latency, and does not wait for a server that stands still', async () => {
    const probe = redisLatency(spec('redis-latency:slow=50ms,pause=200ms', 'redis-latency'), reader());
    await look(probe);
    expect((await look(probe)).level).toBe('go');
    expect(await redis.call('CLIENT', 'LIST')).toContain('name=tenant-migrate-probe');
    await redis.call('CLIENT', 'PAUSE', '1500');
    const start = performance.now();
    const first = await look(probe);
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(first).toMatchObject({
      level: 'pause',
      reason: expect.stringMatching(/^redis latency [\d.]+ ms > 200 ms$/),
    });
    // The same request is still on its way: it has taken the longer.
    const measuredMs = ({ reason }: Reading) => Number(/latency ([\d.]+) (ms|s)/.exec(reason)?.[1]);
    expect(measuredMs(await look(probe))).toBeGreaterThan(measuredMs(first) + 400);
    await redis.call('CLIENT', 'UNPAUSE');
    for (let answered = false; !answered; ) answered = (await look(probe)).level === 'go';
    await probe.close();
  });

  it('measures its memory where it has a limit, and says that it sees nothing where it has none', async () => {
    const probe = redisMemory(spec('redis-memory:pause=85%,abort=95%', 'redis-memory'), reader());
    expect(await look(probe)).toMatchObject({ level: 'go', blind: 'the server has no maxmemory' });
    const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
    await redis.config('SET', 'maxmemory', String(Math.round(used * 1.1)));
    expect(await look(probe)).toMatchObject({
      level: 'pause',
      reason: expect.stringMatching(/^redis memory .*% > 85%$/),
    });
    await redis.config('SET', 'maxmemory', String(used * 10));
    expect((await look(probe)).level).toBe('go');
    await probe.close();
  });
});

describe('a probe of Qdrant', () => {
  let standIn: QdrantStandIn;
  let world: QdrantWorld;
  const reader = () => new KeptReader(() => openQdrantReader({ url: standIn.url, timeoutMs: 2_000 }));

  beforeAll(async () => {
    standIn = await startQdrantStandIn();
    world = new QdrantWorld(standIn.url);
    for (const name of ['quiet', 'busy']) {
      await world.send('PUT', `/collections/${name}`, { vectors: { size: 2, distance: 'Dot' } });
    }
  });
  afterAll(() => standIn.close());

  it('tells the worst state of a collection, and a failed optimizer', async () => {
    const probe = qdrantOptimizer(spec('qdrant-optimizer', 'qdrant-optimizer'), reader());
    const seen: string[] = [];
    for (const status of ['green', 'grey', 'yellow', 'red', 'purple']) {
      standIn.setHealth(status);
      const { level, reason } = await look(probe);
      seen.push(`${status}: ${level} ${reason}`.trim());
    }
    expect(seen).toEqual([
      'green: go',
      'grey: go',
      'yellow: slow collection busy is yellow',
      'red: pause collection busy is red',
      'purple: pause collection busy is red',
    ]);
    standIn.setHealth('green', { error: 'disk full' });
    expect(await look(probe)).toMatchObject({
      level: 'pause',
      reason: 'collection busy has a failed optimizer: disk full',
    });
    standIn.setHealth('green');
    await probe.close();
  });

  it('tells the longest update queue', async () => {
    const probe = qdrantQueue(spec('qdrant-queue:slow=1,pause=10', 'qdrant-queue'), reader());
    expect((await look(probe)).level).toBe('go');
    standIn.holdUpdates('busy');
    const body = { points: [{ id: 1, vector: [1, 0] }] };
    for (let n = 0; n < 3; n += 1) await world.send('PUT', '/collections/busy/points?wait=false', body);
    expect(await look(probe)).toMatchObject({ level: 'slow', reason: 'update queue of busy 3 > 1' });
    standIn.releaseUpdates();
    await probe.close();
  });
});

describe.skipIf(inject('graphUrl') === '')('a probe of the graph', () => {
  it('measures its memory', async () => {
    const access = { url: inject('graphUrl'), username: inject('graphUsername'), password: inject('graphPassword') };
    const reader = () => new KeptReader(() => openGraphReader(graphSettings(access)));
    const low = graphMemory(spec('graph-memory:pause=0.1%', 'graph-memory'), reader());
    expect(await look(low)).toMatchObject({
      level: 'pause',
      reason: expect.stringMatching(/^graph memory .*% > 0.1%$/),
    });
    const high = graphMemory(spec('graph-memory:pause=100%', 'graph-memory'), reader());
    expect((await look(high)).level).toBe('go');
    await Promise.all([low.close(), high.close()]);
  });

  it.each([
    ['1.20GiB', 1.2 * 1_024 ** 3],
    ['43.16 MiB', 43.16 * 1_024 ** 2],
    ['0B', 0],
    ['unlimited', Number.NaN],
  ])('reads Memgraph’s %s', (text, bytes) => {
    expect(bytesIn(text)).toBe(bytes);
  });
});

describe('a hook', () => {
  let server: Server;
  let says: { status: number; body: string; delayMs?: number };
  let probe: Probe;

  beforeAll(async () => {
    server = createServer((_, reply) => {
      setTimeout(() => {
        reply.writeHead(says.status, { location: '/elsewhere' });
        reply.end(says.body);
      }, says.delayMs ?? 0);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/health?key=hidden`;
    probe = httpProbe({ url }, 'http://hook/health');
  });
  afterAll(async () => {
    await probe.close();
    server.closeAllConnections();
    server.close();
  });

  it.each([
    [200, 'all well', 'go', ''],
    [204, '', 'go', ''],
    [429, 'nightly report runs\nmore', 'slow', 'http://hook/health says nightly report runs'],
    [503, '', 'pause', 'http://hook/health says status 503'],
    [423, '  locked  ', 'pause', 'http://hook/health says locked'],
    [410, 'x'.repeat(100_000), 'abort', `http://hook/health says ${'x'.repeat(200)}`],
  ])('that answers %i with a text wants what the status says', async (status, body, level, reason) => {
    says = { status, body };
    expect(await look(probe)).toEqual({ level, calm: level, reason });
  });

  it.each([302, 401, 404, 500])('that answers %i has not answered', async (status) => {
    says = { status, body: 'no' };
    await expect(look(probe)).rejects.toThrow(`it answers with status ${status}`);
  });

  it('that does not answer in time has not answered', async () => {
    says = { status: 200, body: '', delayMs: 10_000 };
    await expect(look(probe)).rejects.toThrow(/timeout/i);
  });
});

import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster, Redis } from 'ioredis';
import type { Driver } from 'neo4j-driver';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { pythonJson } from '../../scripts/seed/python-json.ts';
import { runCli } from '../support/cli.ts';
import { type Content, contentOf, type Document, type Entity } from '../support/lightrag/content.ts';
import { Lightrag, type LightragStores, openGraph } from '../support/lightrag/lightrag.ts';
import { startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { freshCluster } from '../support/redis-cluster.ts';
import { freshRedis } from '../support/redis-server.ts';
import { readWorld, worldDifferences } from '../support/world.ts';

const CONTENT = contentOf({ documents: 20, entities: 40 });
const COLLECTIONS = Object.keys(CONTENT.vectors);

interface Kind {
  readonly name: string;
  start(): Promise<{
    readonly client: Redis | Cluster;
    readonly flags: readonly string[];
    stop(): Promise<unknown>;
  }>;
}

const KINDS: readonly Kind[] = [
  {
    name: 'one Redis',
    start: async () => {
      const server = await freshRedis();
      const client = new Redis(server.url);
      const stop = async () => {
        client.disconnect();
        await server.stop();
      };
      return { client, flags: ['--redis-url', server.url], stop };
    },
  },
  {
    name: 'a Redis Cluster of three masters',
    start: async () => {
      const cluster = await freshCluster();
      const client = new Cluster([{ host: '127.0.0.1', port: cluster.port }], { redisOptions: { protocol: 2 } });
      const stop = async () => {
        client.disconnect();
        await cluster.stop();
      };
      return { client, flags: ['--redis-url', `redis://127.0.0.1:${cluster.port}`], stop };
    },
  },
];

describe.each(KINDS)('a workspace that LightRAG wrote, in $name', ({ start }) => {
  const fresh = randomBytes(4).toString('hex');
  const env = { TENANT_MIGRATE_STATE_DIR: mkdtempSync(join(tmpdir(), 'tenant-migrate-lightrag-')) };
  let redis: Awaited<ReturnType<Kind['start']>>;
  let qdrant: Awaited<ReturnType<typeof startQdrantStandIn>>;
  let graph: Driver;
  let flags: readonly string[];
  /** What is moved, what it becomes, and one that resembles both. */
  let [first, second, neighbour] = [] as unknown as [Lightrag, Lightrag, Lightrag];
  let [before, beside] = [{}, {}];
  let run = '';

  beforeAll(async () => {
    redis = await start();
    qdrant = await startQdrantStandIn();
    graph = openGraph(inject('graphUrl'));
    const stores: LightragStores = { redis: redis.client, qdrantUrl: qdrant.url, graph };
    flags = [...redis.flags, '--qdrant-url', qdrant.url, '--graph-url', inject('graphUrl'), '--skip-config'];
    first = new Lightrag(`acme_${fresh}`, stores);
    second = new Lightrag(`tenant_${fresh}`, stores);
    neighbour = new Lightrag(`acme_${fresh}_eu`, stores);
    for (const one of [first, neighbour]) await one.write(CONTENT);
    for (const id of [first, neighbour].map(({ workspace }) => workspace)) {
      for (const kind of ['task', 'batch']) {
        const value = pythonJson({ id: 't-1', tenant_id: id, status: 'processing', note: 'é "quoted"' });
        await redis.client.set(`${kind}:${id}:t-1`, value, 'PX', 3_600_000);
      }
    }
    before = await seenBy(first);
    beside = await seenBy(neighbour);
  });
  afterAll(async () => {
    for (const one of [first, second, neighbour]) await one.clearGraph();
    await graph.close();
    await Promise.all([redis.stop(), qdrant.close()]);
  });

  /** All that the application could ask of a workspace. */
  const seenBy = async (rag: Lightrag) => ({
    byId: await rag.findById(CONTENT),
    schedule: await rag.schedule(CONTENT),
    search: await rag.search(CONTENT),
    index: await rag.byIndex(CONTENT),
    counts: await rag.counts(COLLECTIONS),
    tasks: await Promise.all(
      ['task', 'batch'].map(async (kind) => {
        const key = `${kind}:${rag.workspace}:t-1`;
        const text = (await redis.client.get(key)) ?? 'none';
        return [text.replaceAll(`"${rag.workspace}"`, '"itself"'), await redis.client.pexpiretime(key)];
      }),
    ),
  });

  const nothing = async (rag: Lightrag) => {
    const { keys, points, nodes, relationships, indexes } = await rag.counts(COLLECTIONS);
    return {
      keys,
      points: Object.values(points).reduce((sum, count) => sum + count, 0),
      nodes,
      relationships,
      indexes,
    };
  };
  const NOTHING = { keys: 0, points: 0, nodes: 0, relationships: 0, indexes: [] };

  it('is complete: all is found by id, by search and by index', () => {
    const { byId, search, index, counts } = before as Awaited<ReturnType<typeof seenBy>>;
    expect(Object.entries(byId).filter(([, record]) => record === null)).toEqual([]);
    for (const hits of Object.values(search)) expect((hits as [number][])[0]?.[0]).toBeCloseTo(1, 5);
    expect(index).toMatchObject({ 'full text Entity 0': [{ id: 'Entity 0' }], plan: 'NodeIndexSeek' });
    expect(counts).toMatchObject({ nodes: 40, relationships: 39, points: { [COLLECTIONS[1] ?? '']: 40 } });
    expect(counts.indexes).toHaveLength(2);
  });

  it('is found as another by id, by search and by index, each vector as it was', async () => {
    const moved = await runCli([first.workspace, second.workspace, '--json', ...flags], { env });
    expect(moved.code, moved.stderr).toBe(0);
    run = String(moved.json().runId);
    expect(different(before, await seenBy(second))).toEqual([]);
    expect(await nothing(first)).toEqual(NOTHING);
    expect(different(beside, await seenBy(neighbour))).toEqual([]);
  });

  it('written again as the other it has no doubles', async () => {
    await second.write(CONTENT);
    expect(different(before, await seenBy(second))).toEqual([]);
  });

  it('taken back it is the first again, and written again it has no doubles', async () => {
    const back = await runCli(['rollback', run, '--json', ...flags], { env });
    expect(back.code, back.stderr).toBe(0);
    expect(different(before, await seenBy(first))).toEqual([]);
    await first.write(CONTENT);
    expect(different(before, await seenBy(first))).toEqual([]);
    expect(await nothing(second)).toEqual(NOTHING);
    expect(different(beside, await seenBy(neighbour))).toEqual([]);
  });
});

/** What two looks at a workspace differ in, a line each. */
function different(before: object, after: object): readonly string[] {
  const flat = (seen: object) =>
    new Map(
      Object.entries(seen).flatMap(([part, members]) =>
        Object.entries(members as object).map(([name, value]) => [`${part} ${name}`, JSON.stringify(value)] as const),
      ),
    );
  return worldDifferences(flat(before), flat(after));
}

describe('our own writer', () => {
  const fixture = JSON.parse(readFileSync('test/fixtures/lightrag-workspace.json', 'utf8')) as Fixture;
  const fresh = `acme_${randomBytes(4).toString('hex')}`;

  it('writes what LightRAG 1.5.7 wrote: keys, values, ids of points, payloads, nodes, relationships, indexes', async () => {
    const redis = await freshRedis();
    const qdrant = await startQdrantStandIn();
    const [client, graph] = [new Redis(redis.url), openGraph(inject('graphUrl'))];
    const stores = { redis: client, qdrantUrl: qdrant.url, graph };
    const labelled = new Lightrag(fresh, stores);
    try {
      const content = contentOfFixture(fixture);
      await labelled.write({ ...content, values: {}, documents: {}, vectors: {} });
      await new Lightrag('acme', stores).write({ ...content, entities: [] });
      const urls = { redisUrl: redis.url, qdrantUrl: qdrant.url, graphUrl: inject('graphUrl'), tenants: [fresh] };
      const written = await readWorld(urls);
      expect(worldDifferences(worldOf(fixture, fresh), anonymous(written))).toEqual([]);
    } finally {
      await labelled.clearGraph();
      client.disconnect();
      await graph.close();
      await Promise.all([redis.stop(), qdrant.close()]);
    }
  });
});

interface Fixture {
  readonly redis: Readonly<Record<string, { readonly type: string; readonly value: unknown }>>;
  readonly qdrant: Readonly<Record<string, { readonly points: readonly FixturePoint[] }>>;
  readonly graph: {
    readonly nodes: readonly { readonly labels: readonly string[]; readonly properties: Entity }[];
    readonly relationships: readonly {
      readonly type: string;
      readonly start: string;
      readonly end: string;
      readonly properties: Readonly<Record<string, unknown>>;
    }[];
    readonly indexes: readonly { readonly type: string; readonly properties: readonly string[] }[];
  };
}

interface FixturePoint {
  readonly id: string;
  readonly payload: Readonly<Record<string, unknown>> & { readonly id: string; readonly created_at: number };
  readonly vector: readonly number[];
}

/** What LightRAG was given, as far as it can be read out of what it wrote. */
function contentOfFixture({ redis, qdrant, graph }: Fixture): Content {
  const values = (namespace: string) =>
    Object.fromEntries(
      Object.entries(redis).flatMap(([key, { value }]) => {
        const [, id] = key.split(`acme_${namespace}:`);
        return id === undefined ? [] : [[id, JSON.parse(String(value)) as Document]];
      }),
    );
  const vectors = Object.entries(qdrant).map(([collection, { points }]) => [
    collection,
    points.map(({ vector, payload: { id, created_at, workspace_id: _, ...meta } }) => ({
      id,
      created_at,
      vector,
      meta,
    })),
  ]);
  return {
    values: { text_chunks: values('text_chunks') },
    documents: values('doc_status'),
    vectors: Object.fromEntries(vectors),
    entities: graph.nodes.map(({ properties }) => properties),
    relations: graph.relationships,
  };
}

const sorted = (members: object) => Object.fromEntries(Object.entries(members).sort());

/** The fixture in the form of {@link anonymous}. */
function worldOf({ redis, qdrant, graph }: Fixture, label: string): Map<string, string> {
  const world = new Map<string, string>();
  for (const [key, { type, value }] of Object.entries(redis)) {
    const content =
      type === 'zset' ? [(value as [string, number][]).flatMap(([member, score]) => [member, String(score)])] : [value];
    world.set(`redis ${key}`, JSON.stringify({ type, expiresAt: -1, content: type === 'set' ? content[0] : content }));
  }
  for (const [collection, { points }] of Object.entries(qdrant)) {
    for (const { id, payload, vector } of points) {
      world.set(`qdrant ${collection} ${id}`, JSON.stringify({ payload: sorted(payload), vector }));
    }
  }
  for (const { properties } of graph.nodes) {
    world.set(`node ${properties.entity_id}`, JSON.stringify({ labels: [label], properties: sorted(properties) }));
  }
  for (const { type, start, end, properties } of graph.relationships) {
    world.set(`relationship ${start} ${end}`, JSON.stringify({ type, properties: sorted(properties) }));
  }
  for (const { type, properties } of graph.indexes) world.set(`index ${type}`, JSON.stringify(properties));
  return world;
}

/** Nodes and relationships by the names of entities, not by the ids that the server gave; without collections. */
function anonymous(written: ReadonlyMap<string, string>): Map<string, string> {
  const world = new Map<string, string>();
  const names = new Map<string, string>();
  for (const [name, text] of written) {
    if (!name.startsWith('node ')) continue;
    const { labels, properties } = JSON.parse(text) as { labels: string[]; properties: Entity };
    names.set(name.slice(5), properties.entity_id);
    world.set(`node ${properties.entity_id}`, JSON.stringify({ labels, properties }));
  }
  for (const [name, text] of written) {
    const [kind] = name.split(' ');
    if (kind === 'redis' || kind === 'qdrant') world.set(name, text);
    if (kind === 'relationship') {
      const { type, start, end, properties } = JSON.parse(text) as Record<string, string>;
      world.set(`relationship ${names.get(start ?? '')} ${names.get(end ?? '')}`, JSON.stringify({ type, properties }));
    }
    if (kind === 'index') {
      const { type, properties } = JSON.parse(text) as Record<string, unknown>;
      world.set(`index ${type}`, JSON.stringify(properties));
    }
  }
  return world;
}

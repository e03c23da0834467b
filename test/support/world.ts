import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import neo4j from 'neo4j-driver';
import { request } from 'undici';
import { fulltextIndexName } from '../../scripts/seed/fulltext-index-name.ts';

/** Where a world's stores are. A store without a URL is left out. */
export interface WorldUrls {
  /** Of several masters, one after another with blanks between. */
  readonly redisUrl?: string | undefined;
  readonly qdrantUrl?: string | undefined;
  readonly graphUrl?: string | undefined;
  readonly apiUrl?: string | undefined;
  /** Tenants whose configs and nodes are read; without them all nodes, and no config. */
  readonly tenants?: readonly string[] | undefined;
}

/** Every record of every store as text: `redis <key>`, `qdrant <collection> <id>`, `node <id>`, … → everything it holds. */
export type World = ReadonlyMap<string, string>;

/** Reads all there is, with code of its own: nothing here is shared with what it judges. */
export async function readWorld(urls: WorldUrls): Promise<World> {
  const world = new Map<string, string>();
  const parts = await Promise.all([
    ...(urls.redisUrl?.split(' ') ?? []).map(readRedis),
    urls.qdrantUrl ? readQdrant(urls.qdrantUrl) : [],
    urls.graphUrl ? readGraph(urls.graphUrl, urls.tenants) : [],
    urls.apiUrl ? readConfigs(urls.apiUrl, urls.tenants ?? []) : [],
  ]);
  for (const [name, text] of parts.flat()) world.set(name, text);
  return world;
}

/** What differs between two worlds, a line each, at most `most` of them. */
export function worldDifferences(before: World, after: World, most = 20): readonly string[] {
  const lines: string[] = [];
  for (const [name, text] of before) {
    if (!after.has(name)) lines.push(`gone: ${name}`);
    else if (after.get(name) !== text) lines.push(`changed: ${name}: ${clip(text)} → ${clip(after.get(name) ?? '')}`);
  }
  for (const name of after.keys()) if (!before.has(name)) lines.push(`new: ${name}`);
  return lines.length > most ? [...lines.slice(0, most), `and ${lines.length - most} more`] : lines;
}

/**
 * The world as it must be once `source` is `target`: the guide's key layout, `tenant_id` in the values of tasks and
 * batches, payload field and labels, ids of points that are made from the tenant, and the indexes on the labels; nothing
 * else. The config record keeps its name.
 */
export function movedWorld(world: World, source: string, target: string): World {
  // Keys are compared as bytes, one character each.
  const [from, to] = [source, target].map((id) => Buffer.from(id).toString('latin1')) as [string, string];
  const id = from.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  // A word in front of the id, and a namespace behind it, never stand in one key.
  const own = new RegExp(
    `^(redis (?:(?:task:|batch:)(?=${id}:))?)${id}((?:_(?:full_docs|text_chunks|llm_response_cache|full_entities|full_relations|entity_chunks|relation_chunks|doc_status)(?:__sched(?:_rebuild)?)?)?:)`,
    's',
  );
  const moved = new Map<string, string>();
  for (const [name, text] of world) {
    if (name.startsWith('redis ')) {
      const renamed = name.replace(own, (_, before, after) => before + to + after);
      const holdsTenant = renamed !== name && /^redis (?:task|batch):/.test(name);
      moved.set(renamed, holdsTenant ? retold(text, source, target) : text);
    } else if (name.startsWith('qdrant '))
      moved.set(
        renamedPoint(name, text, source, target),
        text.replace(`"workspace_id":${JSON.stringify(source)}`, () => `"workspace_id":${JSON.stringify(target)}`),
      );
    else if (name.startsWith('node ')) moved.set(name, relabelled(text, source, target));
    else if (name.startsWith('index ')) moved.set(...movedIndex(name, text, source, target));
    else moved.set(name, text);
  }
  return moved;
}

/** Named after the tenant, with `_` for what is no letter, digit or `_`; other names are the server's own. */
function movedIndex(name: string, text: string, source: string, target: string): [string, string] {
  const index = JSON.parse(text) as { name: string; labelsOrTypes: string[] | null };
  if (!index.labelsOrTypes?.includes(source)) return [name, text];
  const [from, to] = [source, target].map((id) => id.replace(/\W/g, '_')) as [string, string];
  const renamed =
    index.name === fulltextIndexName(source)
      ? fulltextIndexName(target)
      : index.name.endsWith(`_${from}`)
        ? index.name.slice(0, -from.length) + to
        : index.name;
  const labelsOrTypes = index.labelsOrTypes.map((label) => (label === source ? target : label));
  return indexEntry({ ...index, name: renamed, labelsOrTypes });
}

/** Names that the server has made are hashes of what is indexed: such an index is known by that. */
function indexEntry(index: { readonly name: string; readonly labelsOrTypes?: unknown }): [string, string] {
  if (!/^index_([0-9a-f]{1,8}|…)$/.test(index.name)) return [`index ${index.name}`, JSON.stringify(index)];
  const text = JSON.stringify({ ...index, name: 'index_…' });
  return [`index ${text}`, text];
}

/** A point of the source whose id is LightRAG's for it gets the one that LightRAG computes for the target. */
function renamedPoint(name: string, text: string, source: string, target: string): string {
  const { payload } = JSON.parse(text) as { payload: { workspace_id?: unknown; id?: unknown } };
  if (payload.workspace_id !== source || typeof payload.id !== 'string') return name;
  const [old, now] = [lightRagId(source, payload.id), lightRagId(target, payload.id)];
  return name.endsWith(` ${old}`) ? `${name.slice(0, -old.length)}${now}` : name;
}

/** UUID 4 of the first 16 bytes of a SHA-256 (application's own formula). */
function lightRagId(tenant: string, recordId: string): string {
  const hash = createHash('sha256').update(`${tenant}${recordId}`).digest('hex').slice(0, 32);
  const variant = ((Number.parseInt(hash.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-4${hash.slice(13, 16)}-${variant}${hash.slice(17, 20)}-${hash.slice(20)}`;
}

/** A string's content with another tenant in its `tenant_id`, which stands at the top, once, as Python or JavaScript write it. */
function retold(text: string, source: string, target: string): string {
  const key = JSON.parse(text) as { type: string; content: unknown[] };
  const [value] = key.content;
  if (key.type !== 'string' || typeof value !== 'string') return text;
  const bytes = (id: string) => Buffer.from(JSON.stringify(id)).toString('latin1');
  const told = value.replace(/("tenant_id": ?)("(?:[^"\\]|\\.)*")/, (all, before, token) =>
    token === bytes(source) ? before + bytes(target) : all,
  );
  return JSON.stringify({ ...key, content: [told] });
}

function relabelled(text: string, source: string, target: string): string {
  const node = JSON.parse(text) as { labels: string[]; properties: unknown };
  const labels = node.labels.map((label) => (label === source ? target : label)).sort();
  return JSON.stringify({ ...node, labels });
}

function clip(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}

type Entries = [string, string][];

async function readRedis(url: string): Promise<Entries> {
  const redis = new Redis(url, { protocol: 2 });
  try {
    const keys = new Map<string, Buffer>();
    let cursor = '0';
    do {
      const [next, page] = await redis.scanBuffer(cursor, 'COUNT', 5_000);
      cursor = String(next);
      for (const key of page) keys.set(key.toString('latin1'), key);
    } while (cursor !== '0');
    const entries: Entries = [];
    const all = [...keys];
    for (let start = 0; start < all.length; start += 2_000)
      entries.push(...(await readKeys(redis, all.slice(start, start + 2_000))));
    return entries;
  } finally {
    redis.disconnect();
  }
}

const CONTENT: Readonly<Record<string, readonly string[]>> = {
  string: ['GET'],
  list: ['LRANGE', '0', '-1'],
  hash: ['HGETALL'],
  set: ['SMEMBERS'],
  zset: ['ZRANGE', '0', '-1', 'WITHSCORES'],
  stream: ['XRANGE', '-', '+'],
};

async function readKeys(redis: Redis, keys: readonly [string, Buffer][]): Promise<Entries> {
  const heads = redis.pipeline();
  for (const [, key] of keys) heads.call('TYPE', key).call('PEXPIRETIME', key);
  const described = (await heads.exec()) ?? [];
  const bodies = redis.pipeline();
  for (const [index, [, key]] of keys.entries()) {
    const type = String(described[2 * index]?.[1]);
    const [command = 'DUMP', ...rest] = CONTENT[type] ?? [];
    bodies.callBuffer(command, key, ...rest);
    if (type === 'stream') bodies.callBuffer('XINFO', 'GROUPS', key);
  }
  const contents = ((await bodies.exec()) ?? []).map(([error, value]) => (error ? `error ${error.message}` : value));
  let at = 0;
  return keys.map(([name], index) => {
    const type = String(described[2 * index]?.[1]);
    const taken = contents.slice(at, at + (type === 'stream' ? 2 : 1));
    at += taken.length;
    return [
      `redis ${name}`,
      JSON.stringify({ type, expiresAt: described[2 * index + 1]?.[1], content: canonical(type, taken) }),
    ];
  });
}

function canonical(type: string, values: readonly unknown[]): unknown {
  const texts = values.map(latin1);
  if (type === 'set') return (texts[0] as string[]).sort();
  if (type !== 'hash') return texts;
  const flat = texts[0] as string[];
  return flat.flatMap((field, index) => (index % 2 === 0 ? [[field, flat[index + 1]]] : [])).sort();
}

function latin1(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('latin1');
  return Array.isArray(value) ? value.map(latin1) : value;
}

async function readQdrant(url: string): Promise<Entries> {
  const entries: Entries = [];
  const { collections } = (await call(`${url}/collections`)) as { collections: { name: string }[] };
  for (const { name } of collections) {
    const info = (await call(`${url}/collections/${encodeURIComponent(name)}`)) as {
      config: unknown;
      payload_schema: Record<string, { params?: unknown; data_type: string }>;
    };
    const schema = Object.entries(info.payload_schema).map(([field, { data_type, params }]) => ({
      field,
      data_type,
      params,
    }));
    entries.push([`collection ${name}`, JSON.stringify({ config: info.config, schema })]);
    let offset: unknown = null;
    do {
      const page = (await call(`${url}/collections/${encodeURIComponent(name)}/points/scroll`, {
        limit: 2_000,
        with_payload: true,
        with_vector: true,
        offset,
      })) as {
        points: { id: unknown; payload: Record<string, unknown>; vector: unknown }[];
        next_page_offset: unknown;
      };
      for (const { id, payload, vector } of page.points) {
        entries.push([
          `qdrant ${name} ${String(id)}`,
          JSON.stringify({ payload: Object.fromEntries(Object.entries(payload).sort()), vector }),
        ]);
      }
      offset = page.next_page_offset;
    } while (offset !== null);
  }
  return entries;
}

async function call(url: string, body?: object): Promise<unknown> {
  const reply = await request(url, {
    method: body === undefined ? 'GET' : 'POST',
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const text = await reply.body.text();
  if (reply.statusCode !== 200) throw new Error(`${url}: ${reply.statusCode} ${text}`);
  return (JSON.parse(text) as { result: unknown }).result;
}

async function readGraph(url: string, tenants: readonly string[] | undefined): Promise<Entries> {
  const driver = neo4j.driver(url, undefined, { disableLosslessIntegers: true });
  const session = driver.session({ defaultAccessMode: neo4j.session.READ });
  const rows = async (cypher: string) =>
    (await session.run(cypher, { tenants: tenants ?? null })).records.map((record) => record.toObject());
  const ours = (node: string) => `($tenants IS NULL OR any(label IN labels(${node}) WHERE label IN $tenants))`;
  try {
    const nodes = await rows(
      `MATCH (n) WHERE ${ours('n')} RETURN elementId(n) AS id, labels(n) AS labels, properties(n) AS properties`,
    );
    const relationships = await rows(
      `MATCH (a)-[r]->(b) WHERE ${ours('a')} OR ${ours('b')} RETURN elementId(r) AS id, type(r) AS type, elementId(a) AS start, elementId(b) AS end, properties(r) AS properties`,
    );
    const schema = await rows(
      'SHOW INDEXES YIELD name, type, labelsOrTypes, properties, options RETURN name, type, labelsOrTypes, properties, options',
    );
    const owned = schema.filter(
      ({ labelsOrTypes }) => tenants === undefined || labelsOrTypes?.some((label: string) => tenants.includes(label)),
    );
    return [
      ...nodes.map(({ id, labels, properties }): [string, string] => [
        `node ${id}`,
        JSON.stringify({ labels: [...labels].sort(), properties: sorted(properties) }),
      ]),
      ...relationships.map(({ id, ...rest }): [string, string] => [
        `relationship ${id}`,
        JSON.stringify({ ...rest, properties: sorted(rest.properties) }),
      ]),
      ...owned.map((index) => indexEntry(index as { name: string })),
    ];
  } finally {
    await session.close();
    await driver.close();
  }
}

function sorted(properties: object): object {
  return Object.fromEntries(Object.entries(properties).sort());
}

async function readConfigs(url: string, tenants: readonly string[]): Promise<Entries> {
  const entries: Entries = [];
  for (const tenant of tenants) {
    const reply = await request(`${url}/tenants/${encodeURIComponent(tenant)}/config`);
    entries.push([`config ${tenant}`, `${reply.statusCode} ${await reply.body.text()}`]);
  }
  return entries;
}

import { createHash } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import neo4j, { type Driver } from 'neo4j-driver';
import { request } from 'undici';
import { fulltextIndexName } from '../../../scripts/seed/fulltext-index-name.ts';
import { pythonJson } from '../../../scripts/seed/python-json.ts';
import type { Content, Document } from './content.ts';
import { NAMESPACES } from './namespaces.ts';

/** The stores of the application, as a workspace finds them. */
export interface LightragStores {
  readonly redis: Redis | Cluster;
  readonly qdrantUrl: string;
  readonly graph: Driver;
}

/** What a workspace finds of some content, each record as it reads it; `null` where it finds none. */
export type Found = Readonly<Record<string, unknown>>;

/** How many records belong to a workspace. */
export interface Counts {
  readonly keys: number;
  readonly points: Readonly<Record<string, number>>;
  readonly nodes: number;
  readonly relationships: number;
  readonly indexes: readonly string[];
}

/**
 * One workspace as LightRAG 1.5 writes and reads it, by its documented formats: names of keys, ids of points, labels
 * and names of indexes are made from the workspace each time, and nothing is looked up that it would not look up.
 */
export class Lightrag {
  readonly workspace: string;
  readonly #stores: LightragStores;
  readonly #label: string;

  constructor(workspace: string, stores: LightragStores) {
    this.workspace = workspace;
    this.#stores = stores;
    this.#label = `\`${workspace.replaceAll('`', '``')}\``;
  }

  /** Starts up and writes all of it, over what is there under the same ids. */
  async write(content: Content): Promise<void> {
    await Promise.all([this.#writeValues(content), this.#writeVectors(content), this.#writeGraph(content)]);
  }

  /** Reads every record of the content by its id. */
  async findById({ values, documents, vectors, entities, relations }: Content): Promise<Found> {
    const found: Record<string, unknown> = {};
    for (const [namespace, ids] of Object.entries({ ...values, doc_status: documents })) {
      for (const id of Object.keys(ids)) {
        const text = await this.#stores.redis.get(this.#key(namespace, id));
        found[`${namespace} ${id}`] = text === null ? null : JSON.parse(text);
      }
    }
    for (const [collection, records] of Object.entries(vectors)) {
      const ids = records.map(({ id }) => this.#pointId(id));
      const points = (await this.#points(collection, '', { ids, with_payload: true, with_vector: true })) as Point[];
      const byId = new Map(points.map((point) => [point.id, point]));
      for (const [at, { id }] of records.entries()) {
        const point = byId.get(ids[at] ?? '');
        found[`${collection} ${id}`] = point === undefined ? null : [this.#anonymous(point.payload), point.vector];
      }
    }
    for (const { entity_id } of entities) {
      const [node] = await this.#rows(`MATCH (n:${this.#label} {entity_id: $entity_id}) RETURN properties(n) AS n`, {
        entity_id,
      });
      found[`node ${entity_id}`] = node?.n ?? null;
    }
    for (const { start, end } of relations) {
      const between = `(:${this.#label} {entity_id: $start})-[r:DIRECTED]-(:${this.#label} {entity_id: $end})`;
      const rows = await this.#rows(`MATCH ${between} RETURN properties(r) AS r`, { start, end });
      found[`relation ${start} ${end}`] = rows.length === 1 ? rows[0]?.r : null;
    }
    return found;
  }

  /** What the application looks up by the sidecar of the documents: which have a status, which came from a file. */
  async schedule({ documents }: Content): Promise<Found> {
    const found: Record<string, unknown> = {};
    for (const [id, { status, file_path }] of Object.entries(documents)) {
      const listed = await this.#stores.redis.zscore(this.#statusKey(status), scheduled(id, documents[id]));
      found[id] = [listed, await this.#stores.redis.smembers(this.#fileKey(file_path))];
    }
    return found;
  }

  /** The nearest records of each collection to a few vectors of the content, with their scores. */
  async search({ vectors }: Content, top = 10): Promise<Found> {
    const found: Record<string, unknown> = {};
    for (const [collection, records] of Object.entries(vectors)) {
      for (const { id, vector } of records.slice(0, 3)) {
        const body = { query: vector, limit: top, with_payload: true, score_threshold: 0.05, filter: this.#own() };
        const { points } = (await this.#points(collection, '/query', body)) as { points: Scored[] };
        found[`${collection} ${id}`] = points.map(({ score, payload }) => [score, this.#anonymous(payload)]);
      }
    }
    return found;
  }

  /** Entities found by the full-text index of this workspace's name, and whether reading by id uses the range index. */
  async byIndex({ entities }: Content): Promise<Found> {
    await this.#rows('CALL db.index.fulltext.awaitEventuallyConsistentIndexRefresh()');
    const found: Record<string, unknown> = {};
    for (const { entity_id } of entities.slice(0, 3)) {
      const rows = await this.#rows(
        `CALL db.index.fulltext.queryNodes($index, $text) YIELD node, score
         WITH node WHERE $workspace IN labels(node) AND node.entity_id = $entity_id RETURN node.entity_id AS id`,
        { index: this.#fullText(), text: `"${entity_id}"`, workspace: this.workspace, entity_id },
      ).catch((error: Error) => error.message.replaceAll(this.workspace, '…'));
      found[`full text ${entity_id}`] = rows;
    }
    const { summary } = await this.#stores.graph.executeQuery(
      `EXPLAIN MATCH (n:${this.#label} {entity_id: 'x'}) RETURN n`,
    );
    found.plan = JSON.stringify(summary.plan).match(/NodeIndexSeek|NodeByLabelScan|AllNodesScan/)?.[0];
    return found;
  }

  async counts(collections: readonly string[]): Promise<Counts> {
    const points: Record<string, number> = {};
    for (const name of collections) {
      const { count } = (await this.#points(name, '/count', { filter: this.#own(), exact: true })) as { count: number };
      points[name] = count;
    }
    const [nodes] = await this.#rows(`MATCH (n:${this.#label}) RETURN count(n) AS count`);
    const [relationships] = await this.#rows(`MATCH (:${this.#label})-[r]->(:${this.#label}) RETURN count(r) AS count`);
    const indexes = await this.#rows(
      `SHOW INDEXES YIELD type, labelsOrTypes, properties, options, state WHERE $workspace IN labelsOrTypes
       RETURN type, properties, options.indexConfig AS config, state ORDER BY type`,
      { workspace: this.workspace },
    );
    return {
      keys: await this.#countKeys(),
      points,
      nodes: Number(nodes?.count),
      relationships: Number(relationships?.count),
      indexes: indexes.map((index) => JSON.stringify(index)),
    };
  }

  /** Takes away what stands in the graph, which others share. */
  async clearGraph(): Promise<void> {
    await this.#rows(`MATCH (n:${this.#label}) DETACH DELETE n`);
    const own = 'SHOW INDEXES YIELD name, labelsOrTypes WHERE $workspace IN labelsOrTypes RETURN name';
    for (const { name } of await this.#rows(own, { workspace: this.workspace })) {
      await this.#rows(`DROP INDEX \`${String(name).replaceAll('`', '``')}\` IF EXISTS`);
    }
  }

  async #writeValues({ values, documents }: Content): Promise<void> {
    const { redis } = this.#stores;
    const writes: Promise<unknown>[] = [];
    for (const [namespace, ids] of Object.entries({ ...values, doc_status: documents })) {
      for (const [id, value] of Object.entries(ids))
        writes.push(redis.set(this.#key(namespace, id), pythonJson(value)));
    }
    for (const [id, { status, file_path }] of Object.entries(documents)) {
      writes.push(redis.zadd(this.#statusKey(status), 0, scheduled(id, documents[id])));
      writes.push(redis.sadd(this.#fileKey(file_path), id));
    }
    await Promise.all(writes);
  }

  async #writeVectors({ vectors }: Content): Promise<void> {
    for (const [collection, records] of Object.entries(vectors)) {
      const url = `${this.#stores.qdrantUrl}/collections/${collection}`;
      const { exists } = (await call('GET', `${url}/exists`)) as { exists: boolean };
      if (!exists) {
        const size = records[0]?.vector.length;
        await call('PUT', url, { vectors: { size, distance: 'Cosine' }, hnsw_config: { m: 0, payload_m: 16 } });
        const field_schema = { type: 'keyword', is_tenant: true };
        await call('PUT', `${url}/index?wait=true`, { field_name: 'workspace_id', field_schema });
      }
      const points = records.map(({ id, created_at, vector, meta }) => ({
        id: this.#pointId(id),
        vector,
        payload: { id, workspace_id: this.workspace, created_at, ...meta },
      }));
      await call('PUT', `${url}/points?wait=true`, { points });
    }
  }

  async #writeGraph({ entities, relations }: Content): Promise<void> {
    if (entities.length === 0) return;
    await this.#rows(`CREATE INDEX IF NOT EXISTS FOR (n:${this.#label}) ON (n.entity_id)`);
    await this.#rows(
      `CREATE FULLTEXT INDEX ${this.#fullText()} IF NOT EXISTS FOR (n:${this.#label}) ON EACH [n.entity_id]
       OPTIONS {indexConfig: {\`fulltext.analyzer\`: 'cjk', \`fulltext.eventually_consistent\`: true}}`,
    );
    await this.#rows(
      `UNWIND $entities AS entity MERGE (n:${this.#label} {entity_id: entity.entity_id}) SET n += entity`,
      { entities },
    );
    await this.#rows(
      `UNWIND $relations AS one MATCH (a:${this.#label} {entity_id: one.start})
       MATCH (b:${this.#label} {entity_id: one.end}) MERGE (a)-[r:DIRECTED]-(b) SET r += one.properties`,
      { relations },
    );
  }

  #key(namespace: string, id: string): string {
    return `${this.workspace}_${namespace}:${id}`;
  }

  #statusKey(status: string): string {
    return `${this.workspace}_doc_status__sched:status:${status}`;
  }

  #fileKey(file: string): string {
    return `${this.workspace}_doc_status__sched:basename:${file.split('/').at(-1)}`;
  }

  /** The UUID, marked as of version 4, whose bytes are the first of the SHA-256 of workspace and id. */
  #pointId(id: string): string {
    const bytes = createHash('sha256').update(this.workspace).update(id).digest().subarray(0, 16);
    bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
    bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
    return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  }

  #fullText(): string {
    return fulltextIndexName(this.workspace);
  }

  #own() {
    return { must: [{ key: 'workspace_id', match: { value: this.workspace } }] };
  }

  /** A payload without the workspace, so that two workspaces can be compared; it must be this one. */
  #anonymous({ workspace_id, ...rest }: Readonly<Record<string, unknown>>): unknown {
    return workspace_id === this.workspace ? rest : { ...rest, another: workspace_id };
  }

  #points(collection: string, what: string, body: object): Promise<unknown> {
    return call('POST', `${this.#stores.qdrantUrl}/collections/${collection}/points${what}`, body);
  }

  async #rows(cypher: string, parameters?: Record<string, unknown>): Promise<Record<string, unknown>[]> {
    const { records } = await this.#stores.graph.executeQuery(cypher, parameters);
    return records.map((record) => record.toObject());
  }

  async #countKeys(): Promise<number> {
    const { redis } = this.#stores;
    const nodes = 'nodes' in redis ? redis.nodes('master') : [redis];
    const own = NAMESPACES.flatMap((name) => [`${this.workspace}_${name}:`, `${this.workspace}_${name}__sched:`]);
    let count = 0;
    for (const node of nodes) {
      for await (const page of node.scanStream({ count: 1_000 })) {
        count += (page as string[]).filter((key) => own.some((start) => key.startsWith(start))).length;
      }
    }
    return count;
  }
}

interface Point {
  readonly id: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly vector: readonly number[];
}

interface Scored extends Point {
  readonly score: number;
}

function scheduled(id: string, document: Document | undefined): string {
  return `${document?.created_at}|${id}`;
}

/** A driver without a password, whose whole numbers are numbers. */
export function openGraph(url: string): Driver {
  return neo4j.driver(url, undefined, { disableLosslessIntegers: true });
}

async function call(method: 'GET' | 'PUT' | 'POST', url: string, body?: object): Promise<unknown> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const reply = await request(url, { method, headers: { 'content-type': 'application/json' }, ...sent });
  const text = await reply.body.text();
  if (reply.statusCode !== 200) throw new Error(`${method} ${url}: ${reply.statusCode} ${text.slice(0, 300)}`);
  return (JSON.parse(text) as { result: unknown }).result;
}

import { request } from 'undici';
import { type IdScheme, pointId } from './point-id.ts';
import { hex, type Random, randomFor, sentence } from './random.ts';

export interface SeedPointsOptions {
  readonly qdrantUrl: string;
  readonly seed: number;
  readonly tenant: string;
  readonly collection: string;
  readonly count: number;
  readonly dimensions: number;
  readonly idScheme: IdScheme;
}

/** Writes a tenant's points into a collection that all tenants share, as LightRAG makes it where it is not there. */
export async function seedPoints(options: SeedPointsOptions): Promise<number> {
  const { qdrantUrl, collection, count } = options;
  const url = `${qdrantUrl}/collections/${encodeURIComponent(collection)}`;
  await ensureCollection(url, options.dimensions);
  const random = randomFor(options.seed, options.tenant, collection);
  for (let first = 0; first < count; first += batchSize) {
    const length = Math.min(batchSize, count - first);
    const points = Array.from({ length }, (_, i) => point(options, random, first + i));
    await put(`${url}/points?wait=true`, { points });
  }
  return count;
}

const batchSize = 1_000;

async function ensureCollection(url: string, dimensions: number): Promise<void> {
  const there = await request(url);
  await there.body.dump();
  if (there.statusCode === 200) return;
  await put(url, { vectors: { size: dimensions, distance: 'Cosine' }, hnsw_config: { m: 0, payload_m: 16 } });
  await put(`${url}/index?wait=true`, {
    field_name: 'workspace_id',
    field_schema: { type: 'keyword', is_tenant: true },
  });
}

function point({ tenant, collection, dimensions, idScheme }: SeedPointsOptions, random: Random, i: number) {
  const prefix = prefixes[collection] ?? 'item';
  const id = `${prefix}-${hex(random, 16)}`;
  const payload = {
    workspace_id: tenant,
    id,
    content: sentence(random, 8),
    created_at: 1_767_225_600 + i,
    file_path: `report ${i % 200}.pdf`,
  };
  // Four decimals keep the request short; a server keeps 32-bit floats anyway.
  const vector = Array.from({ length: dimensions }, () => Math.round(random() * 20_000 - 10_000) / 10_000);
  return { id: pointId(idScheme, random, tenant, id), vector, payload };
}

const prefixes: Readonly<Record<string, string>> = {
  lightrag_vdb_chunks: 'chunk',
  lightrag_vdb_entities: 'ent',
  lightrag_vdb_relationships: 'rel',
};

async function put(url: string, body: unknown): Promise<void> {
  const reply = await request(url, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const said = await reply.body.text();
  if (reply.statusCode !== 200) throw new Error(`PUT ${url}: ${reply.statusCode} ${said.slice(0, 300)}`);
}

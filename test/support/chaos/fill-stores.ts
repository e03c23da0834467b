import type { Redis } from 'ioredis';
import type { Driver } from 'neo4j-driver';
import { request } from 'undici';
import { fulltextIndexName } from '../../../scripts/seed/fulltext-index-name.ts';
import type { SmallWorld } from './small-world.ts';

export async function fillRedis(admin: Redis, world: SmallWorld): Promise<void> {
  await admin.flushall();
  const replies = await admin.pipeline(world.redis.map(([name, ...rest]) => [name.toLowerCase(), ...rest])).exec();
  for (const [error] of replies ?? []) if (error) throw error;
}

export async function fillQdrant(url: string, { collections }: SmallWorld): Promise<void> {
  for (const { name, points } of collections) {
    const path = `${url}/collections/${name}`;
    await put(path, { vectors: { size: 4, distance: 'Dot' }, hnsw_config: { m: 0, payload_m: 16 } });
    await put(`${path}/index?wait=true`, {
      field_name: 'workspace_id',
      field_schema: { type: 'keyword', is_tenant: true },
    });
    await put(`${path}/points?wait=true`, { points });
  }
}

async function put(url: string, body: object): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const reply = await request(url, { method: 'PUT', headers, body: JSON.stringify(body) });
  const said = await reply.body.text();
  if (reply.statusCode !== 200) throw new Error(`PUT ${url}: ${reply.statusCode} ${said}`);
}

/** Of the source's label: three indexes, two of them named after it, one for full text. */
export async function fillGraph(driver: Driver, { graph, source }: SmallWorld): Promise<void> {
  for (const { label: own, nodes, relationships } of graph) {
    const label = escaped(own);
    const rows = nodes.map(({ properties }, at) => ({ properties, person: nodes[at]?.labels.length === 1 }));
    await driver.executeQuery(
      `UNWIND $rows AS row CREATE (n:\`${label}\`) SET n = row.properties
       FOREACH (_ IN CASE WHEN row.person THEN [1] ELSE [] END | SET n:Person)`,
      { rows },
    );
    await driver.executeQuery(
      `UNWIND $rows AS row MATCH (a:\`${label}\` {rank: row.from}) MATCH (b:\`${label}\` {rank: row.to})
       CREATE (a)-[:DIRECTED {weight: row.weight}]->(b)`,
      { rows: relationships },
    );
  }
  const after = source.replace(/\W/g, '_');
  const name = `entity_id_idx_${after}`;
  await driver.executeQuery(`CREATE INDEX \`${name}\` FOR (n:\`${escaped(source)}\`) ON (n.entity_id)`);
  await driver.executeQuery(`CREATE INDEX FOR (n:\`${escaped(source)}\`) ON (n.rank)`);
  await driver.executeQuery(
    `CREATE FULLTEXT INDEX \`${fulltextIndexName(source)}\` FOR (n:\`${escaped(source)}\`) ON EACH [n.entity_id]
     OPTIONS {indexConfig: {\`fulltext.analyzer\`: 'cjk', \`fulltext.eventually_consistent\`: true}}`,
  );
}

const escaped = (name: string): string => name.replaceAll('`', '``');

export async function clearGraph(driver: Driver | undefined, { tenants }: SmallWorld): Promise<void> {
  if (driver === undefined) return;
  await driver.executeQuery('MATCH (n) WHERE any(label IN labels(n) WHERE label IN $tenants) DETACH DELETE n', {
    tenants,
  });
  const { records } = await driver.executeQuery('SHOW INDEXES YIELD name, labelsOrTypes');
  for (const record of records) {
    const labels: readonly string[] = record.get('labelsOrTypes') ?? [];
    if (labels.some((label) => tenants.includes(label)))
      await driver.executeQuery(`DROP INDEX \`${escaped(record.get('name'))}\` IF EXISTS`);
  }
}

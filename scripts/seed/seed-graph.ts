import neo4j, { type Driver } from 'neo4j-driver';
import { fulltextIndexName } from './fulltext-index-name.ts';
import { between, type Random, randomFor, sentence } from './random.ts';

export interface SeedGraphOptions {
  readonly graphUrl: string;
  readonly auth?: { readonly username: string; readonly password: string };
  readonly seed: number;
  readonly tenant: string;
  readonly nodes: number;
  readonly relationships: number;
}

export interface SeededGraph {
  readonly nodes: number;
  /** Fewer than asked for where chance drew the same two nodes twice. */
  readonly relationships: number;
}

/** Writes a tenant's nodes, relationships and the indexes that LightRAG makes for it. Run again it changes nothing. */
export async function seedGraph(options: SeedGraphOptions): Promise<SeededGraph> {
  const { auth } = options;
  const driver = neo4j.driver(options.graphUrl, auth && neo4j.auth.basic(auth.username, auth.password), {
    disableLosslessIntegers: true,
  });
  try {
    return await seedWith(driver, options);
  } finally {
    await driver.close();
  }
}

async function seedWith(
  driver: Driver,
  { seed, tenant, nodes, relationships }: SeedGraphOptions,
): Promise<SeededGraph> {
  const label = `\`${tenant.replaceAll('`', '``')}\``;
  const random = randomFor(seed, tenant, 'graph');
  const rows = Array.from({ length: nodes }, (_, i) => node(random, i));
  const there = await driver.executeQuery(`MATCH (n:${label}) RETURN count(n) AS count`);
  const isNew = there.records[0]?.get('count') === 0;
  // A new tenant's nodes are created faster before there is an index; a second time the index finds what is there.
  if (isNew) await writeNodes(driver, rows, (labels) => `CREATE (n:${label}${labels}) SET n = row`);
  for (const statement of await indexStatements(driver, tenant, label)) await driver.executeQuery(statement);
  if (!isNew)
    await writeNodes(
      driver,
      rows,
      (labels) => `MERGE (n:${label} {entity_id: row.entity_id}) SET n += row ${labels && `SET n${labels}`}`,
    );
  await inBatches(
    driver,
    [...relationshipRows(random, nodes, relationships)],
    `UNWIND $rows AS row MATCH (a:${label} {entity_id: row.from}) MATCH (b:${label} {entity_id: row.to})
     MERGE (a)-[r:DIRECTED]->(b) SET r += row.properties`,
  );
  const counted = await driver.executeQuery(`MATCH (:${label})-[r:DIRECTED]->() RETURN count(r) AS count`);
  return { nodes, relationships: counted.records[0]?.get('count') as number };
}

/** Some nodes carry a label beside the tenant's. */
async function writeNodes(driver: Driver, rows: readonly ReturnType<typeof node>[], write: (labels: string) => string) {
  const isPerson = ({ entity_type }: { readonly entity_type: string }) => entity_type === 'person';
  await inBatches(driver, rows.filter(isPerson), `UNWIND $rows AS row ${write(':Person')}`);
  await inBatches(
    driver,
    rows.filter((row) => !isPerson(row)),
    `UNWIND $rows AS row ${write('')}`,
  );
}

/** Neo4j: range and full-text index; Memgraph: a label-property index. */
async function indexStatements(driver: Driver, tenant: string, label: string): Promise<readonly string[]> {
  const { agent } = await driver.getServerInfo();
  if (agent?.includes('Memgraph')) return [`CREATE INDEX ON :${label}(entity_id)`];
  const fulltext = fulltextIndexName(tenant);
  return [
    `CREATE INDEX IF NOT EXISTS FOR (n:${label}) ON (n.entity_id)`,
    `CREATE FULLTEXT INDEX ${fulltext} IF NOT EXISTS FOR (n:${label}) ON EACH [n.entity_id]
     OPTIONS {indexConfig: {\`fulltext.analyzer\`: 'cjk', \`fulltext.eventually_consistent\`: true}}`,
    'CALL db.awaitIndexes(60)',
  ];
}

function node(random: Random, i: number) {
  const entity_type = types[between(random, 0, types.length)] ?? 'concept';
  return {
    entity_id: `Entity ${i}`,
    entity_type,
    description: sentence(random, 12),
    source_id: `chunk-${i}`,
    created_at: 1_767_225_600 + i,
  };
}

const types = ['person', 'organization', 'location', 'event', 'concept', 'concept', 'concept', 'concept'];

/** A ring through all nodes first, so that every node has one, then pairs by chance. */
function* relationshipRows(random: Random, nodes: number, count: number) {
  for (let i = 0; i < count; i++) {
    const from = i < nodes ? i : between(random, 0, nodes);
    const to = i < nodes ? (i + 1) % nodes : between(random, 0, nodes);
    const properties = {
      weight: between(random, 1, 10),
      keywords: sentence(random, 2),
      description: sentence(random, 6),
    };
    yield { from: `Entity ${from}`, to: `Entity ${to}`, properties };
  }
}

async function inBatches(driver: Driver, rows: readonly unknown[], statement: string): Promise<void> {
  for (let first = 0; first < rows.length; first += 5_000) {
    await driver.executeQuery(statement, { rows: rows.slice(first, first + 5_000) });
  }
}

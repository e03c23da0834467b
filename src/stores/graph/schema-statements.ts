import { canonicalJson } from '../../model/json.ts';
import type { GraphConnection, Row } from './connection.ts';
import type { StoredSchema } from './graph-backup.ts';
import { escapeLabel } from './label.ts';
import { type GraphServer, type SchemaItem, schemaOf } from './server-facts.ts';

const NEO4J = {
  index: 'SHOW INDEXES YIELD name, type, entityType, labelsOrTypes, properties, createStatement',
  constraint: 'SHOW CONSTRAINTS YIELD name, type, entityType, labelsOrTypes, properties, createStatement',
} as const;

/** The indexes and constraints on a label with the statements that make them again. */
export async function schemaStatements(
  connection: GraphConnection,
  server: GraphServer,
  label: string,
): Promise<readonly StoredSchema[]> {
  const items = (await schemaOf(connection, server)).filter(({ labels }) => labels.includes(label));
  if (items.length === 0) return [];
  const creates = server.dialect.name === 'neo4j' ? await neo4jStatements(connection) : undefined;
  return items.map((item) => ({
    key: canonicalJson([item.kind, item.type, [...item.labels].sort(), item.properties]),
    name: item.name,
    create: creates === undefined ? memgraphStatement(item) : creates.get(item.name),
  }));
}

async function neo4jStatements(connection: GraphConnection): Promise<ReadonlyMap<string, string>> {
  const pair = (row: Row) => [String(row.get('name')), String(row.get('createStatement'))] as const;
  const constraints = await connection.read({ text: NEO4J.constraint }, pair);
  // A constraint's own index has its name: making the constraint makes it.
  return new Map([...(await connection.read({ text: NEO4J.index }, pair)), ...constraints]);
}

/** Memgraph tells no statement; of text and vector indexes it does not tell enough. */
function memgraphStatement({ kind, type, labels, properties }: SchemaItem): string | undefined {
  const label = escapeLabel(labels[0] ?? '');
  const names = properties.map(escapeLabel);
  const members = names.map((name) => `n.${name}`).join(', ');
  if (labels.length !== 1) return undefined;
  if (kind === 'constraint') {
    if (type === 'unique') return `CREATE CONSTRAINT ON (n:${label}) ASSERT ${members} IS UNIQUE`;
    if (type === 'exists') return `CREATE CONSTRAINT ON (n:${label}) ASSERT EXISTS (${members})`;
    return undefined;
  }
  if (type === 'label') return `CREATE INDEX ON :${label}`;
  if (type.startsWith('label+property')) return `CREATE INDEX ON :${label}(${names.join(', ')})`;
  if (type === 'point') return `CREATE POINT INDEX ON :${label}(${names.join(', ')})`;
  return undefined;
}

import { MigrateError } from '../../model/errors.ts';
import type { GraphConnection, Row } from './connection.ts';
import { type Dialect, server } from './statements.ts';

/** Which server it is, found by looking. */
export interface GraphServer {
  readonly dialect: Dialect;
  /** Such as `5.26.0`; empty where the server does not tell. */
  readonly version: string;
}

/** Whether writes can be taken, and taken back. */
export interface GraphState {
  /** Memgraph's, such as `IN_MEMORY_TRANSACTIONAL`; absent where unknown or on Neo4j. */
  readonly storageMode?: string | undefined;
  readonly replica: boolean;
}

/** An index or constraint on node labels. */
export interface SchemaItem {
  readonly kind: 'index' | 'constraint';
  /** The server's name, or a description where it has none. */
  readonly name: string;
  /** The server's word, such as `RANGE`, `UNIQUENESS`, `label+property`, `unique`. */
  readonly type: string;
  readonly labels: readonly string[];
  readonly properties: readonly string[];
}

/**
 * Tells Memgraph from Neo4j: by the agent, and where Memgraph was told to hide its name, by a command that only it
 * knows (a flag sets the agent, so that it proves Memgraph but not Neo4j).
 */
export async function identify(connection: GraphConnection): Promise<GraphServer> {
  const memgraph: Dialect = { name: 'memgraph', idFunction: 'id' };
  const shown = await unlessRefused(() => connection.read(server.memgraphVersion, firstColumn));
  if (shown !== undefined || connection.agent.includes('Memgraph')) {
    return { dialect: memgraph, version: versionIn(shown?.[0] ?? '') };
  }
  const agent = versionIn(connection.agent);
  const version = agent === '' ? versionIn((await connection.read(server.neo4jVersion, firstColumn))[0] ?? '') : agent;
  return { dialect: { name: 'neo4j', idFunction: Number.parseInt(version, 10) < 5 ? 'id' : 'elementId' }, version };
}

/** Storage mode and role of a Memgraph; what it does not tell this user is left open. */
export async function stateOf(connection: GraphConnection, { dialect }: GraphServer): Promise<GraphState> {
  if (dialect.name === 'neo4j') return { replica: false };
  const role = await unlessRefused(() => connection.read(server.memgraphRole, firstColumn));
  const storageMode =
    (await storageModeIn(connection, server.memgraphStorage.text)) ??
    (await storageModeIn(connection, server.memgraphDatabaseStorage.text));
  return { storageMode, replica: role?.[0] === 'replica' };
}

async function storageModeIn(connection: GraphConnection, text: string): Promise<string | undefined> {
  const rows = await unlessRefused(() =>
    connection.read({ text }, (row) => [String(row.get(0)), String(row.get(1))] as const),
  );
  return rows?.find(([name]) => name === 'storage_mode')?.[1];
}

/** All indexes and constraints that are bound to node labels. */
export async function schemaOf(connection: GraphConnection, { dialect }: GraphServer): Promise<readonly SchemaItem[]> {
  const map = dialect.name === 'neo4j' ? neo4jItem : memgraphItem;
  const indexes = await connection.read(server.indexes[dialect.name], (row) => map('index', row));
  const constraints = await connection.read(server.constraints[dialect.name], (row) => map('constraint', row));
  // Neo4j lists the index that serves a constraint too, under the constraint's name.
  const owned = new Set(constraints.map((item) => item.name));
  return [...indexes.filter((item) => !owned.has(item.name)), ...constraints].filter((item) => item.labels.length > 0);
}

/** The labels in use, or undefined where the server can tell only by reading every node. */
export async function labelsOf(
  connection: GraphConnection,
  { dialect }: GraphServer,
): Promise<readonly string[] | undefined> {
  return unlessRefused(() => connection.read(server.labels[dialect.name], firstColumn));
}

function neo4jItem(kind: SchemaItem['kind'], row: Row): SchemaItem {
  return {
    kind,
    name: String(row.get('name')),
    type: String(row.get('type')),
    labels: row.get('entityType') === 'NODE' ? texts(row.get('labelsOrTypes')) : [],
    properties: texts(row.get('properties')),
  };
}

function memgraphItem(kind: SchemaItem['kind'], row: Row): SchemaItem {
  const type = String(row.get(kind === 'index' ? 'index type' : 'constraint type'));
  // Indexes on relationships have the same columns, with the type where the label would be.
  const labels = type.startsWith('edge') ? [] : texts(row.get('label'));
  const properties = texts(row.get(kind === 'index' ? 'property' : 'properties'));
  return { kind, name: `${type} :${labels.join(':')}(${properties.join(', ')})`, type, labels, properties };
}

/** A cell that holds one text, a list of them or nothing. */
function texts(cell: unknown): readonly string[] {
  if (cell === null || cell === undefined) return [];
  return (Array.isArray(cell) ? cell : [cell]).map(String);
}

const firstColumn = (row: Row): string => String(row.get(0));

const versionIn = (text: string): string => /\d+(\.\d+)+/.exec(text)?.[0] ?? '';

/** Undefined where the server does not know the statement or keeps the answer from this user. */
export async function unlessRefused<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    const refused = error instanceof MigrateError && (error.code === 'store' || error.code === 'denied');
    if (refused && !error.retryable) return undefined;
    throw error;
  }
}

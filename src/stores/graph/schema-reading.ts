import { canonicalJson } from '../../model/json.ts';
import type { GraphConnection, Row } from './connection.ts';
import type { StoredSchema } from './graph-backup.ts';
import { propertyText } from './property-text.ts';
import { type GraphServer, unlessRefused } from './server-facts.ts';
import {
  listedLabels,
  type MemgraphSchema,
  memgraphStatements,
  neo4jCopy,
  neo4jDrop,
  schema,
} from './statements-schema.ts';

/** An index or constraint on node labels or relationship types. */
export interface SchemaItem {
  readonly kind: 'index' | 'constraint';
  /** The server's name, or a description where it has none. */
  readonly name: string;
  /** Whether `name` is one by which the server knows it. */
  readonly named: boolean;
  /** The server's word, such as `RANGE`, `UNIQUENESS`, `label+property`, `unique`. */
  readonly type: string;
  readonly entity: 'node' | 'relationship';
  /** Node labels, or relationship types. */
  readonly labels: readonly string[];
  readonly properties: readonly string[];
  /** How it works, as text: equal for equal options. */
  readonly options: string;
  readonly state: 'online' | 'populating' | 'failed';
  /** Statements that make it again and drop it; absent where the server tells too little. */
  readonly create?: string | undefined;
  readonly drop?: string | undefined;
}

/** A copy of an item for another label or type; see {@link copyOf}. */
export interface SchemaCopy {
  /** Absent where the server shall choose one. */
  readonly name?: string | undefined;
  readonly source: string;
  readonly target: string;
}

/** All indexes and constraints that are bound to labels or relationship types, all tenants'. */
export async function schemaOf(connection: GraphConnection, { dialect }: GraphServer): Promise<readonly SchemaItem[]> {
  const items = dialect.name === 'neo4j' ? await neo4jItems(connection) : await memgraphItems(connection);
  return items.filter((item) => item.labels.length > 0);
}

/** The statement that makes the same for another label; undefined where the server tells too little. */
export function copyOf(item: SchemaItem, { dialect }: GraphServer, to: SchemaCopy): string | undefined {
  if (item.create === undefined) return undefined;
  if (dialect.name === 'neo4j') return neo4jCopy(item.create, { ...to, name: to.name });
  const labels = item.labels.map((label) => (label === to.source ? to.target : label));
  return memgraphStatements({ ...memgraphParts(item), labels, name: to.name })?.create;
}

/** The indexes and constraints on a label with the statements that make them again, for a backup. */
export async function storedSchema(
  connection: GraphConnection,
  server: GraphServer,
  label: string,
): Promise<readonly StoredSchema[]> {
  const items = await schemaOf(connection, server);
  return items
    .filter(({ labels }) => labels.includes(label))
    .map((item) => ({
      key: canonicalJson([
        item.kind,
        item.type,
        [...item.labels].sort(),
        item.properties,
        ...(item.entity === 'node' ? [] : [item.entity]),
      ]),
      name: item.name,
      create: item.create,
      item,
    }));
}

async function neo4jItems(connection: GraphConnection): Promise<readonly SchemaItem[]> {
  const indexes = await connection.read(schema.indexes.neo4j, (row) => neo4jItem('index', row));
  const constraints = await connection.read(schema.constraints.neo4j, (row) => neo4jItem('constraint', row));
  // Neo4j lists the index that serves a constraint too, under the constraint's name.
  const states = new Map(indexes.map(({ name, state }) => [name, state]));
  const owned = new Set(constraints.map(({ name }) => name));
  return [
    ...indexes.filter(({ name }) => !owned.has(name)),
    ...constraints.map((item) => ({ ...item, state: states.get(item.name) ?? item.state })),
  ];
}

function neo4jItem(kind: SchemaItem['kind'], row: Row): SchemaItem {
  const cell = (name: string): unknown => (row.has(name) ? row.get(name) : undefined);
  const name = String(row.get('name'));
  const create = cell('createStatement');
  const { indexConfig } = (cell('options') as { indexConfig?: object } | null | undefined) ?? {};
  const state = String(cell('state') ?? 'ONLINE').toLowerCase();
  const propertyType = cell('propertyType');
  return {
    kind,
    name,
    named: true,
    type: String(row.get('type')),
    entity: row.get('entityType') === 'RELATIONSHIP' ? 'relationship' : 'node',
    labels: texts(row.get('labelsOrTypes')),
    properties: texts(row.get('properties')),
    options: `${propertyText(indexConfig ?? {})}${typeof propertyType === 'string' ? propertyType : ''}`,
    state: state === 'failed' || state === 'populating' ? state : 'online',
    create: typeof create === 'string' ? create : undefined,
    drop: neo4jDrop({ kind, name }),
  };
}

async function memgraphItems(connection: GraphConnection): Promise<readonly SchemaItem[]> {
  const indexes = await connection.read(schema.indexes.memgraph, memgraphIndex);
  const constraints = await connection.read(schema.constraints.memgraph, memgraphConstraint);
  const vectors = indexes.some(({ type }) => type === 'vector') ? await vectorConfigs(connection) : [];
  const completed = indexes.map((item) => {
    if (item.type !== 'vector') return item;
    const ours = vectors.find(
      ({ name, label, property }) =>
        name === item.name ||
        (item.name === undefined && label === item.labels.join() && property === item.properties[0]),
    );
    return { ...item, name: ours?.name ?? item.name, vector: ours };
  });
  return [...completed, ...constraints].map(memgraphItem);
}

function memgraphItem(parts: MemgraphSchema): SchemaItem {
  const { kind, entity, type, labels, properties, name, dataType, vector, set } = parts;
  const statements = memgraphStatements(parts);
  const { dimension, metric, scalarKind } = vector ?? {};
  return {
    kind,
    name:
      name ?? `${type} :${labels.join(set === undefined ? ':' : set === 'any' ? '|' : '&')}(${properties.join(', ')})`,
    named: name !== undefined,
    type,
    entity,
    labels,
    properties,
    // A capacity grows by itself, and makes no difference.
    options: `${vector === undefined ? (dataType ?? '') : canonicalJson([dimension ?? 0, metric ?? '', scalarKind ?? ''])}${set ?? ''}`,
    // Memgraph answers when an index is there.
    state: 'online',
    ...(statements ?? {}),
    ...(vector === undefined ? {} : { vector }),
    ...(dataType === undefined ? {} : { dataType }),
  };
}

/** The inverse of {@link memgraphItem}, which keeps what only Memgraph has beside the members that all items have. */
function memgraphParts(item: SchemaItem): MemgraphSchema {
  const { vector, dataType } = item as Pick<MemgraphSchema, 'vector' | 'dataType'>;
  return { ...item, name: item.named ? item.name : undefined, vector, dataType };
}

function memgraphIndex(row: Row): MemgraphSchema {
  const full = String(row.get('index type'));
  // Of text and vector indexes the name stands in here: `label_text (name: summaries)`.
  const [, kind = full, name] = /^(.*?)(?: \(name: (.*)\))?$/s.exec(full) ?? [];
  const entity = kind.startsWith('edge') ? 'relationship' : 'node';
  const type = /(text|vector|point)$/.exec(kind)?.[1] ?? kind;
  const cell = texts(row.get('label'));
  const [label] = cell;
  const labels = type === 'vector' && label !== undefined && cell.length === 1 ? listedLabels(label) : { labels: cell };
  return { kind: 'index', entity, type, ...labels, properties: texts(row.get('property')), name };
}

function memgraphConstraint(row: Row): MemgraphSchema {
  const type = String(row.get('constraint type'));
  const dataType = row.has('data_type') && row.get('data_type');
  return {
    kind: 'constraint',
    entity: 'node',
    type,
    labels: texts(row.get('label')),
    properties: texts(row.get('properties')),
    ...(typeof dataType === 'string' && dataType !== '' ? { dataType } : {}),
  };
}

type VectorIndex = NonNullable<MemgraphSchema['vector']> & {
  readonly name: string;
  readonly label: string;
  readonly property: string;
};

async function vectorConfigs(connection: GraphConnection): Promise<readonly VectorIndex[]> {
  const map = (row: Row): VectorIndex => ({
    name: String(row.get('index_name')),
    label: listedLabels(String(row.get('label'))).labels.join(),
    property: String(row.get('property')),
    dimension: Number(row.get('dimension')),
    capacity: Number(row.get('capacity')),
    metric: String(row.get('metric')),
    scalarKind: row.has('scalar_kind') ? String(row.get('scalar_kind')) : undefined,
  });
  return (await unlessRefused(() => connection.read(schema.vectorIndexes, map))) ?? [];
}

/** A cell that holds one text, a list of them or nothing. */
function texts(cell: unknown): readonly string[] {
  if (cell === null || cell === undefined) return [];
  return (Array.isArray(cell) ? cell : [cell]).map(String);
}

import { setTimeout as sleep } from 'node:timers/promises';
import { MigrateError } from '../../model/errors.ts';
import type { Json } from '../../model/json.ts';
import type { Move } from '../../model/move.ts';
import type { GraphConnection, Row } from './connection.ts';
import { graphError } from './graph-error.ts';
import type { NodeId, TypedRelationship } from './graph-store.ts';
import type { NodePasses } from './node-passes.ts';
import { type DriverTypes, propertyJson, propertyValue } from './property-json.ts';
import { type SchemaItem, storedSchema } from './schema-reading.ts';
import type { GraphServer } from './server-facts.ts';
import { type Dialect, idParameters, reading, type Statement, writeMark } from './statements.ts';
import { backupStatements, RESTORE_MARK } from './statements-backup.ts';
import { schema } from './statements-schema.ts';

/** Properties as JSON that keeps their types; see `property-json.ts`. */
export type PropertiesJson = Readonly<Record<string, Json>>;

/** A node with all that it holds. */
export interface StoredNode {
  readonly id: NodeId;
  /** In code-unit order. */
  readonly labels: readonly string[];
  readonly properties: PropertiesJson;
  /** Set by a restore that has not ended yet; no part of the properties. */
  readonly mark: string | undefined;
  /** Types of properties that JSON cannot hold here, and that are left out. */
  readonly unknownTypes: readonly string[];
}

/** A relationship that touches at least one node of a label. */
export interface StoredRelationship {
  readonly id: string;
  readonly type: string;
  readonly start: NodeId;
  readonly end: NodeId;
  readonly properties: PropertiesJson;
  /** The end that does not carry the label, as it is now. */
  readonly outside: (StoredNode & { readonly end: 'start' | 'end' }) | undefined;
  readonly mark: string | undefined;
  readonly unknownTypes: readonly string[];
}

/** An index or constraint with the statement that makes it. */
export interface StoredSchema {
  /** Equal for equal indexes and constraints, whatever their names. */
  readonly key: string;
  readonly name: string;
  /** Undefined where the server tells too little to make it again. */
  readonly create: string | undefined;
  readonly item: SchemaItem;
}

/** Reading whole nodes and relationships. Streams fail where the connection is lost: what they gave is then void. */
export interface GraphBackupReading {
  storedNodes(label: string): AsyncIterable<readonly StoredNode[]>;
  storedRelationships(label: string): AsyncIterable<readonly StoredRelationship[]>;
  /** Those of the nodes that exist. */
  nodesById(ids: readonly NodeId[]): Promise<readonly StoredNode[]>;
  storedSchema(label: string): Promise<readonly StoredSchema[]>;
}

/** Writing what a backup holds. Nothing that exists is changed but for the marks. */
export interface GraphBackupWriting {
  /** Makes marked nodes in one transaction, once whatever happens to the connection. Resolves to mark → id. */
  createNodes(wanted: NodesToCreate): Promise<ReadonlyMap<string, NodeId>>;
  /** Makes marked relationships of one type; those whose mark stands between their ends already are left. */
  createRelationships(type: string, rows: readonly RelationshipToCreate[]): Promise<void>;
  /** Takes the restore's mark from these nodes, or from all relationships that touch them. */
  unmark(what: 'nodes' | 'relationships', ids: readonly NodeId[]): Promise<void>;
  createSchema(create: string): Promise<void>;
  /** Resolves when these indexes answer. */
  awaitIndexes(names: readonly string[]): Promise<void>;
}

export interface NodesToCreate {
  /** The tenant's, by which a look after a lost reply finds them. */
  readonly label: string;
  readonly labels: readonly string[];
  readonly rows: readonly { readonly mark: string; readonly properties: PropertiesJson }[];
}

export interface RelationshipToCreate {
  readonly start: NodeId;
  readonly end: NodeId;
  readonly mark: string;
  readonly properties: PropertiesJson;
}

const TRIES = 4;
const PAUSE_MS = 500;

export function graphBackupReading(
  connection: GraphConnection,
  server: GraphServer,
  passes: NodePasses,
): GraphBackupReading {
  const { dialect } = server;
  return {
    storedNodes: (label) => rowsOf(connection, passes.content(reading.nodes(dialect, { label })), storedNode),
    storedRelationships(label) {
      const [whole, ofIds] = [false, true].map((each) => backupStatements.relationships(dialect, label, each));
      const rows = passes.about(reading.ids(dialect, { label }), whole ?? [], ofIds ?? []);
      return rowsOf(connection, rows, storedRelationship);
    },
    nodesById: (ids) =>
      ids.length === 0
        ? Promise.resolve([])
        : connection.read({ ...reading.nodesById(dialect), parameters: idParameters(dialect, ids) }, storedNode),
    storedSchema: (label) => storedSchema(connection, server, label),
  };
}

/** `settle` resolves when no write with the mark of this move is running any more. */
export function graphBackupWriting(
  connection: GraphConnection,
  dialect: Dialect,
  settle: (move: Move) => Promise<void>,
): GraphBackupWriting {
  const idOf = (id: NodeId): unknown => (dialect.idFunction === 'id' ? BigInt(id) : id);
  const write = async (statement: Statement) => void (await connection.write(statement, () => undefined));
  return {
    async createNodes({ label, labels, rows }) {
      const types = await driverTypes();
      const valued = rows.map(({ mark, properties }) => ({ ...valuesOf(properties, types), [RESTORE_MARK]: mark }));
      const marks = rows.map(({ mark }) => mark);
      // Not a move, but marked as one: so a statement whose reply was lost can be waited for.
      const move = { source: label, target: 'restore' };
      return createOnce(connection, {
        create: {
          ...backupStatements.createNodes(dialect, labels, valued),
          metadata: writeMark(move, connection.runId),
        },
        look: backupStatements.marked(dialect, label, marks),
        settle: () => settle(move),
      });
    },
    async createRelationships(type, rows) {
      const types = await driverTypes();
      const valued = rows.map(({ start, end, mark, properties }) => {
        return { start: idOf(start), end: idOf(end), mark, properties: valuesOf(properties, types) };
      });
      await write(backupStatements.createRelationships(dialect, type, valued));
    },
    unmark: (what, ids) =>
      ids.length === 0
        ? Promise.resolve()
        : write({ ...backupStatements.unmark[what](dialect), parameters: idParameters(dialect, ids) }),
    async createSchema(create) {
      // A backup is a file, and files are changed: nothing else is ever run from it.
      if (!/^CREATE (?:[A-Z]+ )*(?:INDEX|CONSTRAINT) /.test(create)) {
        throw new MigrateError('store', 'the backup holds a schema statement of another kind', { stage: 'graph' });
      }
      await write({ text: create });
    },
    async awaitIndexes(names) {
      // Memgraph answers when an index is there. Never all of the server's: another tenant's may have failed long ago.
      if (dialect.name !== 'neo4j') return;
      for (const name of names) await write(schema.awaitIndex(name));
    },
  };
}

/** Sends a creating statement that must not take effect twice: after a lost reply the marks are looked for. */
async function createOnce(
  connection: GraphConnection,
  { create, look, settle }: { create: Statement; look: Statement; settle: () => Promise<void> },
): Promise<ReadonlyMap<string, NodeId>> {
  const pair = (row: Row) => [String(row.get('mark')), String(row.get('id'))] as const;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return new Map(await connection.writeOnce(create, pair));
    } catch (error) {
      if (!(error instanceof MigrateError) || !error.retryable || attempt >= TRIES) throw error;
      await sleep(PAUSE_MS * attempt);
      await settle();
      const made = await connection.read(look, pair);
      if (made.length > 0) return new Map(made);
    }
  }
}

async function* rowsOf<T>(
  connection: GraphConnection,
  chunks: AsyncIterable<readonly Row[]>,
  map: (row: Row) => T,
): AsyncGenerator<readonly T[]> {
  try {
    for await (const rows of chunks) yield rows.map(map);
  } catch (error) {
    throw graphError(error, connection.address);
  }
}

async function driverTypes(): Promise<DriverTypes> {
  return (await import('neo4j-driver')).default.types;
}

function valuesOf(properties: PropertiesJson, types: DriverTypes): Record<string, unknown> {
  return Object.fromEntries(Object.entries(properties).map(([name, json]) => [name, propertyValue(json, types)]));
}

function storedNode(row: Row): StoredNode {
  return { id: String(row.get('id')), labels: labelsOf(row.get('labels')), ...propertiesOf(row.get('properties')) };
}

/** A row `id, start, end, properties`. */
export function typedRelationship(row: Row): TypedRelationship {
  const { properties } = propertiesOf(row.get('properties'));
  return { id: String(row.get('id')), start: String(row.get('start')), end: String(row.get('end')), properties };
}

function storedRelationship(row: Row): StoredRelationship {
  const outside = row.get('outside');
  const [start, end] = [String(row.get('start')), String(row.get('end'))];
  return {
    id: String(row.get('id')),
    type: String(row.get('type')),
    start,
    end,
    ...propertiesOf(row.get('properties')),
    outside:
      outside === 'start' || outside === 'end'
        ? {
            end: outside,
            id: outside === 'start' ? start : end,
            labels: labelsOf(row.get('otherLabels')),
            ...propertiesOf(row.get('otherProperties')),
          }
        : undefined,
  };
}

const labelsOf = (cell: unknown): readonly string[] => (Array.isArray(cell) ? cell.map(String).sort() : []);

function propertiesOf(cell: unknown): Pick<StoredNode, 'properties' | 'mark' | 'unknownTypes'> {
  const { [RESTORE_MARK]: mark, ...members } = cell as Record<string, unknown>;
  const properties: Record<string, Json> = {};
  const unknownTypes: string[] = [];
  for (const [name, value] of Object.entries(members)) {
    const json = propertyJson(value);
    if (json === undefined) unknownTypes.push(typeName(value));
    else properties[name] = json;
  }
  return { properties, mark: typeof mark === 'string' ? mark : undefined, unknownTypes };
}

function typeName(value: unknown): string {
  return typeof value === 'object' && value !== null ? String(value.constructor?.name) : typeof value;
}

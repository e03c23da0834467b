import type { Move } from '../../model/move.ts';
import { GraphConnection, type GraphSettings } from './connection.ts';
import type { GraphBackupReading, GraphBackupWriting, PropertiesJson } from './graph-backup.ts';
import { graphReader } from './graph-reader.ts';
import { graphWriting } from './graph-writing.ts';
import type { SchemaCopy, SchemaItem } from './schema-reading.ts';
import { type GraphMemory, type GraphServer, type GraphState, identify } from './server-facts.ts';
import type { GraphMove, LabelScope, Values } from './statements.ts';

/** A node's id as text: Neo4j's element id, or the integer id of Memgraph and Neo4j 4. */
export type NodeId = string;

/** A node without its content. */
export interface GraphNode {
  readonly id: NodeId;
  /** In code-unit order. */
  readonly labels: readonly string[];
  /** SHA-256 of the properties, hex. */
  readonly content: string;
}

/** Nodes that carry exactly these labels. */
export interface LabelCount {
  /** In code-unit order. */
  readonly labels: readonly string[];
  readonly count: number;
}

/** Relationships of one type that leave (`out`) or reach (`in`) nodes of a label. */
export interface RelationshipCount {
  readonly direction: 'out' | 'in';
  readonly type: string;
  readonly count: number;
}

/** What all nodes with exactly these labels hold, in one number that does not depend on their order. */
export interface ContentSum extends LabelCount {
  /** 128 bits, hex. */
  readonly sum: string;
}

/** Reads a graph. Every statement runs in a READ session, in which Neo4j refuses writes. Throws MigrateError only. */
export interface GraphReader extends GraphBackupReading {
  /** Without credentials. */
  readonly address: string;
  readonly server: GraphServer;
  /** Whether it takes writes and can roll them back. */
  state(): Promise<GraphState>;
  /** What it uses of its memory now: of Neo4j's heap, of Memgraph's limit. Undefined where it does not tell this user. */
  memory(): Promise<GraphMemory | undefined>;
  /** The labels in use; undefined where the server could tell only by reading every node. */
  labels(): Promise<readonly string[] | undefined>;
  /** Indexes and constraints on node labels and relationship types, all tenants'. */
  schema(): Promise<readonly SchemaItem[]>;
  /** The statement that makes the same index or constraint for another label; undefined where the server tells too little. */
  schemaCopy(item: SchemaItem, to: SchemaCopy): string | undefined;
  /** For each set, how many nodes carry all its labels. */
  counts(labelSets: readonly (readonly string[])[]): Promise<readonly number[]>;
  combinations(scope: LabelScope): Promise<readonly LabelCount[]>;
  relationships(scope: LabelScope): Promise<readonly RelationshipCount[]>;
  /** For a uniqueness rule: values that source nodes share with target nodes, and that nodes of one of them share. */
  clashes(move: GraphMove, properties: readonly string[]): Promise<number>;
  /**
   * For a uniqueness rule in which properties take part that get another value: nodes of the label that will agree with
   * another one, and one of their values in a property that keeps it.
   */
  valueClashes(
    label: string,
    properties: readonly string[],
    values: Values,
  ): Promise<{ readonly count: number; readonly value: unknown }>;
  /** For an existence rule: nodes of the label that lack one of the properties. */
  lacking(label: string, properties: readonly string[]): Promise<number>;
  /** Nodes that are the source's, or the target's, by a property alone: without their label. None where no property counts. */
  bareCounts(move: GraphMove): Promise<{ readonly source: number; readonly target: number }>;
  /** Relationships at the source's nodes that hold its id in one of the properties. */
  valuedRelationships(move: GraphMove): Promise<number>;
  /** Relationships of each type. */
  typeCounts(types: readonly string[]): Promise<readonly number[]>;
  /** Relationships of the type named after the source of which neither end is the tenant's. */
  foreignTyped(move: GraphMove): Promise<number>;
  /** All relationships of a type, in chunks. One may come twice where the connection was lost. */
  typed(type: string): AsyncIterable<readonly TypedRelationship[]>;
  /** What else on the server names a tenant. What it keeps from this user is undefined. */
  surroundings(): Promise<Surroundings>;
  /** The statements that a move and its undo would send, for people. */
  statements(move: GraphMove): readonly string[];
  /** Reads at most `limit` ids of a label and throws them away; resolves to how many there were. A speed probe. */
  skim(label: string, limit: number): Promise<number>;
  /** A seeded uniform sample of the source's nodes, from one pass over their ids. */
  sample(wanted: { move: GraphMove; size: number; seed: number; signal: AbortSignal }): Promise<readonly SampledNode[]>;
  /** Those of the nodes that exist, with their content as it is once the move is done. */
  nodes(ids: readonly NodeId[], move: GraphMove): Promise<readonly GraphNode[]>;
  /**
   * Sums over (id, labels, properties) of every node at both ends, as if all had been moved: the same before, during and
   * after a move. Memory is bounded by the number of label sets.
   */
  sums(move: GraphMove, signal: AbortSignal): Promise<readonly ContentSum[]>;
  /**
   * Ids of the source's nodes, and whether they carry the target label already, in chunks and with back-pressure. An id
   * may come twice where the connection was lost.
   */
  movable(move: GraphMove): AsyncIterable<readonly MovableNode[]>;
  close(): Promise<void>;
}

/** A node that stands at the source. */
export interface MovableNode {
  readonly id: NodeId;
  /** It carries the target label too. */
  readonly had: boolean;
  /** It does not carry the source label: a property alone makes it the source's. */
  readonly bare: boolean;
  /** Properties that hold the source's id. */
  readonly held: readonly string[];
}

/** A node with the names of properties whose whole value is the source's id. */
export interface SampledNode extends GraphNode {
  readonly holds: readonly string[];
  /** Properties with a list of which the source's id is one element. */
  readonly holdsInList: readonly string[];
}

/** A relationship with its properties as `property-json.ts` writes them. A type and not an interface, so that it is JSON. */
export type TypedRelationship = {
  readonly id: string;
  readonly start: NodeId;
  readonly end: NodeId;
  readonly properties: PropertiesJson;
};

export interface Surroundings {
  readonly databases?: readonly string[] | undefined;
  /** Memgraph's. */
  readonly triggers?: readonly { readonly name: string; readonly statement: string }[] | undefined;
  /** Privileges as the server words them. */
  readonly privileges?: readonly string[] | undefined;
}

/** Reads and writes a graph. */
export interface GraphWriter extends GraphReader, GraphBackupWriting {
  /** Tries what a move writes, labels and properties, at one node, and rolls it back. Throws `denied` where this user or server may not. */
  rehearse(move: GraphMove): Promise<void>;
  /**
   * Asks for the right to make and drop such an index or constraint, by statements that would change nothing and are
   * rolled back. Memgraph cannot be asked: there it resolves.
   */
  rehearseSchema(item: SchemaItem): Promise<void>;
  /** Runs one schema statement that makes or drops what `isDone` looks for, once in effect whatever the connection does. */
  alterSchema(change: SchemaChange): Promise<void>;
  /** Reads the schema again and again, until `isReady` says so or throws. */
  awaitSchema(isReady: (schema: readonly SchemaItem[]) => boolean, signal: AbortSignal): Promise<void>;
  /**
   * Resolves when no earlier write of this move is running any more, such as one whose reply was lost. Throws `store`
   * after five seconds.
   */
  settle(move: Move): Promise<void>;
  /**
   * Makes sure that nothing an earlier process of the same run has sent can still be carried out: ends its connections
   * and transactions where the server lets us, else waits for them. Throws `store` where one does not end in time.
   */
  quiesce(wanted: QuiesceWanted): Promise<Quiesced>;
  /** Moves these nodes in one transaction; those that no longer carry the source are left alone. */
  relabel(move: GraphMove, ids: readonly NodeId[]): Promise<{ readonly moved: number; readonly vanished: number }>;
  /** Moves these nodes back in one transaction, and resolves to how many; those in `had` keep the target label. */
  restore(move: GraphMove, ids: readonly NodeId[], had: readonly NodeId[]): Promise<number>;
  /** Gives a property its source value back where it has the target's, and resolves to the nodes that it changed. */
  restoreValue(move: GraphMove, name: string, ids: readonly NodeId[]): Promise<readonly NodeId[]>;
  /**
   * Makes these relationships again under the target's type, with their properties, and deletes the old ones, in one
   * transaction. Resolves to old id → new id; empty where a lost reply leaves the new ids unknown.
   */
  retype(move: Move, rows: readonly TypedRelationship[]): Promise<ReadonlyMap<string, string>>;
  /** Those of a type that leave these nodes. */
  typedFrom(type: string, starts: readonly NodeId[]): Promise<readonly TypedRelationship[]>;
}

export interface SchemaChange {
  readonly move: Move;
  readonly statement: string;
  /** Looked at before it is sent again after a lost reply. */
  isDone(schema: readonly SchemaItem[]): boolean;
}

export interface QuiesceWanted {
  readonly moves: readonly Move[];
  /** Longest wait for what cannot be ended, ms. */
  readonly settleMs: number;
  readonly signal: AbortSignal;
}

/** How many leftovers were ended, and whether it also had to wait, since the server tells no connections. */
export interface Quiesced {
  readonly connections: number;
  readonly transactions: number;
  readonly waited: boolean;
}

/** Connects for reading. Throws `unreachable`, `unauthorised`, `unsupported` or `settings`. */
export async function openGraphReader(settings: GraphSettings): Promise<GraphReader> {
  const connection = await GraphConnection.open(settings);
  return closingOnFailure(connection, async () => graphReader(connection, await identify(connection)));
}

/** Connects for writing. Throws as {@link openGraphReader} does. */
export async function openGraphWriter(settings: GraphSettings): Promise<GraphWriter> {
  const connection = await GraphConnection.open(settings);
  return closingOnFailure(connection, async () => {
    const reader = graphReader(connection, await identify(connection));
    return { ...reader, ...graphWriting(connection, reader.server) };
  });
}

async function closingOnFailure<T>(connection: GraphConnection, build: () => Promise<T>): Promise<T> {
  try {
    return await build();
  } catch (error) {
    await connection.close();
    throw error;
  }
}

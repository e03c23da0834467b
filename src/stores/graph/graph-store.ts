import type { Move } from '../../model/move.ts';
import { GraphConnection, type GraphSettings } from './connection.ts';
import type { GraphBackupReading, GraphBackupWriting } from './graph-backup.ts';
import { graphReader } from './graph-reader.ts';
import { graphWriting } from './graph-writing.ts';
import { type GraphServer, type GraphState, identify, type SchemaItem } from './server-facts.ts';
import type { LabelScope } from './statements.ts';

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
  /** The labels in use; undefined where the server could tell only by reading every node. */
  labels(): Promise<readonly string[] | undefined>;
  /** Indexes and constraints on node labels, all tenants'. */
  schema(): Promise<readonly SchemaItem[]>;
  /** For each set, how many nodes carry all its labels. */
  counts(labelSets: readonly (readonly string[])[]): Promise<readonly number[]>;
  combinations(scope: LabelScope): Promise<readonly LabelCount[]>;
  relationships(scope: LabelScope): Promise<readonly RelationshipCount[]>;
  /** For a uniqueness rule of the target: values that source nodes share with target nodes or with one another. */
  clashes(move: Move, properties: readonly string[]): Promise<number>;
  /** Reads at most `limit` ids of a label and throws them away; resolves to how many there were. A speed probe. */
  skim(label: string, limit: number): Promise<number>;
  /** A seeded uniform sample of a label's nodes, from one pass over their ids. */
  sample(wanted: { label: string; size: number; seed: number; signal: AbortSignal }): Promise<readonly GraphNode[]>;
  /** Those of the nodes that exist. */
  nodes(ids: readonly NodeId[]): Promise<readonly GraphNode[]>;
  /**
   * Sums over (id, labels, properties) of every node at both ends, as if all had been moved: the same before, during and
   * after a move. Memory is bounded by the number of label sets.
   */
  sums(move: Move, signal: AbortSignal): Promise<readonly ContentSum[]>;
  /**
   * Ids of the source's nodes, and whether they carry the target label already, in chunks and with back-pressure. An id
   * may come twice where the connection was lost.
   */
  movable(move: Move): AsyncIterable<readonly MovableNode[]>;
  close(): Promise<void>;
}

/** A node that stands at the source. */
export interface MovableNode {
  readonly id: NodeId;
  /** It carries the target label too. */
  readonly had: boolean;
}

/** Reads and writes a graph. */
export interface GraphWriter extends GraphReader, GraphBackupWriting {
  /** Tries a label write and rolls it back. Throws `denied` where this user or server may not. */
  rehearse(label: string): Promise<void>;
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
  relabel(move: Move, ids: readonly NodeId[]): Promise<{ readonly moved: number; readonly vanished: number }>;
  /** Moves these nodes back in one transaction, and resolves to how many; those in `had` keep the target label. */
  restore(move: Move, ids: readonly NodeId[], had: readonly NodeId[]): Promise<number>;
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
    return { ...reader, ...graphWriting(connection, reader.server.dialect) };
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

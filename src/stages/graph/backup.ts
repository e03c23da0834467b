import { digest } from '../../model/fingerprint.ts';
import { grouped } from '../../model/grouped.ts';
import { canonicalJson, type Json } from '../../model/json.ts';
import type { Move } from '../../model/move.ts';
import type { Profile } from '../../profiles/profile.ts';
import type { PropertiesJson, StoredNode, StoredRelationship } from '../../stores/graph/graph-backup.ts';
import type { GraphReader, GraphWriter } from '../../stores/graph/graph-store.ts';
import type { BackupBatch, BackupLine, BackupPart, PlanContext, StageBackup } from '../stage.ts';
import { compareGraph } from './compare-backup.ts';
import { graphMoveOf, labelOf } from './graph-move.ts';
import { restoreGraph } from './restore.ts';
import { signatureAfter, signatureOf } from './schema-plan.ts';
import type { SchemaEntry } from './schema-steps.ts';

const IDS_IN_AN_ENTRY = 10_000;

/** A node as a backup has it. */
export interface NodeRecord {
  readonly kind: 'node';
  /** In the server from which it came. */
  readonly id: string;
  readonly labels: readonly string[];
  readonly properties: PropertiesJson;
}

/** A relationship as a backup has it. */
export interface RelationshipRecord {
  readonly kind: 'relationship';
  readonly id: string;
  readonly type: string;
  readonly start: string;
  readonly end: string;
  readonly properties: PropertiesJson;
  /** Which end is no node of the tenant, with the digest by which it is known again. */
  readonly outside?: { readonly end: 'start' | 'end'; readonly digest: string };
}

/** An index or constraint as a backup has it. */
export interface SchemaRecord {
  readonly kind: 'schema';
  readonly key: string;
  readonly name: string;
  readonly create: string;
  /** See `signatureOf`; absent in backups of versions that left indexes where they were. */
  readonly signature?: string;
}

/**
 * The tenant's nodes, all relationships that touch them, and the indexes and constraints on its label. Nodes come first,
 * so that whoever reads the part knows both ends of a relationship.
 */
export const graphBackup: StageBackup<GraphReader, GraphWriter> = {
  read: readGraph,
  compare: compareGraph,
  restore: restoreGraph,
  undoEntries: undoEntriesOf,
};

/** What a node is, whatever its id: equal for nodes that nobody can tell apart. */
export function nodeDigest({ labels, properties }: Pick<NodeRecord, 'labels' | 'properties'>): string {
  // 128 bits: one is kept in memory for each node.
  return digest(canonicalJson([labels, properties])).slice(0, 32);
}

/** What a relationship is, whatever the ids of its ends. */
export function relationshipDigest(
  { type, properties }: Pick<RelationshipRecord, 'type' | 'properties'>,
  ends: { readonly start: string; readonly end: string },
): string {
  return digest(type, canonicalJson(properties), ends.start, ends.end).slice(0, 32);
}

/** The part's records, in the order of its lines and in their batches. */
export async function* graphRecords(
  part: BackupPart,
): AsyncGenerator<readonly (NodeRecord | RelationshipRecord | SchemaRecord)[]> {
  for await (const lines of part.lines()) yield lines.map((line) => JSON.parse(line) as NodeRecord);
}

async function* readGraph(id: string, ctx: PlanContext<GraphReader>): AsyncGenerator<BackupBatch> {
  const tenant = labelOf(id, ctx.profile);
  const unknown = new Map<string, number>();
  const note = (records: readonly (StoredNode | StoredRelationship)[]) => {
    for (const type of records.flatMap(({ unknownTypes }) => unknownTypes))
      unknown.set(type, (unknown.get(type) ?? 0) + 1);
  };
  for await (const nodes of ctx.store.storedNodes(tenant)) {
    ctx.signal.throwIfAborted();
    note(nodes);
    yield { lines: nodes.map(({ id, labels, properties }) => line({ kind: 'node', id, labels, properties })) };
  }
  for await (const relationships of ctx.store.storedRelationships(tenant)) {
    ctx.signal.throwIfAborted();
    note(relationships);
    yield { lines: relationships.map((relationship) => line(relationshipRecord(relationship))) };
  }
  const notKept = [...unknown].map(([type, count]) => `${grouped(count)} properties of type ${type}`);
  const { source: bare } = await ctx.store.bareCounts(graphMoveOf({ source: id, target: id }, ctx.profile));
  if (bare > 0) notKept.push(`${grouped(bare)} nodes that hold the tenant in a property alone, without its label`);
  const schema = await ctx.store.storedSchema(tenant);
  const lines = schema.flatMap(({ key, name, create, item }): BackupLine[] => {
    if (create !== undefined) return [line({ kind: 'schema', key, name, create, signature: signatureOf(item) })];
    notKept.push(`the index or constraint ${name}: the server tells too little to make it again`);
    return [];
  });
  yield { lines, notKept };
}

function relationshipRecord({ id, type, start, end, properties, outside }: StoredRelationship): RelationshipRecord {
  const record = { kind: 'relationship', id, type, start, end, properties } as const;
  return outside === undefined ? record : { ...record, outside: { end: outside.end, digest: nodeDigest(outside) } };
}

function line(record: NodeRecord | RelationshipRecord | SchemaRecord): BackupLine {
  return { kind: record.kind, text: JSON.stringify(record) };
}

/** As the run's undo log would tell it, newest first: indexes that finalize dropped, nodes, relationships, new indexes. */
async function* undoEntriesOf(part: BackupPart, ids: Move, profile: Profile): AsyncGenerator<Json[]> {
  const { source, target, values } = graphMoveOf(ids, profile);
  const move = { source, target };
  for await (const schema of recordsOf<SchemaRecord>(part, 'schema')) {
    const dropped = schema.flatMap(({ signature, create }): SchemaEntry[] =>
      signature === undefined ? [] : [{ move, schema: 'dropped', signature, create }],
    );
    if (dropped.length > 0) yield dropped;
  }
  for await (const nodes of recordsOf<NodeRecord>(part, 'node')) {
    const idsOf = (some: readonly NodeRecord[]) => some.map(({ id }) => id);
    const entry = { move, ids: idsOf(nodes), had: idsOf(nodes.filter(({ labels }) => labels.includes(target))) };
    const held = (values?.names ?? []).map(
      (name) => [name, idsOf(nodes.filter(({ properties }) => properties[name] === ids.source))] as const,
    );
    yield [values === undefined ? entry : { ...entry, bare: [], held: Object.fromEntries(held) }];
  }
  for await (const records of recordsOf<RelationshipRecord>(part, 'relationship')) {
    const relationships = records
      .filter(({ type }) => type === source)
      .map(({ id, start, end, properties }) => ({ id, start, end, properties }));
    if (relationships.length > 0) yield [{ move, relationships }];
  }
  for await (const schema of recordsOf<SchemaRecord>(part, 'schema')) {
    const made = schema.flatMap(({ create, signature }): SchemaEntry[] => {
      if (signature === undefined) return [];
      return [{ move, schema: 'made', signature: signatureAfter(signature, move), create, guessed: true }];
    });
    if (made.length > 0) yield made;
  }
}

/** Records of one kind, in groups of at most a batch. */
async function* recordsOf<T extends { readonly kind: string }>(
  part: BackupPart,
  kind: T['kind'],
): AsyncGenerator<readonly T[]> {
  let group: T[] = [];
  for await (const records of graphRecords(part)) {
    for (const record of records) {
      if (record.kind !== kind) continue;
      group.push(record as unknown as T);
      if (group.length < IDS_IN_AN_ENTRY) continue;
      yield group;
      group = [];
    }
  }
  if (group.length > 0) yield group;
}

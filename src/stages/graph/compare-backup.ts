import { grouped } from '../../model/grouped.ts';
import type { GraphReader } from '../../stores/graph/graph-store.ts';
import { RestoreTally } from '../restore-tally.ts';
import type { BackupPart, PlanContext, RestoreLook } from '../stage.ts';
import {
  graphRecords,
  type NodeRecord,
  nodeDigest,
  type RelationshipRecord,
  relationshipDigest,
  type SchemaRecord,
} from './backup.ts';
import { labelOf } from './graph-move.ts';
import { outsideNodes } from './outside-nodes.ts';

/** What the store and the backup hold, by content: two nodes that nobody can tell apart stand for each other. */
interface Comparing {
  readonly ctx: PlanContext<GraphReader>;
  readonly tally: RestoreTally;
  /** Nodes and relationships of the store that no record of the backup has been matched with. */
  readonly nodes: Map<string, number>;
  readonly relationships: Map<string, number>;
  /** The digests of the backup's nodes by their id there. */
  readonly digests: Map<string, string>;
  absentNodes: number;
}

/** See the contract. Nodes have no names: a node that is not as in the backup may be one of its nodes, changed since. */
export async function compareGraph(part: BackupPart, ctx: PlanContext<GraphReader>): Promise<RestoreLook> {
  const tally = new RestoreTally();
  const nodes = new Map<string, number>();
  const relationships = new Map<string, number>();
  const label = labelOf(part.tenant, ctx.profile);
  await readStore(label, { ctx, tally, nodes, relationships });
  const comparing: Comparing = { ctx, tally, nodes, relationships, digests: new Map(), absentNodes: 0 };
  for await (const records of graphRecords(part)) {
    ctx.signal.throwIfAborted();
    for (const record of records) if (record.kind === 'node') compareNode(record, comparing);
    const of = <K extends string>(kind: K) => records.filter((record) => record.kind === kind);
    await compareRelationships(of('relationship') as readonly RelationshipRecord[], comparing);
    await compareSchema(label, of('schema') as readonly SchemaRecord[], comparing);
  }
  const others = sum(nodes);
  if (comparing.absentNodes > 0 && others > 0) {
    tally.differs(`${grouped(others)} nodes labelled ${label} that are not as in the backup`, others);
  } else if (others + sum(relationships) > 0) {
    tally.note(
      `${grouped(others)} nodes and ${grouped(sum(relationships))} relationships are not in the backup, and stay`,
    );
  }
  return tally.look();
}

async function readStore(
  tenant: string,
  { ctx, tally, nodes, relationships }: Pick<Comparing, 'ctx' | 'tally' | 'nodes' | 'relationships'>,
): Promise<void> {
  const digests = new Map<string, string>();
  for await (const chunk of ctx.store.storedNodes(tenant)) {
    ctx.signal.throwIfAborted();
    for (const node of chunk) {
      const content = nodeDigest(node);
      digests.set(node.id, content);
      nodes.set(content, (nodes.get(content) ?? 0) + 1);
      // A restore that was stopped has left its marks: it wants to be ended.
      if (node.mark !== undefined) tally.hasWork();
    }
  }
  for await (const chunk of ctx.store.storedRelationships(tenant)) {
    ctx.signal.throwIfAborted();
    for (const one of chunk) {
      const outside = one.outside === undefined ? '' : nodeDigest(one.outside);
      const ends = { start: digests.get(one.start) ?? outside, end: digests.get(one.end) ?? outside };
      const content = relationshipDigest(one, ends);
      relationships.set(content, (relationships.get(content) ?? 0) + 1);
      if (one.mark !== undefined) tally.hasWork();
    }
  }
}

function compareNode(record: NodeRecord, comparing: Comparing): void {
  const content = nodeDigest(record);
  comparing.digests.set(record.id, content);
  const stands = takeOne(comparing.nodes, content);
  comparing.tally.add(stands ? 'equal' : 'absent');
  if (!stands) comparing.absentNodes += 1;
}

async function compareRelationships(records: readonly RelationshipRecord[], comparing: Comparing): Promise<void> {
  const { tally, digests, ctx, relationships } = comparing;
  const absent = records.filter((record) => {
    const outside = record.outside?.digest;
    const [start, end] = [digests.get(record.start) ?? outside, digests.get(record.end) ?? outside];
    if (start === undefined || end === undefined) {
      tally.add('notRestorable');
      tally.note('relationships to nodes that came while the backup was made cannot be restored');
      return false;
    }
    if (!takeOne(relationships, relationshipDigest(record, { start, end }))) return true;
    tally.add('equal');
    return false;
  });
  const outside = await outsideNodes(ctx.store, absent);
  for (const { outside: other, start, end, type } of absent) {
    if (other === undefined || outside.has(other.end === 'start' ? start : end)) tally.add('absent');
    else {
      tally.add('notRestorable');
      tally.note(`relationships ${type} to nodes of others cannot be restored: those are not here as they were`);
    }
  }
}

async function compareSchema(
  tenant: string,
  records: readonly SchemaRecord[],
  { tally, ctx }: Comparing,
): Promise<void> {
  if (records.length === 0) return;
  const standing = await ctx.store.storedSchema(tenant);
  for (const { key, name } of records) {
    if (standing.some((item) => item.key === key)) continue;
    if (standing.some((item) => item.name === name)) {
      tally.add('notRestorable');
      tally.note(`the name ${name} belongs to another index or constraint now, which stays`);
    } else tally.lacksSchema();
  }
}

function takeOne(counts: Map<string, number>, content: string): boolean {
  const count = counts.get(content) ?? 0;
  if (count === 0) return false;
  counts.set(content, count - 1);
  return true;
}

function sum(counts: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}

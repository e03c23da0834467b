import type { GraphWriter, NodeId } from '../../stores/graph/graph-store.ts';
import type { BackupPart, RestoreContext } from '../stage.ts';
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

const UNMARKED_AT_ONCE = 1_000;

/** What stands in the store before a restore writes, and what it makes. Holds some hundred bytes for each node. */
interface Restoring {
  readonly part: BackupPart;
  readonly ctx: RestoreContext<GraphWriter>;
  /** The backup's node ids → this store's. */
  readonly ids: Map<string, NodeId>;
  /** Nodes that carry a mark, and nodes whose relationships may. */
  readonly marked: Set<NodeId>;
  readonly touched: Set<NodeId>;
  /** Relationships of this restore that an earlier try has made, by their id in the backup. */
  readonly made: Set<string>;
  /** Other relationships of the store, by content. */
  readonly relationships: Map<string, number>;
}

/**
 * See the contract. Everything that is made carries a mark with its id in the backup until all is made, so that a restore
 * that was stopped goes on where it was, and nothing is made twice.
 */
export async function* restoreGraph(part: BackupPart, ctx: RestoreContext<GraphWriter>): AsyncGenerator<number> {
  await ctx.store.settle({ source: labelOf(part.tenant, ctx.profile), target: 'restore' });
  const restoring = await readStanding(part, ctx);
  yield* createNodes(restoring);
  yield* createRelationships(restoring);
  yield* createSchema(restoring);
  await unmark('relationships', restoring.touched, restoring);
  await unmark('nodes', restoring.marked, restoring);
}

async function readStanding(part: BackupPart, ctx: RestoreContext<GraphWriter>): Promise<Restoring> {
  const own = `${part.id}:`;
  const ids = new Map<string, NodeId>();
  const marked = new Set<NodeId>();
  const touched = new Set<NodeId>();
  const made = new Set<string>();
  const relationships = new Map<string, number>();
  const byContent = new Map<string, Set<NodeId>>();
  const digests = new Map<NodeId, string>();
  for await (const nodes of ctx.store.storedNodes(labelOf(part.tenant, ctx.profile))) {
    for (const node of nodes) {
      const content = nodeDigest(node);
      digests.set(node.id, content);
      if (node.mark?.startsWith(own)) {
        marked.add(node.id);
        ids.set(node.mark.slice(own.length), node.id);
      } else byContent.set(content, (byContent.get(content) ?? new Set()).add(node.id));
    }
  }
  for await (const chunk of ctx.store.storedRelationships(labelOf(part.tenant, ctx.profile))) {
    for (const one of chunk) {
      if (one.mark?.startsWith(own)) {
        made.add(one.mark.slice(own.length));
        touched.add(one.start);
        continue;
      }
      const outside = one.outside === undefined ? '' : nodeDigest(one.outside);
      const ends = { start: digests.get(one.start) ?? outside, end: digests.get(one.end) ?? outside };
      const content = relationshipDigest(one, ends);
      relationships.set(content, (relationships.get(content) ?? 0) + 1);
    }
  }
  await matchByContent(part, ids, byContent);
  return { part, ctx, ids, marked, touched, made, relationships };
}

/** The rest by content: first the nodes that are still the very same, then any that look the same. */
async function matchByContent(
  part: BackupPart,
  ids: Map<string, NodeId>,
  byContent: ReadonlyMap<string, Set<NodeId>>,
): Promise<void> {
  const rest: { readonly id: string; readonly content: string }[] = [];
  for await (const records of graphRecords(part)) {
    for (const record of records) {
      if (record.kind !== 'node' || ids.has(record.id)) continue;
      const content = nodeDigest(record);
      const candidates = byContent.get(content);
      if (candidates?.delete(record.id)) ids.set(record.id, record.id);
      else if (candidates !== undefined) rest.push({ id: record.id, content });
    }
  }
  for (const { id, content } of rest) {
    const candidates = byContent.get(content) ?? new Set<NodeId>();
    const [twin] = candidates;
    if (twin === undefined) continue;
    candidates.delete(twin);
    ids.set(id, twin);
  }
}

async function* createNodes({ part, ctx, ids, marked }: Restoring): AsyncGenerator<number> {
  for await (const records of graphRecords(part)) {
    const absent = records.filter((record): record is NodeRecord => record.kind === 'node' && !ids.has(record.id));
    for (const rows of grouped(absent, ({ labels }) => JSON.stringify(labels))) {
      await ctx.permit(rows.length);
      const created = await ctx.store.createNodes({
        label: labelOf(part.tenant, ctx.profile),
        labels: rows[0]?.labels ?? [],
        rows: rows.map(({ id, properties }) => ({ mark: markOf(part, id), properties })),
      });
      for (const { id } of rows) {
        const made = created.get(markOf(part, id));
        if (made === undefined) continue;
        ids.set(id, made);
        marked.add(made);
      }
      yield rows.length;
    }
  }
}

async function* createRelationships(restoring: Restoring): AsyncGenerator<number> {
  const { part, ctx, touched } = restoring;
  const digests = new Map<string, string>();
  for await (const records of graphRecords(part)) {
    for (const record of records) if (record.kind === 'node') digests.set(record.id, nodeDigest(record));
    const candidates = records.filter((record): record is RelationshipRecord => record.kind === 'relationship');
    const absent = candidates.filter((record) => isAbsent(record, digests, restoring));
    const outside = await outsideNodes(ctx.store, absent);
    const rows = absent.flatMap((record) => {
      const end = (which: 'start' | 'end') => {
        const id = record[which];
        return record.outside?.end === which ? (outside.has(id) ? id : undefined) : restoring.ids.get(id);
      };
      const [from, to] = [end('start'), end('end')];
      if (from === undefined || to === undefined) return [];
      const { type, properties } = record;
      return [{ type, row: { start: from, end: to, mark: markOf(part, record.id), properties } }];
    });
    for (const group of grouped(rows, ({ type }) => type)) {
      await ctx.permit(group.length);
      await ctx.store.createRelationships(
        group[0]?.type ?? '',
        group.map(({ row }) => row),
      );
      for (const { row } of group) touched.add(row.start);
      yield group.length;
    }
  }
}

function isAbsent(
  record: RelationshipRecord,
  digests: ReadonlyMap<string, string>,
  { made, relationships }: Restoring,
): boolean {
  if (made.has(record.id)) return false;
  const outside = record.outside?.digest ?? '';
  const ends = { start: digests.get(record.start) ?? outside, end: digests.get(record.end) ?? outside };
  const content = relationshipDigest(record, ends);
  const standing = relationships.get(content) ?? 0;
  if (standing === 0) return true;
  relationships.set(content, standing - 1);
  return false;
}

async function* createSchema({ part, ctx }: Restoring): AsyncGenerator<number> {
  // By its name too: one that is taken belongs to another index now.
  const standing = new Set(
    (await ctx.store.storedSchema(labelOf(part.tenant, ctx.profile))).flatMap(({ key, name }) => [key, name]),
  );
  const made: string[] = [];
  for await (const records of graphRecords(part)) {
    for (const { kind, key, name, create } of records as readonly SchemaRecord[]) {
      if (kind !== 'schema' || standing.has(key) || standing.has(name)) continue;
      await ctx.permit(1);
      await ctx.store.createSchema(create);
      // A constraint is there with its own index once it is made.
      if (key.startsWith('["index"')) made.push(name);
      yield 0;
    }
  }
  await ctx.store.awaitIndexes(made);
}

async function unmark(
  what: 'nodes' | 'relationships',
  nodes: ReadonlySet<NodeId>,
  { ctx }: Pick<Restoring, 'ctx'>,
): Promise<void> {
  const ids = [...nodes];
  for (let at = 0; at < ids.length; at += UNMARKED_AT_ONCE) {
    const some = ids.slice(at, at + UNMARKED_AT_ONCE);
    await ctx.permit(some.length);
    await ctx.store.unmark(what, some);
  }
}

function markOf(part: BackupPart, id: string): string {
  return `${part.id}:${id}`;
}

function grouped<T>(items: readonly T[], nameOf: (item: T) => string): readonly (readonly T[])[] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const name = nameOf(item);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [item]);
    else group.push(item);
  }
  return [...groups.values()];
}

import { CommutativeSum, digest } from '../../model/fingerprint.ts';
import { labelsAfter } from '../../model/labels-after.ts';
import { Reservoir } from '../../model/reservoir.ts';
import type { GraphConnection, Row } from './connection.ts';
import { graphBackupReading, typedRelationship } from './graph-backup.ts';
import type { ContentSum, GraphReader, LabelCount, NodeId, SampledNode } from './graph-store.ts';
import { type NodePasses, nodePasses } from './node-passes.ts';
import { propertyText } from './property-text.ts';
import { copyOf, schemaOf } from './schema-reading.ts';
import { type GraphServer, labelsOf, memoryOf, stateOf, surroundingsOf } from './server-facts.ts';
import { type Dialect, type GraphMove, idParameters, movingStatements, reading, type Statement } from './statements.ts';

/** Rows with properties in one page. */
const CONTENT_PAGE = 1_000;

/** The reader on an open connection. */
export function graphReader(connection: GraphConnection, server: GraphServer): GraphReader {
  const { dialect } = server;
  const passes = nodePasses(connection, dialect);

  const nodes = (ids: readonly NodeId[], move: GraphMove): Promise<readonly SampledNode[]> =>
    ids.length === 0
      ? Promise.resolve([])
      : connection.read(withIds(reading.nodesById(dialect), dialect, ids), (row) => nodeOf(row, move));

  return {
    ...graphBackupReading(connection, server, passes),
    address: connection.address,
    server,
    state: () => stateOf(connection, server),
    memory: () => memoryOf(connection, server),
    labels: () => labelsOf(connection, server),
    schema: () => schemaOf(connection, server),
    schemaCopy: (item, to) => copyOf(item, server, to),
    nodes,
    close: () => connection.close(),

    counts: async (labelSets) => numbered(connection, labelSets.length, reading.counts(labelSets)),

    async combinations(scope) {
      const rows = await connection.read(reading.combinations(scope), (row) => ({
        labels: sortedLabels(row.get('labels')),
        count: countOf(row),
      }));
      return mergedByLabels(rows);
    },

    relationships: (scope) =>
      connection.read(reading.relationships(scope), (row) => ({
        direction: row.get('direction') === 'out' ? 'out' : 'in',
        type: String(row.get('type')),
        count: countOf(row),
      })),

    async clashes(move, properties) {
      const [between] = await connection.read(reading.clashes(move, properties), countOf);
      const [ours] = await connection.read(reading.duplicates(move.source, properties), countOf);
      const [theirs] = await connection.read(reading.duplicates(move.target, properties), countOf);
      return (between ?? 0) + (ours ?? 0) + (theirs ?? 0);
    },

    async valueClashes(label, properties, values) {
      const map = (row: Row) => ({ count: countOf(row), value: row.get('value') as unknown });
      const [found] = await connection.read(reading.valueClashes(label, properties, values), map);
      return found ?? { count: 0, value: null };
    },

    async lacking(label, properties) {
      return (await connection.read(reading.lacking(label, properties), countOf))[0] ?? 0;
    },

    async bareCounts({ values, ...move }) {
      if (values === undefined) return { source: 0, target: 0 };
      const map = (row: Row) => ({ source: Number(row.get('source')), target: Number(row.get('target')) });
      return (await connection.read(reading.bareCounts({ ...move, values }), map))[0] ?? { source: 0, target: 0 };
    },

    async valuedRelationships({ values, ...move }) {
      if (values === undefined) return 0;
      return (await connection.read(reading.valuedRelationships({ ...move, values }), countOf))[0] ?? 0;
    },

    typeCounts: async (types) => numbered(connection, types.length, reading.typeCounts(types)),

    async foreignTyped(move) {
      return (await connection.read(reading.foreignTyped(move), countOf))[0] ?? 0;
    },

    async *typed(type) {
      for await (const rows of connection.restartingStream(reading.typed(dialect, type), CONTENT_PAGE, {
        alsoTimedOut: true,
      })) {
        yield rows.map(typedRelationship);
      }
    },

    surroundings: () => surroundingsOf(connection, server),
    statements: (move) => movingStatements(dialect, move),

    async skim(label, limit) {
      return (await connection.read(reading.someIds(dialect, label, limit), idOf)).length;
    },

    async sample({ move, size, seed, signal }) {
      const { values, ...labels } = move;
      const statements = [
        reading.ids(dialect, { label: move.source }),
        ...(values === undefined ? [] : [reading.bare(dialect, { ...labels, values })]),
      ];
      const chosen = await passes.again(async () => {
        const reservoir = new Reservoir<NodeId>(size, seed);
        for (const statement of statements) {
          for await (const rows of passes.distinctRows(statement)) {
            signal.throwIfAborted();
            for (const row of rows) reservoir.offer(idOf(row));
          }
        }
        return reservoir.items;
      });
      return nodes(chosen, move);
    },

    sums: (move, signal) => passes.again(() => contentSums({ passes, dialect, move, signal })),

    async *movable(move) {
      const { values, ...labels } = move;
      const both = [{ bare: false, pass: reading.movable(dialect, move) }];
      if (values !== undefined) both.push({ bare: true, pass: reading.bare(dialect, { ...labels, values }) });
      for (const { bare, pass } of both) {
        for await (const rows of passes.rows(pass)) {
          yield rows.map((row) => ({ id: idOf(row), had: row.get('had') === true, bare, held: heldIn(row, move) }));
        }
      }
    },
  };
}

/** Numbers from rows `i, count`, in their order. */
async function numbered(connection: GraphConnection, length: number, statement: Statement): Promise<readonly number[]> {
  const counts = new Array<number>(length).fill(0);
  if (length === 0) return counts;
  const rows = await connection.read(statement, (row) => [Number(row.get('i')), countOf(row)] as const);
  for (const [index, count] of rows) counts[index] = count;
  return counts;
}

function heldIn(row: Row, { values }: GraphMove): readonly string[] {
  if (values === undefined) return [];
  const held = row.get('held') as readonly unknown[];
  return values.names.filter((_, i) => held[i] === true);
}

/** The statement with its ids in the type that the server compares them with. */
export function withIds(statement: Statement, dialect: Dialect, ids: readonly NodeId[]): Statement {
  return { ...statement, parameters: { ...statement.parameters, ...idParameters(dialect, ids) } };
}

/** The number in a row's `count`. */
export const countOf = (row: Row): number => Number(row.get('count'));

async function contentSums(wanted: {
  passes: NodePasses;
  dialect: Dialect;
  move: GraphMove;
  signal: AbortSignal;
}): Promise<readonly ContentSum[]> {
  const { passes, dialect, move, signal } = wanted;
  const sums = new Map<string, { labels: readonly string[]; sum: CommutativeSum }>();
  const { values, ...labels } = move;
  const statements = [
    ...[{ label: move.source }, { label: move.target, without: move.source }].map((scope) =>
      reading.nodes(dialect, scope),
    ),
    ...(values === undefined ? [] : [reading.bareNodes(dialect, { ...labels, values })]),
  ];
  for (const statement of statements) {
    for await (const rows of passes.content(statement)) {
      signal.throwIfAborted();
      for (const node of rows.map((row) => nodeOf(row, move))) {
        const after = labelsAfter(node.labels, move);
        const key = JSON.stringify(after);
        const entry = sums.get(key) ?? { labels: after, sum: new CommutativeSum() };
        sums.set(key, entry);
        entry.sum.add(node.id, key, node.content);
      }
    }
  }
  return [...sums.values()].map(({ labels, sum }) => ({ labels, count: sum.count, sum: sum.hex() }));
}

/** The content is that of a node that was moved: what holds the source's id holds the target's. */
function nodeOf(row: Row, { source, values }: GraphMove): SampledNode {
  const properties = row.get('properties') as Readonly<Record<string, unknown>>;
  const id = values?.from ?? source;
  const holds = Object.keys(properties).filter((name) => properties[name] === id);
  const holdsInList = Object.keys(properties).filter(
    (name) => [properties[name]].flat().includes(id) && !holds.includes(name),
  );
  const moved = values === undefined ? [] : holds.filter((name) => values.names.includes(name));
  const after = { ...properties, ...Object.fromEntries(moved.map((name) => [name, values?.to])) };
  return {
    id: idOf(row),
    labels: sortedLabels(row.get('labels')),
    content: digest(propertyText(moved.length === 0 ? properties : after)),
    holds,
    holdsInList,
  };
}

/** Memgraph tells labels in the order in which a node got them, so that one set can come in several rows. */
function mergedByLabels(rows: readonly LabelCount[]): readonly LabelCount[] {
  const merged = new Map<string, LabelCount>();
  for (const { labels, count } of rows) {
    const key = JSON.stringify(labels);
    merged.set(key, { labels, count: (merged.get(key)?.count ?? 0) + count });
  }
  return [...merged.values()];
}

const idOf = (row: Row): NodeId => String(row.get('id'));

const sortedLabels = (cell: unknown): readonly string[] => (Array.isArray(cell) ? cell.map(String).sort() : []);

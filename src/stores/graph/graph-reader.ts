import { CommutativeSum, digest } from '../../model/fingerprint.ts';
import { labelsAfter } from '../../model/labels-after.ts';
import type { Move } from '../../model/move.ts';
import { Reservoir } from '../../model/reservoir.ts';
import type { GraphConnection, Row } from './connection.ts';
import { graphBackupReading } from './graph-backup.ts';
import type { ContentSum, GraphNode, GraphReader, LabelCount, NodeId } from './graph-store.ts';
import { propertyText } from './property-text.ts';
import { type GraphServer, labelsOf, schemaOf, stateOf } from './server-facts.ts';
import { type Dialect, idParameters, reading, type Statement } from './statements.ts';

/** Rows of ids in one page: few round trips, some 500 KB. */
const ID_PAGE = 10_000;
/** Rows with properties in one page. */
const CONTENT_PAGE = 1_000;

/** The reader on an open connection. */
export function graphReader(connection: GraphConnection, server: GraphServer): GraphReader {
  const { dialect } = server;

  const nodes = (ids: readonly NodeId[]): Promise<readonly GraphNode[]> =>
    ids.length === 0 ? Promise.resolve([]) : connection.read(withIds(reading.nodesById(dialect), dialect, ids), nodeOf);

  return {
    ...graphBackupReading(connection, server),
    address: connection.address,
    server,
    state: () => stateOf(connection, server),
    labels: () => labelsOf(connection, server),
    schema: () => schemaOf(connection, server),
    nodes,
    close: () => connection.close(),

    async counts(labelSets) {
      if (labelSets.length === 0) return [];
      const counts = labelSets.map(() => 0);
      const rows = await connection.read(
        reading.counts(labelSets),
        (row) => [Number(row.get('i')), countOf(row)] as const,
      );
      for (const [index, count] of rows) counts[index] = count;
      return counts;
    },

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
      const [within] = await connection.read(reading.duplicates(move, properties), countOf);
      return (between ?? 0) + (within ?? 0);
    },

    async skim(label, limit) {
      return (await connection.read(reading.ids(dialect, { label }, limit), idOf)).length;
    },

    async sample({ label, size, seed, signal }) {
      const chosen = await connection.again(async () => {
        const reservoir = new Reservoir<NodeId>(size, seed);
        for await (const rows of connection.stream(reading.ids(dialect, { label }), ID_PAGE)) {
          signal.throwIfAborted();
          for (const row of rows) reservoir.offer(idOf(row));
        }
        return reservoir.items;
      });
      return nodes(chosen);
    },

    sums: (move, signal) => connection.again(() => contentSums({ connection, dialect, move, signal })),

    async *movable(move) {
      for await (const rows of connection.restartingStream(reading.movable(dialect, move), ID_PAGE)) {
        yield rows.map((row) => ({ id: idOf(row), had: row.get('had') === true }));
      }
    },
  };
}

/** The statement with its ids in the type that the server compares them with. */
export function withIds(statement: Statement, dialect: Dialect, ids: readonly NodeId[]): Statement {
  return { ...statement, parameters: idParameters(dialect, ids) };
}

/** The number in a row's `count`. */
export const countOf = (row: Row): number => Number(row.get('count'));

async function contentSums(wanted: {
  connection: GraphConnection;
  dialect: Dialect;
  move: Move;
  signal: AbortSignal;
}): Promise<readonly ContentSum[]> {
  const { connection, dialect, move, signal } = wanted;
  const sums = new Map<string, { labels: readonly string[]; sum: CommutativeSum }>();
  for (const scope of [{ label: move.source }, { label: move.target, without: move.source }]) {
    for await (const rows of connection.stream(reading.nodes(dialect, scope), CONTENT_PAGE)) {
      signal.throwIfAborted();
      for (const node of rows.map(nodeOf)) {
        const labels = labelsAfter(node.labels, move);
        const key = JSON.stringify(labels);
        const entry = sums.get(key) ?? { labels, sum: new CommutativeSum() };
        sums.set(key, entry);
        entry.sum.add(node.id, key, node.content);
      }
    }
  }
  return [...sums.values()].map(({ labels, sum }) => ({ labels, count: sum.count, sum: sum.hex() }));
}

function nodeOf(row: Row): GraphNode {
  return {
    id: idOf(row),
    labels: sortedLabels(row.get('labels')),
    content: digest(propertyText(row.get('properties'))),
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

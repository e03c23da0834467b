import { randomUUID } from 'node:crypto';
import type { Move } from '../../model/move.ts';
import type { GraphConnection, Row } from './connection.ts';
import { graphBackupWriting, typedRelationship } from './graph-backup.ts';
import { countOf, withIds } from './graph-reader.ts';
import type { GraphReader, GraphWriter, NodeId } from './graph-store.ts';
import { quiesce, settle } from './quiesce.ts';
import { schemaOf } from './schema-reading.ts';
import { alterSchema, awaitSchema, rehearseSchema } from './schema-writing.ts';
import type { GraphServer } from './server-facts.ts';
import { reading, type Statement, writeMark, writing } from './statements.ts';

/** Longest wait for writes whose replies were lost, in ms. */
const SETTLE_MS = 5_000;

/** What a writer can do beyond reading, on an open connection. */
export function graphWriting(connection: GraphConnection, server: GraphServer): Omit<GraphWriter, keyof GraphReader> {
  const { dialect } = server;
  const prefix = randomUUID();
  let writes = 0;

  const write = async <T>(statement: Statement, move: Move, map: (row: Row) => T) => {
    writes += 1;
    const metadata = { ...writeMark(move, connection.runId), write: `${prefix}-${writes}` };
    const { rows, unknown } = await connection.write({ ...statement, metadata }, map);
    // The rest of the batches of this move go on meanwhile: only this write is waited for.
    if (unknown) await settle(connection, dialect, { mark: metadata, longestMs: SETTLE_MS });
    return { rows, unknown };
  };

  const settled = (move: Move): Promise<void> =>
    settle(connection, dialect, { mark: writeMark(move), longestMs: SETTLE_MS });

  return {
    ...graphBackupWriting(connection, dialect, settled),
    async rehearse(move) {
      for (const statement of writing.probes(move)) await connection.rehearse(statement);
    },
    settle: settled,
    quiesce: (wanted) => quiesce(connection, dialect, wanted),
    rehearseSchema: (item) => rehearseSchema(connection, dialect, item),
    awaitSchema: (isReady, signal) => awaitSchema(() => schemaOf(connection, server), isReady, signal),
    alterSchema: (change) => alterSchema(connection, server, { ...change, settled }),

    async relabel(move, ids) {
      const { rows, unknown } = await write(withIds(writing.relabel(dialect, move), dialect, ids), move, countOf);
      const count = rows[0] ?? 0;
      if (count === ids.length) return { moved: count, vanished: 0 };
      // Running it again after a lost reply is right, since the source label guards it, but the last try then counts only
      // what an earlier one had left. So look at what stands there now.
      const [standing = 0] = await connection.read(withIds(reading.moved(dialect, move), dialect, ids), countOf);
      return { moved: unknown ? standing : count, vanished: ids.length - standing };
    },

    async restore(move, ids, had) {
      const keeping = new Set(had);
      const leaving = ids.filter((id) => !keeping.has(id));
      const none = { rows: [0], unknown: false };
      const send = (statement: Statement, some: readonly NodeId[]) =>
        some.length === 0 ? none : write(withIds(statement, dialect, some), move, countOf);
      const left = await send(writing.restore(dialect, move), leaving);
      const kept = await send(writing.restoreBoth(dialect, move), had);
      if (!left.unknown && !kept.unknown) return (left.rows[0] ?? 0) + (kept.rows[0] ?? 0);
      // As above: the last try counts only what an earlier one had left.
      const labels = await connection.read(withIds(reading.nodesById(dialect), dialect, ids), (row): unknown =>
        row.get('labels'),
      );
      return labels.filter((each) => Array.isArray(each) && each.includes(move.source)).length;
    },

    async restoreValue(move, name, ids) {
      const { values } = move;
      if (values === undefined || ids.length === 0) return [];
      const statement = withIds(writing.restoreValue(dialect, name, values), dialect, ids);
      return (await write(statement, move, (row) => String(row.get('id')))).rows;
    },

    async retype(move, rows) {
      const idOf = (id: string): unknown => (dialect.idFunction === 'id' ? BigInt(id) : id);
      const parameters = {
        rows: rows.map(({ id, start, end }) => ({ id: idOf(id), start: idOf(start), end: idOf(end) })),
      };
      const statement = { ...writing.retype(dialect, move), parameters };
      const pairs = await write(statement, move, (row) => [String(row.get('old')), String(row.get('id'))] as const);
      return new Map(pairs.unknown ? [] : pairs.rows);
    },

    typedFrom: (type, starts) =>
      starts.length === 0
        ? Promise.resolve([])
        : connection.read(withIds(reading.typedFrom(dialect, type), dialect, starts), typedRelationship),
  };
}

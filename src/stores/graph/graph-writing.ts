import { randomUUID } from 'node:crypto';
import type { Move } from '../../model/move.ts';
import type { GraphConnection } from './connection.ts';
import { graphBackupWriting } from './graph-backup.ts';
import { countOf, withIds } from './graph-reader.ts';
import type { GraphReader, GraphWriter, NodeId } from './graph-store.ts';
import { quiesce, settle } from './quiesce.ts';
import { type Dialect, reading, type Statement, writeMark, writing } from './statements.ts';

/** Longest wait for writes whose replies were lost, in ms. */
const SETTLE_MS = 5_000;

/** What a writer can do beyond reading, on an open connection. */
export function graphWriting(connection: GraphConnection, dialect: Dialect): Omit<GraphWriter, keyof GraphReader> {
  const prefix = randomUUID();
  let writes = 0;

  const write = async (statement: Statement, move: Move, ids: readonly NodeId[]) => {
    writes += 1;
    const metadata = { ...writeMark(move, connection.runId), write: `${prefix}-${writes}` };
    const { rows, unknown } = await connection.write({ ...withIds(statement, dialect, ids), metadata }, countOf);
    // The rest of the batches of this move go on meanwhile: only this write is waited for.
    if (unknown) await settle(connection, dialect, { mark: metadata, longestMs: SETTLE_MS });
    return { count: rows[0] ?? 0, unknown };
  };

  const settled = (move: Move): Promise<void> =>
    settle(connection, dialect, { mark: writeMark(move), longestMs: SETTLE_MS });

  return {
    ...graphBackupWriting(connection, dialect, settled),
    rehearse: (label) => connection.rehearse(writing.probe(label)),
    settle: settled,
    quiesce: (wanted) => quiesce(connection, dialect, wanted),

    async relabel(move, ids) {
      const { count, unknown } = await write(writing.relabel(dialect, move), move, ids);
      if (count === ids.length) return { moved: count, vanished: 0 };
      // Running it again after a lost reply is right, since the source label guards it, but the last try then counts only
      // what an earlier one had left. So look at what stands there now.
      const [standing = 0] = await connection.read(withIds(reading.moved(dialect, move), dialect, ids), countOf);
      return { moved: unknown ? standing : count, vanished: ids.length - standing };
    },

    async restore(move, ids, had) {
      const keeping = new Set(had);
      const leaving = ids.filter((id) => !keeping.has(id));
      const none = { count: 0, unknown: false };
      const left = leaving.length === 0 ? none : await write(writing.restore(dialect, move), move, leaving);
      const kept = had.length === 0 ? none : await write(writing.restoreBoth(dialect, move), move, had);
      if (!left.unknown && !kept.unknown) return left.count + kept.count;
      // As above: the last try counts only what an earlier one had left.
      const labels = await connection.read(withIds(reading.nodesById(dialect), dialect, ids), (row): unknown =>
        row.get('labels'),
      );
      return labels.filter((each) => Array.isArray(each) && each.includes(move.source)).length;
    },
  };
}

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
  const write = async (statement: Statement, move: Move, ids: readonly NodeId[]) => {
    const marked = { ...withIds(statement, dialect, ids), metadata: writeMark(move, connection.runId) };
    const { rows, unknown } = await connection.write(marked, countOf);
    return { count: rows[0] ?? 0, unknown };
  };

  const settled = (move: Move): Promise<void> => settle(connection, dialect, { move, longestMs: SETTLE_MS });

  return {
    ...graphBackupWriting(connection, dialect, settled),
    rehearse: (label) => connection.rehearse(writing.probe(label)),
    settle: settled,
    quiesce: (wanted) => quiesce(connection, dialect, wanted),

    async relabel(move, ids) {
      const { count, unknown } = await write(writing.relabel(dialect, move), move, ids);
      if (count === ids.length) return { moved: count, vanished: 0 };
      // Running it again after a lost reply is right, since the source label guards it, but the last try then counts only
      // what an earlier one had left. So look at what stands there now, once nothing can change it any more.
      if (unknown) await settled(move);
      const [standing = 0] = await connection.read(withIds(reading.moved(dialect, move), dialect, ids), countOf);
      return { moved: unknown ? standing : count, vanished: ids.length - standing };
    },

    async restore(move, ids, had) {
      const keeping = new Set(had);
      const leaving = ids.filter((id) => !keeping.has(id));
      const left = leaving.length === 0 ? 0 : (await write(writing.restore(dialect, move), move, leaving)).count;
      const kept = had.length === 0 ? 0 : (await write(writing.restoreBoth(dialect, move), move, had)).count;
      return left + kept;
    },
  };
}

import { setTimeout as sleep } from 'node:timers/promises';
import { MigrateError } from '../../model/errors.ts';
import type { Move } from '../../model/move.ts';
import type { GraphConnection } from './connection.ts';
import { countOf, withIds } from './graph-reader.ts';
import type { GraphReader, GraphWriter, NodeId } from './graph-store.ts';
import { unlessRefused } from './server-facts.ts';
import { type Dialect, reading, type Statement, server, writeMark, writing } from './statements.ts';

/** Longest wait for writes whose replies were lost, in ms. */
const SETTLE_MS = 5_000;
const SETTLE_STEP_MS = 100;

/** What a writer can do beyond reading, on an open connection. */
export function graphWriting(connection: GraphConnection, dialect: Dialect): Omit<GraphWriter, keyof GraphReader> {
  const write = async (statement: Statement, move: Move, ids: readonly NodeId[]) => {
    const marked = { ...withIds(statement, dialect, ids), metadata: writeMark(move) };
    const { rows, unknown } = await connection.write(marked, countOf);
    return { count: rows[0] ?? 0, unknown };
  };

  const settle = async (move: Move): Promise<void> => {
    for (let waited = 0; await isWriting(connection, dialect, move); waited += SETTLE_STEP_MS) {
      if (waited >= SETTLE_MS) throw stillWriting(connection.address);
      await sleep(SETTLE_STEP_MS);
    }
  };

  return {
    rehearse: (label) => connection.rehearse(writing.probe(label)),
    settle,

    async relabel(move, ids) {
      const { count, unknown } = await write(writing.relabel(dialect, move), move, ids);
      if (count === ids.length) return { moved: count, vanished: 0 };
      // Running it again after a lost reply is right, since the source label guards it, but the last try then counts only
      // what an earlier one had left. So look at what stands there now, once nothing can change it any more.
      if (unknown) await settle(move);
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

/** True while the server runs a write of this move; false too where it keeps that from this user. */
async function isWriting(connection: GraphConnection, dialect: Dialect, move: Move): Promise<boolean> {
  const mark = writeMark(move);
  const marks = await unlessRefused(() =>
    connection.read(server.transactions[dialect.name], (row): unknown => row.get('metadata')),
  );
  return marks?.some((each) => Object.entries(mark).every(([name, value]) => isMember(each, name, value))) ?? false;
}

const isMember = (value: unknown, name: string, expected: string): boolean =>
  typeof value === 'object' && value !== null && Object.entries(value).some(([n, v]) => n === name && v === expected);

function stillWriting(address: string): MigrateError {
  const message = `an earlier write of this move is still running at ${address}, so that its outcome is unknown`;
  return new MigrateError('store', message, {
    stage: 'graph',
    store: address,
    retryable: true,
    next: 'wait until SHOW TRANSACTIONS lists it no more, then run the same command again',
  });
}

import type { GraphConnection } from './connection.ts';
import { countOf, withIds } from './graph-reader.ts';
import type { GraphReader, GraphWriter } from './graph-store.ts';
import { type Dialect, reading, writing } from './statements.ts';

/** What a writer can do beyond reading, on an open connection. */
export function graphWriting(connection: GraphConnection, dialect: Dialect): Omit<GraphWriter, keyof GraphReader> {
  return {
    rehearse: (label) => connection.rehearse(writing.probe(label)),

    async relabel(move, ids) {
      const { rows, unknown } = await connection.write(withIds(writing.relabel(dialect, move), dialect, ids), countOf);
      const changed = rows[0] ?? 0;
      if (changed === ids.length) return { moved: changed, vanished: 0 };
      // Running it again after a lost reply is right, since the source label guards it, but the last try then counts only
      // what an earlier one had left. So look at what stands there now.
      const [standing = 0] = await connection.read(withIds(reading.moved(dialect, move), dialect, ids), countOf);
      return { moved: unknown ? standing : changed, vanished: ids.length - standing };
    },

    async restore(move, ids, had) {
      const keeping = new Set(had);
      const moving = ids.filter((id) => !keeping.has(id));
      let restored = 0;
      for (const [statement, some] of [
        [writing.restore(dialect, move), moving],
        [writing.restoreBoth(dialect, move), had],
      ] as const) {
        if (some.length === 0) continue;
        const { rows } = await connection.write(withIds(statement, dialect, some), countOf);
        restored += rows[0] ?? 0;
      }
      return restored;
    },
  };
}

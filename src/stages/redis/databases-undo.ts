import type { Json } from '../../model/json.ts';
import type { UndoPort } from '../stage.ts';

/** `db1`: how a database is named in the undo log's neighbours: shapes, backups, findings. */
export function ofDatabase(db: number): string {
  return `db${db}`;
}

/** The run's undo log as one database's: its number stands in each entry, and entries of others are not seen. */
export function taggedUndo(undo: UndoPort, db: number): UndoPort {
  return {
    append: (entries) => undo.append(entries.map((entry): Json => ({ ...(entry as Record<string, Json>), db }))),
    async *read() {
      for await (const { id, entries } of undo.read()) {
        const own = entries.filter((entry) => (entry as { db?: number }).db === db);
        if (own.length > 0) yield { id, entries: own };
      }
    },
  };
}

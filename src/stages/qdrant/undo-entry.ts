import type { Json } from '../../model/json.ts';
import type { Move } from '../../model/move.ts';
import type { CopiedEntry, CopyEntry, RemoveEntry } from './re-id/re-id-entry.ts';

/** What this stage writes into the undo log. */
export type UndoEntry = PointsEntry | IndexEntry | CopyEntry | CopiedEntry | RemoveEntry;

/** These points were the source's and are about to become the target's. */
export type PointsEntry = {
  readonly kind: 'points';
  readonly move: { readonly source: string; readonly target: string };
  readonly collection: string;
  readonly field: string;
  /** Ids as JSON tokens. */
  readonly ids: readonly string[];
};

/** There was no index on the field, and one is about to be made. */
export type IndexEntry = { readonly kind: 'index'; readonly collection: string; readonly field: string };

export function pointsEntry(entry: Omit<PointsEntry, 'kind' | 'move'> & { readonly move: Move }): UndoEntry {
  const { source, target } = entry.move;
  return { kind: 'points', move: { source, target }, collection: entry.collection, field: entry.field, ids: entry.ids };
}

/** Reads an entry back. The log is ours and checked by its own means, so its shape is taken on trust. */
export function undoEntry(entry: Json): UndoEntry {
  return entry as UndoEntry;
}

import type { UndoPort } from '../../stage.ts';
import { undoEntry } from '../undo-entry.ts';

/** What a run logged as the content of new points, by collection and new id. */
export type LoggedDigests = (collection: string, to: string) => ReadonlySet<string>;

const NONE: ReadonlySet<string> = new Set();

/** Reads the log once for the points that are asked about. A point may have been copied more than once. */
export async function loggedDigests(
  undo: UndoPort,
  wanted: Iterable<{ readonly collection: string; readonly to: string }>,
): Promise<LoggedDigests> {
  const keyOf = (collection: string, to: string) => `${collection}\n${to}`;
  const found = new Map<string, Set<string>>();
  for (const { collection, to } of wanted) found.set(keyOf(collection, to), new Set());
  if (found.size > 0) {
    for await (const { entries } of undo.read()) {
      for (const entry of entries.map(undoEntry)) {
        if (entry.kind !== 'copy') continue;
        for (const [, to, digest] of entry.points) found.get(keyOf(entry.collection, to))?.add(digest);
      }
    }
  }
  return (collection, to) => found.get(keyOf(collection, to)) ?? NONE;
}

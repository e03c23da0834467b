import type { UndoPort } from '../../stage.ts';
import { undoEntry } from '../undo-entry.ts';
import type { CopiedEntry } from './re-id-entry.ts';

/** What a run logged as the content of a new point. A point may have been copied more than once. */
export interface Logged {
  /** Content that was to be inserted. */
  readonly meant: ReadonlySet<string>;
  /** Content that is known to have been inserted by us. */
  readonly inserted: ReadonlySet<string>;
}

export type LoggedDigests = (collection: string, to: string) => Logged;

const NOTHING: Logged = { meant: new Set(), inserted: new Set() };

/** Reads the log once for the points that are asked about. */
export async function loggedDigests(
  undo: UndoPort,
  wanted: Iterable<{ readonly collection: string; readonly to: string }>,
): Promise<LoggedDigests> {
  const keyOf = (collection: string, to: string) => `${collection}\n${to}`;
  const found = new Map<string, { meant: Set<string>; inserted: Set<string> }>();
  for (const { collection, to } of wanted) found.set(keyOf(collection, to), { meant: new Set(), inserted: new Set() });
  const copied = new Map<number, CopiedEntry>();
  if (found.size > 0) {
    // The newest first: that a batch is done is read before what it was.
    for await (const { id, entries } of undo.read()) {
      for (const entry of entries.map(undoEntry)) {
        if (entry.kind === 'copied') copied.set(entry.of, entry);
        if (entry.kind !== 'copy') continue;
        const done = copied.get(id);
        copied.delete(id);
        const foreign = new Set(done?.foreign);
        const altered = new Map(done?.altered);
        for (const [, to, digest] of entry.points) {
          const logged = found.get(keyOf(entry.collection, to));
          logged?.meant.add(digest).add(altered.get(to) ?? digest);
          if (done !== undefined && !foreign.has(to)) logged?.inserted.add(digest);
        }
      }
    }
  }
  return (collection, to) => found.get(keyOf(collection, to)) ?? NOTHING;
}

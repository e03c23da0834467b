import type { UndoPort } from '../../stage.ts';
import { undoEntry } from '../undo-entry.ts';
import type { CopiedEntry, CopyEntry } from './re-id-entry.ts';

/** By old id: the digest of the content with which its new point was last read back as it was meant. */
export type ConfirmedCopies = ReadonlyMap<string, string>;

/**
 * Reads the log once for the old points that are asked about, whichever attempt copied them. Left out is what was not
 * read back to the last digit: batches that are not known to be done, points that somebody else wrote, altered vectors.
 */
export async function confirmedCopies(
  undo: UndoPort,
  collection: string,
  wanted: ReadonlySet<string>,
): Promise<ConfirmedCopies> {
  const last = new Map<string, string | undefined>();
  const copied = new Map<number, CopiedEntry>();
  // The newest first: that a batch is done is read before what it was, and of two copies of a point the last one counts.
  for await (const { id, entries } of undo.read()) {
    for (const entry of entries.map(undoEntry)) {
      if (entry.kind === 'copied') copied.set(entry.of, entry);
      if (entry.kind !== 'copy') continue;
      const done = copied.get(id);
      copied.delete(id);
      if (entry.collection === collection) remember(entry, done);
    }
    if (last.size === wanted.size) break;
  }
  return new Map([...last].flatMap(([from, digest]) => (digest === undefined ? [] : [[from, digest]])));

  function remember(entry: CopyEntry, done: CopiedEntry | undefined): void {
    const doubtful = new Set([...(done?.foreign ?? []), ...(done?.altered ?? []).map(([to]) => to)]);
    for (const [from, to, digest] of entry.points) {
      if (!wanted.has(from) || last.has(from)) continue;
      last.set(from, done === undefined || doubtful.has(to) ? undefined : digest);
    }
  }
}

import type { StageName } from '../stages/stage.ts';
import type { JournalEntry } from './journal-entry.ts';
import type { LoggedMember } from './undo-log.ts';

/** Whether the journal was found gone, and begun anew where there is one. */
export function isLost([first]: readonly JournalEntry[]): boolean {
  return first?.type !== 'run' || first.lost === true;
}

/** Whether the last process that took back has not come to its end. */
export function isUndoOpen(entries: readonly JournalEntry[]): boolean {
  const last = entries.findLastIndex((entry) => entry.type === 'phase' && entry.phase === 'undo');
  return last >= 0 && !entries.slice(last).some((entry) => entry.type === 'end' && entry.outcome === 'rolled-back');
}

/** Whether a batch of the stage was allowed to be sent and is not known to be done. */
export function hasUnknownBatch(entries: readonly JournalEntry[], stage: StageName): boolean {
  const done = new Set(
    entries.flatMap((entry) => (entry.type === 'done' && entry.stage === stage ? [entry.batch] : [])),
  );
  return membersOf(entries, stage).some(({ batches: [first, last] }) => {
    for (let batch = first; batch <= last; batch += 1) if (!done.has(batch)) return true;
    return false;
  });
}

/** What the journal says of a stage's undo log. */
export function membersOf(entries: readonly JournalEntry[], stage: StageName): readonly LoggedMember[] {
  const members: LoggedMember[] = [];
  for (const entry of entries) {
    if (entry.type === 'intent' && entry.stage === stage) {
      const { batches, offset, length, crc } = entry;
      // Where a crash tore a member, the next one stands in its place.
      while ((members.at(-1)?.offset ?? -1) >= offset) members.pop();
      members.push({ batches, offset, length, crc });
    }
    const last = members.at(-1);
    if (entry.type === 'done' && entry.stage === stage && last !== undefined && entry.batch >= last.batches[0])
      members[members.length - 1] = { ...last, done: true };
  }
  return members;
}

import { MigrateError } from '../../model/errors.ts';
import type { Json } from '../../model/json.ts';
import type { Move } from '../../model/move.ts';
import type { Sections } from '../../model/secret-mask.ts';
import type { BatchId, UndoBatch, UndoPort } from '../stage.ts';

/** By name of the section; null where it was not there. */
export type SectionDigests = Readonly<Record<string, string | null>>;

/** Sections of the target that were written over. */
export type OverwrittenEntry = {
  readonly kind: 'overwritten';
  readonly source: string;
  readonly target: string;
  /** As they were, null where there was none. */
  readonly sections: Sections;
  /** Their secrets, where there was a key. */
  readonly sealed?: string;
  /** Digests of the sections as the API showed them before, and as it shows them once they are written. */
  readonly was: SectionDigests;
  readonly wrote: SectionDigests;
};

/** A source's config that was deleted. */
export type DeletedEntry = {
  readonly kind: 'deleted';
  readonly source: string;
  readonly target: string;
  readonly sections: Sections;
  readonly sealed?: string;
};

/** What the undo log holds. No secret stands in it readably: in its place is its mask. */
export type UndoEntry =
  | { readonly kind: 'created'; readonly source: string; readonly target: string }
  | {
      readonly kind: 're-put';
      readonly source: string;
      readonly target: string;
      readonly sections: readonly string[];
    }
  | OverwrittenEntry
  | DeletedEntry;

/** Resolves when the entry is durable. */
export function logEntry(undo: UndoPort, entry: UndoEntry): Promise<BatchId> {
  return undo.append([entry]);
}

/** The entries of one batch. Throws where they are not this stage's. */
export function entriesOf(batch: UndoBatch): readonly UndoEntry[] {
  return batch.entries.map((entry) => {
    if (!isEntry(entry)) throw unreadable(batch.id);
    return entry;
  });
}

function isEntry(value: unknown): value is UndoEntry {
  const entry = value as Partial<Record<string, Json>> | null;
  if (typeof entry?.source !== 'string' || typeof entry.target !== 'string') return false;
  if (entry.kind === 'deleted') return isMembers(entry.sections);
  if (entry.kind === 'overwritten') return [entry.sections, entry.was, entry.wrote].every(isMembers);
  return entry.kind === 'created' || entry.kind === 're-put';
}

function isMembers(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

/** By {@link moveKey}, the newest batch that announces the move's target as this run's own, created or overwritten. */
export async function ownBatches(undo: UndoPort): Promise<ReadonlyMap<string, BatchId>> {
  const batches = new Map<string, BatchId>();
  for await (const batch of undo.read()) {
    for (const entry of entriesOf(batch)) {
      const key = moveKey(entry);
      if ((entry.kind === 'created' || entry.kind === 'overwritten') && !batches.has(key)) batches.set(key, batch.id);
    }
  }
  return batches;
}

/** Different moves have different keys, whatever their ids hold. */
export function moveKey({ source, target }: Move): string {
  return JSON.stringify([source, target]);
}

/** The log names a move that the plan does not have, or is not of this stage. */
export function unreadable(batch: BatchId): MigrateError {
  return new MigrateError('internal', `batch ${batch} of the undo log does not belong to this plan`, {
    stage: 'config',
  });
}

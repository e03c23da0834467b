import { MigrateError } from '../../model/errors.ts';
import type { Json } from '../../model/json.ts';
import type { Move } from '../../model/move.ts';
import type { Sections } from '../../model/secret-mask.ts';
import type { BatchId, UndoBatch, UndoPort } from '../stage.ts';

/** What the undo log holds. Secrets are never in it: where the API shows one, its mask stands here. */
export type UndoEntry =
  | { readonly kind: 'created'; readonly source: string; readonly target: string }
  | {
      readonly kind: 're-put';
      readonly source: string;
      readonly target: string;
      readonly sections: readonly string[];
    }
  | { readonly kind: 'deleted'; readonly source: string; readonly target: string; readonly sections: Sections };

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
  if (entry.kind === 'deleted') return typeof entry.sections === 'object' && entry.sections !== null;
  return entry.kind === 'created' || entry.kind === 're-put';
}

/** By {@link moveKey}, the newest batch that announces the creation of the move's target. */
export async function createdBatches(undo: UndoPort): Promise<ReadonlyMap<string, BatchId>> {
  const batches = new Map<string, BatchId>();
  for await (const batch of undo.read()) {
    for (const entry of entriesOf(batch)) {
      const key = moveKey(entry);
      if (entry.kind === 'created' && !batches.has(key)) batches.set(key, batch.id);
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

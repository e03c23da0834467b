import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UndoFile } from '../../src/journal/undo-file.ts';

/** Gives `work` an undo log on disk as a run has it, and removes it afterwards. */
export async function withUndoLog<T>(work: (undo: UndoFile) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'tenant-migrate-bench-'));
  const undo = await UndoFile.open(join(folder, 'undo.ndjson'));
  try {
    return await work(undo);
  } finally {
    await undo.close();
    await rm(folder, { recursive: true });
  }
}

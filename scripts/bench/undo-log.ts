import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Journal } from '../../src/journal/journal.ts';
import { UndoLog } from '../../src/journal/undo-log.ts';
import type { StageName } from '../../src/stages/stage.ts';

/** Gives `work` an undo log on disk with a journal beside it, as a run has them, and removes both afterwards. */
export async function withUndoLog<T>(stage: StageName, work: (undo: UndoLog) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'tenant-migrate-bench-'));
  const first = { type: 'run', format: 1, run: 'bench', tool: 'bench', at: 0 } as const;
  const journal = await Journal.create(join(folder, 'journal.ndjson'), first);
  const undo = await UndoLog.open({
    path: join(folder, 'undo.ndjson.gz'),
    members: [],
    intend: ({ batches, offset, length, crc }) =>
      journal.append({ type: 'intent', stage, batches, offset, length, crc, at: Date.now() }),
  });
  try {
    return await work(undo);
  } finally {
    await undo.close();
    await journal.close();
    await rm(folder, { recursive: true });
  }
}

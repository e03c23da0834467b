import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPart, type WrittenPart, writePart } from '../../src/journal/backup-part.ts';
import type { BackupPart, PlanContext, RestoreContext, StageBackup } from '../../src/stages/stage.ts';
import { planContext } from './stage-context.ts';

/** What a stage reads of a tenant, written to a real file and read from it again. */
export async function keptPart<R, W extends R>(
  backup: StageBackup<R, W> | undefined,
  tenant: string,
  ctx: PlanContext<R>,
): Promise<BackupPart & { readonly written: WrittenPart }> {
  if (backup === undefined) throw new Error('this stage takes no part in backups');
  const path = join(mkdtempSync(join(tmpdir(), 'tenant-migrate-part-')), 'part.ndjson.gz');
  const written = await writePart(path, 'part.ndjson.gz', backup.read(tenant, ctx));
  return { id: 'b1', tenant, lines: () => readPart(path), written };
}

/** What the orchestrator hands a restoring step. */
export function restoreContext<W>(store: W): RestoreContext<W> {
  return { ...planContext(store), permit: () => Promise.resolve() };
}

/** Runs a restore to its end; resolves to the records that it says it wrote. */
export async function restored(steps: AsyncIterable<number>): Promise<number> {
  let sum = 0;
  for await (const step of steps) sum += step;
  return sum;
}

/** Stops after so many steps, as a kill between two batches would. */
export async function stoppedAfter(steps: AsyncIterable<number>, most: number): Promise<void> {
  let taken = 0;
  for await (const _ of steps) {
    taken += 1;
    if (taken >= most) return;
  }
}

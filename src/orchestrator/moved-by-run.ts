import type { RunFolder } from '../journal/run-folder.ts';
import type { StageRow } from '../report/report.ts';
import type { StageName } from '../stages/stage.ts';

/** Records of each stage that the journal says were moved and not taken back. Throws MigrateError `journal`. */
export async function movedByRun(folder: RunFolder): Promise<ReadonlyMap<StageName, number>> {
  const moved = new Map<StageName, number>();
  for (const entry of await folder.entries()) {
    if (entry.type !== 'done' && entry.type !== 'undone') continue;
    const change = entry.type === 'done' ? entry.moved : -entry.moved;
    moved.set(entry.stage, (moved.get(entry.stage) ?? 0) + change);
  }
  return moved;
}

/** The row with the totals of its run, where `earlier` attempts have moved records. `planned`: found by the first plan. */
export function withRunTotals(row: StageRow, earlier: number, planned: number): StageRow {
  if (earlier <= 0) return row;
  const moved = earlier + row.moved;
  return { ...row, run: { found: Math.max(planned, moved), moved } };
}

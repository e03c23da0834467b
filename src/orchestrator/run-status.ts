import type { JournalEntry } from '../journal/journal-entry.ts';
import type { RunRecord } from '../journal/run-record.ts';
import type { StageName } from '../stages/stage.ts';

/** What a run is doing, or what became of it, as its folder tells. */
export interface RunStatus {
  /** `interrupted`: its process is gone without having come to an end. `stalled`: it is there, and does nothing. */
  readonly state: RunRecord['state'] | 'interrupted' | 'stalled';
  /** The last phase and stage that were worked on. */
  readonly phase: string | undefined;
  readonly stage: StageName | undefined;
  readonly stages: readonly StageProgress[];
  /** Records a second in the last batches of the newest process, while it is at work. */
  readonly perSecond: number | undefined;
  /** Until the stage's apply is done at that rate, ms. */
  readonly etaMs: number | undefined;
  /** Since something was last known to be done, ms. */
  readonly checkpointAgeMs: number | undefined;
  readonly lastError: string | undefined;
  readonly process: { readonly pid: number; readonly host: string; readonly command: string } | undefined;
}

/** One stage over all processes of the run. */
export interface StageProgress {
  readonly name: StageName;
  /** Without what was taken back. */
  readonly moved: number;
  /** What the run's plan found to move, or more where others wrote meanwhile. */
  readonly total: number;
  readonly takenBack: number;
  readonly failed: number;
  /** Batches that were sent and are not known to be done. */
  readonly openBatches: number;
}

/** A process that has done nothing for so long has stalled, ms: far above any one batch. */
const STALLED_MS = 60_000;
/** The rate is that of the last batches within this time, ms. */
const RATE_WINDOW_MS = 30_000;

/** Reads a run's state from its record and journal. `alive`: whether its newest process may still be there. */
export function runStatus(
  record: RunRecord,
  entries: readonly JournalEntry[],
  { now, alive }: { readonly now: number; readonly alive: boolean },
): RunStatus {
  const from = entries.findLastIndex(({ type }) => type === 'process');
  const newest = from < 0 ? [] : entries.slice(from);
  const process = newest[0]?.type === 'process' ? newest[0] : undefined;
  const working = record.state === 'running' && process !== undefined && !newest.some(({ type }) => type === 'end');
  const last = entries.at(-1);
  const idleMs = last === undefined ? undefined : Math.max(0, now - last.at);
  const done = newest.filter((entry) => entry.type === 'done' || entry.type === 'undone');
  const stage = done.at(-1)?.stage;
  const stages = stagesOf(record, entries);
  const perSecond = working && alive ? rateOf(done, now) : undefined;
  const left = stages.find(({ name }) => name === stage);
  const stalled = working && alive && (idleMs ?? 0) > STALLED_MS;
  return {
    state: working && !alive ? 'interrupted' : stalled ? 'stalled' : record.state,
    phase: phaseOf(newest),
    stage,
    stages,
    perSecond,
    etaMs: perSecond && left ? Math.max(0, ((left.total - left.moved) / perSecond) * 1_000) : undefined,
    checkpointAgeMs: lastDoneAge(entries, now),
    lastError: entries.findLast((entry) => entry.type === 'failed')?.error,
    process: process && { pid: process.pid, host: process.host, command: process.command },
  };
}

function phaseOf(entries: readonly JournalEntry[]): string | undefined {
  return entries.findLast((entry) => entry.type === 'phase')?.phase;
}

function lastDoneAge(entries: readonly JournalEntry[], now: number): number | undefined {
  const last = entries.findLast(({ type }) => type === 'done' || type === 'undone');
  return last === undefined ? undefined : Math.max(0, now - last.at);
}

function stagesOf(record: RunRecord, entries: readonly JournalEntry[]): readonly StageProgress[] {
  const names = Object.keys(record.stores) as StageName[];
  const applied = entries.findLast((entry) => entry.type === 'phase' && entry.phase === 'apply');
  return names.map((name) => {
    const of = { moved: 0, takenBack: 0, failed: 0 };
    const open = new Set<number>();
    for (const entry of entries) {
      if (entry.type === 'intent' && entry.stage === name) {
        for (let batch = entry.batches[0]; batch <= entry.batches[1]; batch += 1) open.add(batch);
      }
      if ((entry.type !== 'done' && entry.type !== 'undone') || entry.stage !== name) continue;
      of.failed += entry.failed ?? 0;
      if (entry.type === 'undone') of.takenBack += entry.moved;
      else {
        of.moved += entry.moved;
        open.delete(entry.batch);
      }
    }
    const moved = Math.max(0, of.moved - of.takenBack);
    const total = Math.max(moved, applied?.type === 'phase' ? (applied.totals?.[name] ?? 0) : 0);
    return { name, moved, total, takenBack: of.takenBack, failed: of.failed, openBatches: open.size };
  });
}

function rateOf(
  done: readonly (JournalEntry & { readonly type: 'done' | 'undone' })[],
  now: number,
): number | undefined {
  const recent = done.filter(({ at }) => now - at <= RATE_WINDOW_MS);
  const first = recent[0];
  if (first === undefined || recent.length < 2) return undefined;
  const moved = recent.slice(1).reduce((sum, entry) => sum + entry.moved, 0);
  return moved / (Math.max(1, now - first.at) / 1_000);
}

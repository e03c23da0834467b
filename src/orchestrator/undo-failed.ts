import { errorText, MigrateError } from '../model/errors.ts';
import type { RunReport } from '../report/report.ts';
import { joinedTrace } from './joined-trace.ts';
import { readRunPlan } from './plan.ts';
import { executeRollback, type RollbackInput } from './rollback.ts';
import type { RunInput } from './run-input.ts';

/**
 * Takes a failed run back at once. The report stays that of the run: its outcome becomes `undone` (exit 3) where all of it
 * was taken back, and stays `failed` where not, with both errors.
 */
export async function undoFailed(failed: RunReport, input: UndoInput): Promise<RunReport> {
  try {
    return await undo(failed, input);
  } catch (error) {
    const why = errorText(error);
    return {
      ...failed,
      error: `${failed.error ?? failed.message}; while undoing: ${why}`,
      message: `${failed.message}; it could not be taken back: ${why}`,
    };
  }
}

type UndoInput = Omit<RollbackInput, 'folder' | 'plan' | 'dryRun' | 'confirm'> & Pick<RunInput, 'folders'>;

async function undo(failed: RunReport, input: UndoInput): Promise<RunReport> {
  const folder = (await input.folders.all()).find(({ record }) => record.id === failed.runId);
  const stored = await folder?.readPlan();
  if (folder === undefined || stored === undefined) {
    throw new MigrateError('internal', `the folder of run ${failed.runId} or its plan is gone`);
  }
  const last = (await folder.entries()).findLast((entry) => entry.type === 'process');
  const { pid, host } = input.process;
  // A run whose locks were taken away may have been brought to its end by who took them.
  if (last?.type === 'process' && (last.pid !== pid || last.host !== host)) {
    throw new MigrateError('lock', 'another process has gone on with the run');
  }
  const plan = readRunPlan(stored, `${folder.path}/plan.json`);
  const undoing = await executeRollback({ ...input, folder, plan, dryRun: false });
  const undone = undoing.outcome === 'rolled-back';
  const error = [failed.error ?? failed.message, undoing.error]
    .filter((text) => text !== null)
    .join('; while undoing: ');
  const report: RunReport = {
    ...failed,
    outcome: undone ? 'undone' : undoing.outcome === 'stopped' ? 'stopped' : 'failed',
    exitCode: undone ? 3 : undoing.exitCode === 5 ? 4 : undoing.exitCode,
    stages: failed.stages.map((row) =>
      joinedRow(
        row,
        undoing.stages.find(({ name }) => name === row.name),
      ),
    ),
    ms: failed.ms + undoing.ms,
    ...joinedTrace([failed, undoing], Date.parse(failed.startedAt)),
    notes: [
      ...(failed.notes ?? []),
      ...(undoing.notes ?? []).map((note) => ({ ...note, atMs: note.atMs + failed.ms })),
    ].slice(0, 60),
    retries: [...(failed.retries ?? []), ...(undoing.retries ?? [])].slice(0, 30),
    findings: [...failed.findings, ...undoing.findings],
    message: undone || undoing.error === null ? `${failed.message}; ${undoing.message}` : error,
    error,
    next: undoing.next,
  };
  try {
    await folder.saveReport(report);
    return report;
  } catch (error) {
    // What was done stays true.
    return { ...report, message: `${report.message}; the report could not be stored: ${errorText(error)}` };
  }
}

type Row = RunReport['stages'][number];

function joinedRow(row: Row, undone: Row | undefined): Row {
  if (undone === undefined || (undone.status !== 'undone' && undone.status !== 'undo-failed')) return row;
  const { after: _, ...before } = row;
  const after = undone.after === undefined ? {} : { after: undone.after };
  return { ...before, ...after, status: undone.status, phases: { ...row.phases, ...undone.phases } };
}

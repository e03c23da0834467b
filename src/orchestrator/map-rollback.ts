import type { MapFolder } from '../journal/map-folder.ts';
import { errorText, MigrateError } from '../model/errors.ts';
import { type WaveView, waveViews } from '../model/waves.ts';
import type { Outcome, RunReport } from '../report/report.ts';
import type { RunHistory } from '../report/run-history.ts';
import { begunHooks } from './begun-hooks.ts';
import { joinedTrace } from './joined-trace.ts';
import type { MapInput } from './map-input.ts';
import { joinedRows, mapTenants, storedInMap, toldBy, waveRows } from './map-report.ts';
import { mapState, type WaveState } from './map-state.ts';
import { readRunPlan } from './plan.ts';
import { executeRollback, type RollbackInput } from './rollback.ts';
import type { LockPorts } from './run-locks.ts';
import { RunLocks } from './run-locks.ts';
import { makeReport } from './run-report.ts';
import { sharedLocks } from './shared-locks.ts';

/** What taking a map back is told. */
export interface MapRollbackInput
  extends Omit<RollbackInput, 'folder' | 'plan' | 'stages' | 'fromBackup'>,
    Pick<MapInput, 'stagesFor' | 'folders'> {
  readonly folder: MapFolder;
}

/** Takes the waves of a map back, from the last to the first. Running it again goes on where it ended. */
export async function executeMapRollback(input: MapRollbackInput): Promise<RunReport> {
  const { record } = input.folder;
  const locks = new RunLocks(input.locks, record.waves.flat(), input.clock);
  const startedAt = input.clock.now();
  const history = input.history?.();
  const views = waveViews(record);
  try {
    let denied: string | undefined;
    if (!input.dryRun) {
      if (input.confirm !== undefined && !(await input.confirm())) {
        throw new MigrateError('refused', 'not confirmed: nothing was written');
      }
      input.signal.throwIfAborted();
      const holder = { runId: record.id, command: 'rollback' };
      for (const text of await locks.takeLocal(holder)) input.emit({ type: 'run-note', text });
      denied = await locks.takeLease(holder);
      if (denied !== undefined) input.emit({ type: 'run-note', text: `no lock that other machines see: ${denied}` });
      const { id: runId, moves } = record;
      await input.hooks?.({ event: 'before-plan', command: 'rollback', runId, moves, rows: [] }, input.signal);
    }
    const ended = await takeBackWaves({
      ...input,
      hooks: begunHooks(input.hooks),
      views,
      locks: sharedLocks(locks, denied),
    });
    return await reported(input, { ...ended, startedAt, history, holds: await locks.holdsLocal() });
  } catch (failure) {
    const outcome = input.signal.aborted ? 'stopped' : 'refused';
    return reported(input, {
      outcome,
      message: errorText(failure),
      failure,
      startedAt,
      history,
      reports: new Map(),
      holds: false,
    });
  } finally {
    await locks.release();
  }
}

interface TakenBack {
  readonly outcome: Outcome;
  readonly message: string;
  /** By the index of the wave. */
  readonly reports: ReadonlyMap<number, RunReport>;
  readonly failure?: unknown;
}

/** The waves alone: their locks are held. One that fails stops the others, whose data would come into its way. */
export async function takeBackWaves(
  input: Omit<MapRollbackInput, 'confirm'> & { readonly views: readonly WaveView[]; readonly locks: LockPorts },
): Promise<TakenBack> {
  const { folder, folders, views, emit, dryRun } = input;
  const reports = new Map<number, RunReport>();
  const { waves } = await mapState(folder, await folders.all());
  for (const [index, view] of [...views.entries()].reverse()) {
    const wave = waves[index];
    if (wave === undefined || !wave.stands) continue;
    emit({ type: 'run-note', text: `Wave ${index + 1} of ${views.length}` });
    let report: RunReport;
    try {
      report = await takeBackWave(input, wave, view);
    } catch (failure) {
      const outcome = reports.size > 0 ? 'failed' : 'refused';
      return { outcome, message: `wave ${index + 1} of ${views.length}: ${errorText(failure)}`, reports, failure };
    }
    reports.set(index, report);
    if (report.outcome === (dryRun ? 'planned' : 'rolled-back')) continue;
    const outcome = report.outcome === 'refused' && reports.size > 1 ? 'failed' : report.outcome;
    return { outcome, message: `wave ${index + 1} of ${views.length}: ${report.message}`, reports };
  }
  const count = `${reports.size} ${reports.size === 1 ? 'wave' : 'waves'}`;
  if (dryRun) return { outcome: 'planned', message: `nothing was written: ${count} would be taken back`, reports };
  return { outcome: 'rolled-back', message: `${count} taken back, the last first`, reports };
}

async function takeBackWave(
  input: Omit<MapRollbackInput, 'confirm'>,
  { run }: WaveState,
  view: WaveView,
): Promise<RunReport> {
  const stored = await run?.readPlan();
  if (run === undefined || stored === undefined) {
    const text = `${run?.path ?? 'the wave'}/plan.json is gone: without it the wave cannot be taken back`;
    throw new MigrateError('journal', text, { next: 'put a copy of it back, or resume the list' });
  }
  const plan = readRunPlan(stored, `${run.path}/plan.json`);
  const options = { ...input.options, leaving: [...view.leaving] };
  return executeRollback({ ...input, options, folder: run, plan, stages: input.stagesFor(view), confirm: undefined });
}

async function reported(
  input: MapRollbackInput,
  ended: TakenBack & { readonly startedAt: number; readonly history: RunHistory | undefined; readonly holds: boolean },
): Promise<RunReport> {
  const { folder, folders } = input;
  const { moves, id, waves, temporary } = folder.record;
  const state = await mapState(folder, await folders.all());
  const reports = [...ended.reports.values()];
  const last = reports.at(-1);
  const made = makeReport(
    { ...input, command: 'rollback', moves, detailedExitCode: false, settings: folder.record.settings },
    {
      ...ended,
      runId: id,
      failure: ended.failure,
      limit: undefined,
      rows: joinedRows(reports),
      tenants: mapTenants(moves, { waves, temporary }, await toldBy(state, ended.reports)),
      problems: last?.outcome === 'refused' ? last.problems : [],
      findings: reports.flatMap(({ findings }) => findings),
      hasWork: false,
      stores: last?.stores,
    },
  );
  const trace = joinedTrace(reports, ended.startedAt);
  const report = {
    ...made,
    ...trace,
    waves: waveRows(waves, state, new Map()),
    error: made.error ?? last?.error ?? null,
  };
  return storedInMap(ended.holds && !input.dryRun ? folder : undefined, report);
}

import type { RunFolder } from '../journal/run-folder.ts';
import { errorText, MigrateError } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import { moveText } from '../model/move.ts';
import type { Outcome, RunPlan, RunReport } from '../report/report.ts';
import { stageOrder } from '../stages/index.ts';
import type { Finding, Problem, StageName, StagePlan } from '../stages/stage.ts';
import type { BoundStage, CommonContext } from './bound-stage.ts';
import { OutcomeRows } from './outcome.ts';
import { foundIn, targetIn } from './plan.ts';
import type { RunInput } from './run.ts';
import { otherStores, otherStoresProblem } from './run-problems.ts';
import { makeReport } from './run-report.ts';

/** What a rollback is told: the run, its plan, and the stages with their stores. */
export interface RollbackInput
  extends Pick<
    RunInput,
    'dryRun' | 'stages' | 'skipped' | 'options' | 'toolVersion' | 'again' | 'forReal' | 'signal' | 'clock' | 'emit'
  > {
  readonly folder: RunFolder;
  readonly plan: RunPlan;
  /** Asked before anything is written; undefined where nobody is to be asked. */
  readonly confirm?: (() => Promise<boolean>) | undefined;
}

/**
 * Takes back what the run's undo logs name, last stage first, each record with the value it has now. Every stage is
 * tried even after one has failed; the failures are joined. Running it again goes on where it ended.
 */
export async function executeRollback(input: RollbackInput): Promise<RunReport> {
  const { stages, folder } = input;
  try {
    return await rollback(input);
  } finally {
    await Promise.allSettled(stages.map((stage) => stage.close()));
    await folder.close();
  }
}

async function rollback(input: RollbackInput): Promise<RunReport> {
  const { folder, plan, clock, emit, stages, skipped } = input;
  const startedAt = clock.now();
  const rows = new OutcomeRows(
    stages.map(({ name }) => name),
    skipped,
    stageOrder,
  );
  for (const stage of plan.stages) rows.plan(stage);
  const { record } = folder;
  emit({
    type: 'run-started',
    command: 'rollback',
    runId: record.id,
    moves: record.moves,
    dryRun: input.dryRun,
    continuing: false,
  });
  const problems = elsewhere(input);
  let findings: readonly Finding[] = [];
  let outcome: Outcome;
  let message: string;
  let failure: unknown;
  try {
    if (problems.length > 0) throw new NotBegun('refused before anything was written: 1 problem');
    const names = await takeBack(input, rows);
    findings = input.dryRun ? [] : await compare(input, rows);
    const differences = findings.filter(({ severity }) => severity === 'difference').length;
    outcome = input.dryRun ? 'planned' : differences > 0 ? 'failed' : 'rolled-back';
    message = input.dryRun
      ? `nothing was written: the undo logs of ${names.join(', ') || 'no stage'} would be taken back`
      : `${record.moves.map(moveText).join(', ')} taken back in ${names.join(', ') || 'no stage'}${differences > 0 ? `, but ${differences} differences are left` : ''}`;
    const open = input.dryRun ? [] : await stillMoved(folder);
    if (open.length > 0) message += `; ${open.join(', ')}, left out now, is still moved`;
  } catch (error) {
    failure = error;
    outcome = input.signal.aborted ? 'stopped' : error instanceof NotBegun ? 'refused' : 'failed';
    message = errorText(error);
  }
  const report = makeReport(
    { ...input, command: 'rollback', moves: record.moves, detailedExitCode: false },
    {
      runId: record.id,
      outcome,
      message,
      failure,
      startedAt,
      rows: rows.all(),
      problems,
      findings,
      hasWork: false,
    },
  );
  if (!input.dryRun && outcome !== 'refused') {
    await folder.saveReport(report as unknown as Json);
    const open = (await stillMoved(folder)).length > 0;
    await folder.setState(open ? 'stopped' : stateAfter(outcome), new Date(clock.now()).toISOString());
  }
  emit({ type: 'run-finished', report });
  return report;
}

/** Ends a rollback before it has written anything. */
class NotBegun extends Error {}

/** The undo log names records of certain servers: at others it would find nothing, and call that done. */
function elsewhere({ folder, stages }: RollbackInput): readonly Problem[] {
  const { record } = folder;
  const now = Object.fromEntries(stages.map(({ name, address }) => [name, address]));
  const others = otherStores(record.stores, now);
  return others.length === 0 ? [] : [otherStoresProblem(record.id, others, record.stores)];
}

/** Stages that the run has written to and no rollback has taken back. */
async function stillMoved(folder: RunFolder): Promise<readonly StageName[]> {
  return (await folder.writtenStages()).filter((name) => !folder.record.undone.includes(name));
}

function stateAfter(outcome: Outcome): 'rolled-back' | 'stopped' | 'failed' {
  if (outcome === 'rolled-back') return 'rolled-back';
  return outcome === 'stopped' ? 'stopped' : 'failed';
}

/** Undoes stage by stage, backwards; returns the names of those that had something to take back. */
async function takeBack(input: RollbackInput, rows: OutcomeRows): Promise<readonly StageName[]> {
  const written: BoundStage[] = [];
  for (const stage of [...input.stages].reverse()) {
    if (!(await input.folder.undo(stage.name)).empty) written.push(stage);
  }
  const names = written.map(({ name }) => name);
  if (input.dryRun) return names;
  if (input.confirm !== undefined && !(await input.confirm())) {
    throw new NotBegun('not confirmed: nothing was written');
  }
  input.signal.throwIfAborted();
  input.emit({ type: 'phase', phase: 'undo', stages: names });
  const errors: unknown[] = [];
  for (const stage of written) {
    try {
      await undoStage(stage, input, rows);
    } catch (error) {
      errors.push(error);
      if (input.signal.aborted) break;
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, 'several stages could not be taken back');
  return names;
}

async function undoStage(stage: BoundStage, input: RollbackInput, rows: OutcomeRows): Promise<void> {
  const { folder, signal, emit } = input;
  emit({ type: 'stage-started', stage: stage.name, phase: 'undo' });
  const start = performance.now();
  try {
    const ports = { undo: await folder.undo(stage.name), permit: async () => signal.throwIfAborted() };
    for await (const checkpoint of stage.undo(planOf(input, stage.name), contextOf(input), ports)) {
      rows.count(stage.name, checkpoint);
    }
    const { failed } = rows.of(stage.name);
    if (failed > 0) throw new MigrateError('record', `${failed} records of ${stage.name} could not be taken back`);
    rows.status(stage.name, 'undone');
    await folder.unsettle([stage.name], new Date(input.clock.now()).toISOString());
  } catch (error) {
    rows.status(stage.name, 'undo-failed');
    throw error;
  } finally {
    rows.time(stage.name, 'undo', performance.now() - start);
    emit({ type: 'stage-finished', stage: stage.name, phase: 'undo', row: rows.of(stage.name) });
  }
}

/** Counts anew: all that the plan found must be at the source again; what stays at the target is listed. */
async function compare(input: RollbackInput, rows: OutcomeRows): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const stage of input.stages) {
    const before = input.plan.stages.find((plan) => plan.stage === stage.name);
    if (before === undefined) continue;
    const now = await stage.plan(input.folder.record.moves, contextOf(input));
    const short = foundIn(before) - foundIn(now);
    const gone = rows.of(stage.name).vanished;
    if (short > 0) {
      findings.push({
        stage: stage.name,
        kind: short <= gone ? 'expired' : 'count',
        severity: short <= gone ? 'notice' : 'difference',
        message: `${foundIn(now)} of ${foundIn(before)} ${before.unit} are at the source again`,
        count: short,
      });
    }
    const more = targetIn(now) - targetIn(before);
    if (more > 0) {
      findings.push({
        stage: stage.name,
        kind: 'stays-at-target',
        severity: 'notice',
        message: `${more} ${before.unit} stay at the target: the undo log does not name them, or both ids hold them now`,
        count: more,
      });
    }
  }
  return findings;
}

function planOf({ plan }: RollbackInput, name: StageName): StagePlan {
  const found = plan.stages.find(({ stage }) => stage === name);
  if (found === undefined) throw new MigrateError('internal', `the run's plan holds no ${name} stage`);
  return found;
}

function contextOf(input: RollbackInput): CommonContext {
  const { plan, options, signal, clock, emit } = input;
  return {
    profile: plan.profile,
    // Both ids may hold data in the middle of a move: that is what is being taken back.
    options: { ...options, ...plan.options, verify: 'counts', merge: true, continuing: true, onConflict: 'skip' },
    runId: input.folder.record.id,
    signal,
    clock,
    emit,
  };
}

import type { RunFolder } from '../journal/run-folder.ts';
import { errorText, MigrateError } from '../model/errors.ts';
import { digest } from '../model/fingerprint.ts';
import { grouped } from '../model/grouped.ts';
import { canonicalJson } from '../model/json.ts';
import { movesText } from '../model/move.ts';
import type { HookMoment } from '../report/hook-call.ts';
import type { Outcome, RunPlan, RunReport, TenantRow } from '../report/report.ts';
import { stageOrder } from '../stages/index.ts';
import type { Finding, Problem, StageName, StagePlan, UndoPort } from '../stages/stage.ts';
import { type BackupSource, missingInBackup, undoFromBackup } from './backup-source.ts';
import type { BoundStage, CommonContext } from './bound-stage.ts';
import { Ending } from './ending.ts';
import { Gate } from './gate.ts';
import { Limits } from './limits.ts';
import { OutcomeRows } from './outcome.ts';
import { foundIn, targetIn } from './plan.ts';
import type { RunInput } from './run-input.ts';
import { RunLocks } from './run-locks.ts';
import { otherStores, otherStoresProblem } from './run-problems.ts';
import { makeReport, recorded, storeFacts } from './run-report.ts';
import { tenantRows } from './tenant-rows.ts';
import { writeStep } from './write-step.ts';

/** What a rollback is told: the run, its plan, and the stages with their stores. */
export interface RollbackInput
  extends Pick<
    RunInput,
    | 'dryRun'
    | 'sameServers'
    | 'stages'
    | 'skipped'
    | 'options'
    | 'locks'
    | 'rate'
    | 'pauseFile'
    | 'throttle'
    | 'hooks'
    | 'process'
    | 'toolVersion'
    | 'environment'
    | 'history'
    | 'say'
    | 'signal'
    | 'clock'
    | 'emit'
  > {
  readonly folder: RunFolder;
  readonly plan: RunPlan;
  /** Where the undo logs are lost: what is taken back is what this backup of the source names. */
  readonly fromBackup?: BackupSource | undefined;
  /** Asked before anything is written; undefined where nobody is to be asked. */
  readonly confirm?: (() => Promise<boolean>) | undefined;
}

/**
 * Takes back what the run's undo logs name, last stage first, each record with the value it has now. Every stage is
 * tried even after one has failed; the failures are joined. Running it again goes on where it ended.
 */
export async function executeRollback(input: RollbackInput): Promise<RunReport> {
  const { stages, folder } = input;
  const locks = new RunLocks(input.locks, folder.record.moves, input.clock);
  try {
    return await rollback(input, locks);
  } finally {
    await Promise.allSettled([...stages.map((stage) => stage.close()), folder.close()]);
    await locks.release();
  }
}

/** What every step of a rollback works with. */
interface Undoing extends RollbackInput {
  readonly held: RunLocks;
  /** Called once the locks are held and what the run recorded is whole: from now on the stores may be written to. */
  readonly onBegun: () => void;
  readonly gate: Gate;
  readonly rows: OutcomeRows;
}

async function rollback(input: RollbackInput, locks: RunLocks): Promise<RunReport> {
  const { folder, plan, clock, emit, stages, skipped, signal } = input;
  const startedAt = clock.now();
  const history = input.history?.();
  const names = stages.map(({ name }) => name);
  const rows = new OutcomeRows(names, skipped, stageOrder);
  for (const stage of plan.stages) rows.plan(stage);
  // What the run was given to stop early does not hold: where much cannot be taken back, the rest still is.
  const limits = new Limits({ clock, maxErrorRate: 1 });
  const { pauseFile, rate, throttle } = input;
  const note = (text: string) => folder.note(text);
  const gate = new Gate({ locks, limits, pauseFile, rate, throttle, undoing: true, signal, clock, emit, note });
  const { id: runId, moves, map } = folder.record;
  const { dryRun } = input;
  const open = !folder.isFinished;
  emit({ type: 'run-started', command: 'rollback', runId, moves, dryRun, continuing: false, open, map });
  const problems = input.sameServers ? [] : elsewhere(input);
  let begun = false;
  const onBegun = () => {
    begun = true;
  };
  let ended: Ended;
  try {
    if (problems.length > 0) throw new Ending('refused', 'refused before anything was written: 1 problem');
    ended = await takeBackAll({ ...input, held: locks, gate, rows, onBegun });
  } catch (failure) {
    ended = {
      outcome: signal.aborted ? 'stopped' : begun ? 'failed' : 'refused',
      message: errorText(failure),
      findings: [],
      failure: failure instanceof Ending ? undefined : failure,
    };
  }
  const report = makeReport(
    { ...input, command: 'rollback', moves, detailedExitCode: false, settings: folder.record.settings },
    {
      runId,
      limit: limits.check(),
      startedAt,
      rows: rows.all(),
      problems,
      hasWork: false,
      tenants: rowsOf(input, ended),
      trace: rows.trace,
      history,
      stores: storeFacts(stages, plan.stages),
      ...ended,
    },
  );
  let told = report;
  // A run that nothing was taken back of is what it was before; one whose lock was taken away is another process's.
  if (begun && (await locks.holdsLocal())) {
    const open = (await stillMoved(folder)).length > 0;
    told = await recorded(folder, report, stateAfter(ended.outcome, open), input);
  }
  emit({ type: 'run-finished', report: told, unfinished: !folder.isFinished });
  return told;
}

/** Of a list, and of a wave of one: batches do not say whose records they took back. */
function rowsOf({ folder, plan }: RollbackInput, { outcome }: Ended): readonly TenantRow[] | undefined {
  const { moves, map } = folder.record;
  if (moves.length < 2 && map === undefined) return undefined;
  return tenantRows({ moves, plans: plan.stages, counted: new Map(), rows: [], outcome, wave: map?.wave ?? 1 });
}

interface Ended {
  readonly outcome: Outcome;
  readonly isOpen?: boolean;
  readonly message: string;
  readonly findings: readonly Finding[];
  readonly failure: unknown;
}

async function takeBackAll(input: Undoing): Promise<Ended> {
  const { folder, dryRun, stages, fromBackup } = input;
  const toTakeBack = async () => {
    const written = fromBackup?.stages ?? (await folder.writtenStages());
    return stages.filter(({ name }) => written.includes(name)).reverse();
  };
  if (dryRun) {
    const names = namesOf(await toTakeBack());
    const from = fromBackup === undefined ? 'undo logs' : `records of backup ${fromBackup.id}`;
    const logged = fromBackup === undefined ? await loggedRecords(folder) : '';
    const message = `nothing was written: the ${from} of ${names} would be taken back${logged}`;
    return { outcome: 'planned', message, findings: [], failure: undefined };
  }
  if (input.confirm !== undefined && !(await input.confirm())) {
    throw new Ending('refused', 'not confirmed: nothing was written');
  }
  input.signal.throwIfAborted();
  if (!(await secure(input, toTakeBack))) {
    for (const { name } of await toTakeBack()) input.rows.status(name, 'undone');
    const message = `${movesText(folder.record.moves)} was taken back before: nothing to do`;
    return { outcome: 'rolled-back', message, findings: [], failure: undefined };
  }
  // Only now: who held the locks may have gone on with the run meanwhile.
  const backwards = await toTakeBack();
  await takeBack(input, backwards, await folder.unsettledStages());
  const findings = [...(await compare(input)), ...(await compareBackup(input))];
  const differences = findings.filter(({ severity }) => severity === 'difference').length;
  const open = await stillMoved(folder);
  const message = [
    `${movesText(folder.record.moves)} taken back in ${namesOf(backwards)}`,
    differences > 0 ? `, but ${differences} differences are left` : '',
    open.length > 0 ? `; ${open.join(', ')}, left out now, is still moved` : '',
  ].join('');
  const outcome = differences > 0 ? 'failed' : 'rolled-back';
  return { outcome, isOpen: open.length > 0, message, findings, failure: undefined };
}

function namesOf(stages: readonly BoundStage[]): string {
  return stages.map(({ name }) => name).join(', ') || 'no stage';
}

/** How many records the journal says were moved and not yet taken back. */
async function loggedRecords(folder: RunFolder): Promise<string> {
  if (await folder.isJournalLost()) return ' (the journal is gone: as far as the undo logs themselves tell)';
  let moved = 0;
  for (const entry of await folder.entries()) {
    if (entry.type === 'done') moved += entry.moved;
    if (entry.type === 'undone') moved -= entry.moved;
  }
  return `, ${Math.max(0, moved).toLocaleString('en')} records that the journal calls done among them`;
}

/** Takes the locks and opens what the run recorded of these stages. False where all of them are taken back already. */
async function secure(input: Undoing, toTakeBack: () => Promise<readonly BoundStage[]>): Promise<boolean> {
  const { folder, held: locks, process, toolVersion, clock, emit, options } = input;
  const holder = { runId: folder.record.id, command: 'rollback' };
  const note = (text: string) => emit({ type: 'run-note', text });
  for (const text of await locks.takeLocal(holder)) note(text);
  const settings = digest(canonicalJson({ ...options }));
  await folder.open({ command: 'rollback', toolVersion, settings, ...process, now: () => clock.now() });
  await refuseOtherPlan(input);
  const without = await locks.takeLease(holder);
  if (without !== undefined) note(`no lock that other machines see: ${without}`);
  await hook(input, { event: 'before-plan' });
  if (await folder.isJournalLost()) note('the run’s journal is gone: what its undo logs hold is taken back');
  // One that is damaged refuses the rollback now, and not after other stages were taken back.
  if (input.fromBackup === undefined) {
    const names = (await toTakeBack()).map(({ name }) => name);
    const isOver = (await Promise.all(names.map((name) => folder.isTakenBack(name)))).every((is) => is);
    if (isOver && folder.record.state === 'rolled-back') return false;
    for (const name of names) await folder.undo(name);
  }
  await folder.setState('running', new Date(clock.now()).toISOString());
  input.onBegun();
  return true;
}

/** The plan was read before the locks were held. */
async function refuseOtherPlan({ folder, plan, say }: Undoing): Promise<void> {
  const now = (await folder.readPlan()) as Partial<RunPlan> | undefined;
  if (now?.checksum === plan.checksum) return;
  const text = `run ${folder.record.id} has gone on since it was looked at`;
  throw new MigrateError('refused', text, { next: say.again });
}

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

/** `open`: a stage is still moved. */
function stateAfter(outcome: Outcome, open: boolean): 'rolled-back' | 'stopped' | 'failed' {
  if (outcome === 'rolled-back') return open ? 'stopped' : 'rolled-back';
  return outcome === 'stopped' ? 'stopped' : 'failed';
}

/** Records of a stage that the run moved and no rollback has taken back; as the plan counted where no journal tells. */
async function standing(folder: RunFolder, plan: StagePlan): Promise<number> {
  let moved = 0;
  for (const entry of await folder.entries()) {
    if (entry.type === 'done' && entry.stage === plan.stage) moved += entry.moved;
    if (entry.type === 'undone' && entry.stage === plan.stage) moved -= entry.moved;
  }
  return moved > 0 ? moved : foundIn(plan);
}

/** Undoes stage by stage, backwards. */
async function takeBack(
  input: Undoing,
  written: readonly BoundStage[],
  unsettled: readonly StageName[],
): Promise<void> {
  const { folder, gate, rows, emit, signal, clock } = input;
  emit({ type: 'phase', phase: 'undo', stages: written.map(({ name }) => name) });
  folder.phase('undo', Object.fromEntries(input.plan.stages.map((plan) => [plan.stage, foundIn(plan)])));
  const errors: unknown[] = [];
  for (const stage of written) {
    const plan = planOf(input, stage.name);
    const context = contextOf(input);
    if (input.fromBackup === undefined && (await folder.isTakenBack(stage.name))) {
      rows.status(stage.name, 'undone');
      continue;
    }
    try {
      await hook(input, { event: 'before-stage', stage: stage.name, phase: 'undo' });
      const quiesce = () => stage.quiesce(folder.record.moves, context);
      const before = unsettled.includes(stage.name) ? quiesce : undefined;
      await writeStep({
        stage,
        phase: 'undo',
        plan,
        context,
        folder,
        gate,
        rows,
        emit,
        before,
        expected: await standing(folder, plan),
        undo: undoOf(input, stage),
      });
      await folder.unsettle([stage.name], new Date(clock.now()).toISOString());
      await hook(input, { event: 'after-stage', stage: stage.name, phase: 'undo' });
    } catch (error) {
      errors.push(error);
      if (signal.aborted) break;
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, 'several stages could not be taken back');
}

async function hook(input: Undoing, moment: Pick<HookMoment, 'event' | 'stage' | 'phase'>): Promise<void> {
  const { id: runId, moves, map = null } = input.folder.record;
  const { hooks, rows, signal } = input;
  await hooks?.({ command: 'rollback', runId, moves, wave: map, rows: rows.all(), ...moment }, signal);
}

function undoOf({ fromBackup, folder, plan }: Undoing, stage: BoundStage): UndoPort | undefined {
  if (fromBackup === undefined) return undefined;
  return undoFromBackup(fromBackup, stage, { moves: folder.record.moves, profile: plan.profile });
}

/** What the backup names and no store has again. */
async function compareBackup(input: Undoing): Promise<readonly Finding[]> {
  const { fromBackup, stages } = input;
  return fromBackup === undefined ? [] : missingInBackup(fromBackup, stages, contextOf(input));
}

/** Counts anew: all that the plan found must be at the source again; what stays at the target is listed. */
async function compare(input: Undoing): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const stage of input.stages) {
    const before = input.plan.stages.find((plan) => plan.stage === stage.name);
    if (before === undefined) continue;
    const now = await stage.plan(input.folder.record.moves, contextOf(input));
    input.rows.after(stage.name, { source: foundIn(now), target: targetIn(now) });
    const short = foundIn(before) - foundIn(now);
    const gone = input.rows.of(stage.name).vanished;
    if (short > 0) {
      findings.push({
        stage: stage.name,
        kind: short <= gone ? 'expired' : 'count',
        severity: short <= gone ? 'notice' : 'difference',
        message: `${grouped(foundIn(now))} of ${grouped(foundIn(before))} ${before.unit} are at the source again`,
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

import type { RunFolder } from '../journal/run-folder.ts';
import { errorText, MigrateError } from '../model/errors.ts';
import { digest } from '../model/fingerprint.ts';
import { canonicalJson, type Json } from '../model/json.ts';
import { type Move, moveText } from '../model/move.ts';
import type { Profile } from '../profiles/profile.ts';
import type { RunCommand, RunEvent, RunPhase } from '../report/event.ts';
import type { Outcome, RunPlan, RunReport } from '../report/report.ts';
import type { Checkpoint, Clock, Finding, Problem, StageName, StageOptions, StagePlan } from '../stages/stage.ts';
import type { BoundStage, CommonContext, WritePorts } from './bound-stage.ts';
import { nearestIds } from './nearest-ids.ts';
import { exitCodeOf, OutcomeRows } from './outcome.ts';
import { foundIn, makeRunPlan, readRunPlan, stalePlanProblems, targetIn } from './plan.ts';

/** What one run is told. */
export interface RunInput {
  readonly command: RunCommand;
  readonly moves: readonly Move[];
  readonly dryRun: boolean;
  /** In the order in which they run. */
  readonly stages: readonly BoundStage[];
  readonly skipped: readonly StageName[];
  readonly profile: Profile;
  readonly options: StageOptions;
  /** A stored plan to execute. */
  readonly stored?: RunPlan | undefined;
  readonly exactPlan: boolean;
  /** `plan` ends with 2 where there is work. */
  readonly detailedExitCode: boolean;
  /** Asked before anything is written; undefined where nobody is to be asked. */
  readonly confirm?: ((plan: RunPlan) => Promise<boolean>) | undefined;
  readonly folders: RunFolders;
  readonly toolVersion: string;
  /** The command that repeats this run, for "what to type now". */
  readonly again: string;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly emit: (event: RunEvent) => void;
}

/** The state folder, as far as a run needs it. */
export interface RunFolders {
  create(run: Parameters<typeof RunFolder.create>[1]): Promise<RunFolder>;
  unfinished(): Promise<readonly RunFolder[]>;
  all(): Promise<readonly RunFolder[]>;
}

/** Passes of apply until a pass of verify finds nothing new at the source. */
const MOST_PASSES = 5;
/** A recorded plan is evidence for `verify` this long: later the application has changed its data. */
const PLAN_EVIDENCE_MS = 24 * 3_600_000;

/** Runs to its end and returns the report; what goes wrong on the way is in the report, not thrown. */
export async function executeRun(input: RunInput): Promise<RunReport> {
  const run = new Run(input);
  try {
    return await run.execute();
  } finally {
    await run.close();
  }
}

/** Ends a run early with an outcome that is not a failure of the program. */
class Ending extends Error {
  readonly outcome: Outcome;
  constructor(outcome: Outcome, message: string) {
    super(message);
    this.outcome = outcome;
  }
}

class Run {
  readonly #input: RunInput;
  readonly #rows: OutcomeRows;
  readonly #startedAt: number;
  readonly #problems: Problem[] = [];
  #findings: readonly Finding[] = [];
  #folder: RunFolder | undefined;
  #continuing = false;
  #plan: RunPlan | undefined;
  /** What `verify` alone compares with, for people. */
  #evidence = 'counts and leftovers: no plan of this move was recorded in the last 24 hours';

  constructor(input: RunInput) {
    this.#input = input;
    this.#startedAt = input.clock.now();
    const planned = input.stages.map(({ name }) => name);
    this.#rows = new OutcomeRows(planned, input.skipped, ['config', 'redis', 'qdrant', 'graph']);
  }

  async execute(): Promise<RunReport> {
    let outcome: Outcome;
    let message: string;
    let failure: unknown;
    try {
      message = await this.#main();
      outcome = this.#input.command === 'verify' ? 'verified' : this.#writes ? 'done' : 'planned';
    } catch (error) {
      failure = error instanceof Ending ? undefined : error;
      outcome = error instanceof Ending ? error.outcome : await this.#outcomeOf(error);
      message = errorText(error);
    }
    return this.#finish(outcome, message, failure);
  }

  get #writes(): boolean {
    return !this.#input.dryRun && (this.#input.command === 'move' || this.#input.command === 'apply');
  }

  async #main(): Promise<string> {
    await this.#begin();
    await this.#preflight();
    await this.#makePlan();
    if (this.#input.command === 'verify') return this.#verifyAlone();
    this.#stopIfNothingToDo();
    if (!this.#writes) {
      this.#refuseOn(this.#problems);
      return `nothing was written: this was a ${this.#input.command === 'plan' ? 'plan' : 'dry run'}`;
    }
    this.#refuseOn(this.#problems);
    await this.#confirm();
    await this.#applyAll();
    await this.#drainAndVerify();
    await this.#finalizeAll();
    return 'moved and verified';
  }

  /** Finds or makes the run folder. A dry run and `verify` leave none. */
  async #begin(): Promise<void> {
    const { command, moves, dryRun, folders, toolVersion, clock } = this.#input;
    const profileDigest = digest(canonicalJson(this.#input.profile));
    const unfinished = await folders.unfinished();
    const same = unfinished.find(({ record }) => canonicalJson(record.moves) === canonicalJson(moves));
    this.#continuing = same !== undefined;
    const startedAt = new Date(clock.now()).toISOString();
    if (this.#writes) {
      this.#folder = same ?? (await folders.create({ toolVersion, moves, profileDigest, startedAt }));
    }
    const runId = this.#folder?.record.id ?? same?.record.id ?? 'none';
    this.#input.emit({ type: 'run-started', command, runId, moves, dryRun, continuing: this.#continuing });
    if (command === 'verify') return;
    if (same !== undefined && same.record.profileDigest !== profileDigest) {
      this.#problem(
        'other-settings',
        `run ${same.record.id} of this move began under another profile or other key templates`,
        'type the command with the same --profile, --key-template and --qdrant-field',
      );
    }
    for (const other of unfinished) {
      if (other !== same && sharesTenant(other.record.moves, moves)) {
        this.#problem(
          'unfinished-run',
          `run ${other.record.id} has moved a part of ${other.record.moves.map(moveText).join(', ')} and is not finished`,
          `finish that move first: tenant-migrate ${other.record.moves.map(({ source, target }) => `${source} ${target}`).join(' ')} (or check the ids you typed)`,
        );
      }
    }
    if (this.#writes) await this.#folder?.setState('running', startedAt);
  }

  async #preflight(): Promise<void> {
    const { stages, moves } = this.#input;
    this.#phase('preflight');
    const results = await Promise.allSettled(
      stages.map((stage) =>
        this.#timed(stage.name, 'preflight', () => stage.preflight(moves, this.#common(), this.#writes)),
      ),
    );
    for (const [index, result] of results.entries()) {
      const name = stages[index]?.name ?? 'config';
      if (result.status === 'fulfilled') this.#problems.push(...result.value);
      else this.#problems.push(problemOf(name, result.reason));
    }
    this.#throwIfStopped();
    this.#refuseOn(this.#problems);
  }

  async #makePlan(): Promise<void> {
    const { stages, moves, profile, options, toolVersion, clock, stored, exactPlan } = this.#input;
    this.#phase('plan');
    const plans: StagePlan[] = [];
    const results = await Promise.allSettled(
      stages.map((stage) => this.#timed(stage.name, 'plan', () => stage.plan(moves, this.#common()))),
    );
    this.#throwIfStopped();
    for (const [index, result] of results.entries()) {
      if (result.status === 'fulfilled') plans.push(result.value);
      else this.#problems.push(problemOf(stages[index]?.name ?? 'config', result.reason));
    }
    const createdAt = new Date(clock.now()).toISOString();
    const fresh = makeRunPlan({ toolVersion, createdAt, moves, profile, options, stages: plans });
    if (stored !== undefined) {
      this.#problems.push(...stalePlanProblems(stored, fresh, { exact: exactPlan, continuing: this.#continuing }));
    }
    this.#problems.push(...plans.flatMap(({ problems }) => problems));
    await this.#problemIfUnknown(plans);
    this.#plan = await this.#withRecordedEvidence(fresh);
    for (const plan of fresh.stages) this.#rows.plan(plan);
    this.#findings = fresh.stages.flatMap(({ notices }) => notices);
    this.#input.emit({ type: 'planned', plan: fresh });
    if (this.#writes && !this.#continuing) await this.#folder?.savePlan(fresh as unknown as Json);
  }

  /**
   * A continued run is verified against what its first plan saw, not against what the interruption left.
   * A stage that the first plan did not hold keeps its fresh plan.
   */
  async #withRecordedEvidence(fresh: RunPlan): Promise<RunPlan> {
    const recorded = await this.#recordedPlan();
    if (recorded === undefined) return fresh;
    const stages = fresh.stages.map((plan) => recorded.stages.find(({ stage }) => stage === plan.stage) ?? plan);
    return { ...fresh, stages, options: { ...fresh.options, verify: recorded.options.verify } };
  }

  async #recordedPlan(): Promise<RunPlan | undefined> {
    const { command, moves, folders, clock } = this.#input;
    if (!this.#continuing && command !== 'verify') return undefined;
    for (const folder of await folders.all()) {
      const { record } = folder;
      if (canonicalJson(record.moves) !== canonicalJson(moves) || record.state === 'refused') continue;
      if (!this.#continuing && clock.now() - Date.parse(record.updatedAt) > PLAN_EVIDENCE_MS) return undefined;
      const plan = await folder.readPlan();
      if (plan === undefined) return undefined;
      const recorded = readRunPlan(plan, `${folder.path}/plan.json`);
      // A run that found nothing to do is no evidence of what was moved.
      if (recorded.stages.every((stage) => foundIn(stage) === 0 || isDone(stage))) continue;
      this.#evidence = `against the plan of run ${record.id}, depth ${recorded.options.verify}`;
      return recorded;
    }
    return undefined;
  }

  async #problemIfUnknown(plans: readonly StagePlan[]): Promise<void> {
    const { stages, moves } = this.#input;
    if (plans.length < stages.length || stages.length === 0) return;
    for (const [index, { source, target }] of moves.entries()) {
      const counts = plans.map(({ moves: of }) => of[index]);
      if (counts.some((count) => (count?.found ?? 0) > 0 || (count?.atTarget ?? 0) > 0)) continue;
      const near = await nearestIds(source, stages, this.#common());
      const hint = near.length > 0 ? `; near it: ${near.join(', ')}` : '';
      this.#problem(
        'unknown-tenant',
        `neither ${source} nor ${target} has any data in ${stages.map(({ name }) => name).join(', ')}${hint}`,
        'check the ids and the addresses of the stores',
      );
    }
  }

  #stopIfNothingToDo(): void {
    const stages = this.#plan?.stages ?? [];
    if (this.#problems.length > 0 || this.#continuing) return;
    if (stages.some((plan) => foundIn(plan) > 0 && !isDone(plan))) return;
    const held = stages.map((plan) => `${targetIn(plan).toLocaleString('en')} ${plan.unit}`).join(', ');
    for (const { stage } of stages) this.#rows.status(stage, 'done');
    throw new Ending('nothing-to-do', `nothing to do; target has ${held}`);
  }

  async #confirm(): Promise<void> {
    const { confirm } = this.#input;
    if (confirm === undefined || this.#plan === undefined) return;
    const agreed = await confirm(this.#plan);
    this.#throwIfStopped();
    if (!agreed) throw new Ending('refused', 'not confirmed: nothing was written');
  }

  async #applyAll(): Promise<void> {
    this.#phase('apply');
    for (const stage of this.#input.stages) await this.#step(stage, 'apply');
  }

  async #drainAndVerify(): Promise<void> {
    for (let pass = 1; ; pass += 1) {
      const findings = await this.#verifyAll('applied');
      const late = this.#input.stages.filter(({ name }) =>
        findings.some(({ stage, drainable, severity }) => stage === name && drainable && severity === 'difference'),
      );
      if (late.length === 0 || pass >= MOST_PASSES) return this.#failOnDifferences(findings);
      for (const stage of late) await this.#step(stage, 'apply');
    }
  }

  async #finalizeAll(): Promise<void> {
    this.#phase('finalize');
    let changed = this.#findings.some(({ kind }) => kind === 'pending-removal');
    for (const stage of this.#input.stages) changed = (await this.#step(stage, 'finalize')) > 0 || changed;
    // Where nothing was finalized the stores are as they were verified.
    if (changed) this.#failOnDifferences(await this.#verifyAll('finalized'));
    for (const { name } of this.#input.stages) this.#rows.status(name, 'done');
  }

  async #verifyAlone(): Promise<string> {
    // What forbids a move, such as data at both ends, is a difference here; ids that nobody knows are a mistake.
    const mistakes = this.#problems.filter(({ stage, code }) => stage === 'run' || code === 'internal');
    this.#problems.splice(0, this.#problems.length, ...mistakes);
    this.#refuseOn(mistakes);
    this.#failOnDifferences(await this.#verifyAll('finalized'), 'differences');
    for (const { name } of this.#input.stages) this.#rows.status(name, 'done');
    return `no difference found (${this.#evidence})`;
  }

  async #verifyAll(phase: 'applied' | 'finalized'): Promise<readonly Finding[]> {
    this.#phase('verify');
    const results = await Promise.allSettled(
      this.#input.stages.map((stage) =>
        this.#timed(stage.name, 'verify', () => stage.verify(this.#planOf(stage.name), phase, this.#common())),
      ),
    );
    this.#throwIfStopped();
    const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, 'verify failed in several stages');
    const findings = results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
    const planned = (this.#plan?.stages ?? []).flatMap(({ notices }) => notices);
    this.#findings = [...planned, ...findings];
    return findings;
  }

  #failOnDifferences(findings: readonly Finding[], outcome: 'failed' | 'differences' = 'failed'): void {
    const differences = findings.filter(({ severity }) => severity === 'difference');
    if (differences.length === 0) return;
    for (const { name } of this.#input.stages) {
      this.#rows.status(name, differences.some(({ stage }) => stage === name) ? 'failed' : 'done');
    }
    throw new Ending(
      outcome,
      `verify found ${differences.length} ${differences.length === 1 ? 'difference' : 'differences'}`,
    );
  }

  /** One phase of one stage, checkpoint by checkpoint; returns how many there were. */
  async #step(stage: BoundStage, phase: 'apply' | 'finalize'): Promise<number> {
    const { emit, options } = this.#input;
    emit({ type: 'stage-started', stage: stage.name, phase });
    let checkpoints = 0;
    try {
      const ports = await this.#ports(stage.name);
      await this.#timed(stage.name, phase, async () => {
        for await (const checkpoint of stage[phase](this.#planOf(stage.name), this.#common(), ports)) {
          checkpoints += 1;
          this.#rows.count(stage.name, checkpoint);
          failOnConflict(checkpoint, stage.name, options);
        }
      });
      const { failed } = this.#rows.of(stage.name);
      if (failed > 0) {
        throw new MigrateError('record', `${failed} records could not be moved in ${stage.name}`, {
          stage: stage.name,
        });
      }
      if (phase === 'apply') this.#rows.status(stage.name, 'done');
    } catch (error) {
      this.#rows.status(stage.name, 'failed');
      throw error;
    } finally {
      emit({ type: 'stage-finished', stage: stage.name, phase, row: this.#rows.of(stage.name) });
    }
    return checkpoints;
  }

  async #ports(name: StageName): Promise<WritePorts> {
    if (this.#folder === undefined) throw new MigrateError('internal', 'a run without a folder may not write');
    return {
      undo: await this.#folder.undo(name),
      permit: async () => this.#throwIfStopped(),
    };
  }

  #planOf(name: StageName): StagePlan {
    const plan = this.#plan?.stages.find(({ stage }) => stage === name);
    if (plan === undefined) throw new MigrateError('internal', `there is no plan for ${name}`);
    return plan;
  }

  #common(): CommonContext {
    const { profile, options, signal, clock, emit } = this.#input;
    const verify = this.#plan?.options.verify ?? options.verify;
    return { profile, options: { ...options, verify, continuing: this.#continuing }, signal, clock, emit };
  }

  async #timed<T>(stage: StageName, phase: RunPhase, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.#rows.time(stage, phase, performance.now() - start);
    }
  }

  #phase(phase: RunPhase): void {
    this.#input.emit({ type: 'phase', phase, stages: this.#input.stages.map(({ name }) => name) });
  }

  #problem(code: string, message: string, fix: string): void {
    this.#problems.push({ stage: 'run', code, message, fix });
  }

  #refuseOn(problems: readonly Problem[]): void {
    if (problems.length === 0) return;
    throw new Ending(
      'refused',
      `refused before anything was written: ${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`,
    );
  }

  #throwIfStopped(): void {
    this.#input.signal.throwIfAborted();
  }

  async #outcomeOf(error: unknown): Promise<Outcome> {
    if (this.#input.signal.aborted && isStop(error)) return 'stopped';
    if (this.#input.command === 'verify' || !this.#writes) return 'refused';
    return (await this.#folder?.hasWritten()) ? 'failed' : 'refused';
  }

  async #finish(outcome: Outcome, message: string, failure: unknown): Promise<RunReport> {
    const { clock, command, dryRun, moves, toolVersion, emit } = this.#input;
    const written = (await this.#folder?.hasWritten()) ?? false;
    const report: RunReport = {
      schema: 'tenant-migrate/report@1',
      toolVersion,
      runId: this.#folder?.record.id ?? 'none',
      command,
      moves,
      dryRun,
      outcome,
      exitCode: this.#exitCode(outcome),
      startedAt: new Date(this.#startedAt).toISOString(),
      ms: clock.now() - this.#startedAt,
      stages: this.#rows.all(),
      problems: this.#problems,
      findings: this.#findings,
      error: failure === undefined ? null : errorText(failure),
      message,
      next: this.#next(outcome, failure),
    };
    await this.#folder?.saveReport(report as unknown as Json);
    await this.#folder?.setState(stateOf(outcome, written), new Date(clock.now()).toISOString());
    emit({ type: 'run-finished', report });
    return report;
  }

  #exitCode(outcome: Outcome): number {
    const { detailedExitCode, signal } = this.#input;
    const work = (this.#plan?.stages ?? []).some((plan) => foundIn(plan) > 0 && !isDone(plan));
    if (outcome === 'planned' && detailedExitCode && work) return 2;
    return exitCodeOf(outcome, /SIG[A-Z]+/.exec(errorText(signal.reason))?.[0]);
  }

  #next(outcome: Outcome, failure: unknown): string | null {
    const advice = failure instanceof MigrateError ? failure.next : undefined;
    switch (outcome) {
      case 'done':
      case 'nothing-to-do':
      case 'verified':
        return null;
      case 'planned':
        return this.#input.again.replace(/ --dry-run\b/, '');
      case 'refused':
        return advice ?? this.#problems[0]?.fix ?? this.#input.again;
      case 'differences':
      case 'failed':
      case 'stopped':
        return advice === undefined ? this.#input.again : `${this.#input.again}   (first: ${advice})`;
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#input.stages.map((stage) => stage.close()));
    await this.#folder?.close();
  }
}

function sharesTenant(a: readonly Move[], b: readonly Move[]): boolean {
  const ids = new Set(a.flatMap(({ source, target }) => [source, target]));
  return b.some(({ source, target }) => ids.has(source) || ids.has(target));
}

/** A plan whose sources equal their targets already. */
function isDone(plan: StagePlan): boolean {
  return plan.settled === true;
}

function failOnConflict(checkpoint: Checkpoint, stage: StageName, options: StageOptions): void {
  if ((checkpoint.conflicts ?? 0) === 0 || options.onConflict !== 'fail') return;
  throw new MigrateError(
    'conflict',
    `${checkpoint.conflicts} records in ${stage} exist at the target with other content`,
    {
      stage,
      next: 'look at them, then remove one side or add --on-conflict skip',
    },
  );
}

function problemOf(stage: StageName, error: unknown): Problem {
  if (error instanceof MigrateError) {
    return {
      stage,
      code: error.code,
      message: error.message,
      fix: error.next ?? `see to it, or leave it out with --skip-${stage}`,
    };
  }
  return {
    stage,
    code: 'internal',
    message: errorText(error),
    fix: `leave it out with --skip-${stage}, and report this`,
  };
}

function isStop(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isStop);
  if (error instanceof MigrateError) return error.code === 'stopped';
  return error instanceof Error && error.name === 'AbortError';
}

function stateOf(outcome: Outcome, written: boolean): 'done' | 'refused' | 'failed' | 'stopped' {
  if (outcome === 'done' || outcome === 'nothing-to-do') return 'done';
  if (!written) return 'refused';
  return outcome === 'stopped' ? 'stopped' : 'failed';
}

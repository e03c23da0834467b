import type { RunFolder } from '../journal/run-folder.ts';
import { errorText, MigrateError } from '../model/errors.ts';
import { digest } from '../model/fingerprint.ts';
import { canonicalJson, type Json } from '../model/json.ts';
import type { Move } from '../model/move.ts';
import type { Profile } from '../profiles/profile.ts';
import type { RunEvent, RunPhase } from '../report/event.ts';
import type { Outcome, RunCommand, RunPlan, RunReport } from '../report/report.ts';
import { stageOrder } from '../stages/index.ts';
import type { Checkpoint, Clock, Finding, Problem, StageName, StageOptions, StagePlan } from '../stages/stage.ts';
import type { BoundStage, CommonContext, WritePorts } from './bound-stage.ts';
import { OutcomeRows } from './outcome.ts';
import { hasWork, makeRunPlan, stalePlanProblems, targetIn } from './plan.ts';
import { findRecordedPlan } from './recorded-plan.ts';
import { problemOf, unfinishedRuns, unknownTenants } from './run-problems.ts';
import { makeReport } from './run-report.ts';

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
  /** Close the run though verify found differences: they are listed as accepted. */
  readonly acceptDifferences: boolean;
  /** `plan` ends with 2 where there is work. */
  readonly detailedExitCode: boolean;
  /** Asked before anything is written; undefined where nobody is to be asked. */
  readonly confirm?: ((plan: RunPlan) => Promise<boolean>) | undefined;
  readonly folders: RunFolders;
  readonly toolVersion: string;
  /** The command that repeats this run, for "what to type now". */
  readonly again: string;
  /** The command that does what this one only looked at. */
  readonly forReal: string;
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
/** Problems that concern a writer only. */
const FORBIDS_WRITING = new Set(['denied', 'readonly', 'replica', 'memory', 'template', 'masked-secrets']);

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
  /** Stages that an unfinished run of the same move has begun: there data at both ends is our own. */
  readonly #begun = new Set<StageName>();
  /** What apply and finalize execute: the stores as they were found in this attempt. */
  readonly #fresh = new Map<StageName, StagePlan>();
  /** What verify compares with: for a begun stage, what its first attempt found. */
  #plan: RunPlan | undefined;
  /** What `verify` alone compares with, for people. */
  #evidence = 'counts and leftovers: no plan of this move was recorded in the last 24 hours';

  constructor(input: RunInput) {
    this.#input = input;
    this.#startedAt = input.clock.now();
    const planned = input.stages.map(({ name }) => name);
    this.#rows = new OutcomeRows(planned, input.skipped, stageOrder);
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
    return this.#settle();
  }

  /** Finds or makes the run folder. A dry run and `verify` leave none. */
  async #begin(): Promise<void> {
    const { command, moves, dryRun, folders, toolVersion, clock } = this.#input;
    const profileDigest = digest(canonicalJson(this.#input.profile));
    const unfinished = await folders.unfinished();
    const same = unfinished.find(({ record }) => canonicalJson(record.moves) === canonicalJson(moves));
    for (const name of (await same?.writtenStages()) ?? []) this.#begun.add(name);
    const stores = this.#stores();
    const startedAt = new Date(clock.now()).toISOString();
    if (this.#writes) {
      this.#folder = same ?? (await folders.create({ toolVersion, moves, profileDigest, stores, startedAt }));
    }
    const runId = this.#folder?.record.id ?? same?.record.id ?? 'none';
    this.#input.emit({ type: 'run-started', command, runId, moves, dryRun, continuing: same !== undefined });
    if (command === 'verify') return;
    this.#problems.push(...unfinishedRuns(unfinished, { same, moves, profileDigest, stores }));
    this.#refuseOn(this.#problems);
    if (!this.#writes) return;
    await this.#folder?.addStores(stores, startedAt);
    await this.#folder?.setState('running', startedAt);
  }

  async #preflight(): Promise<void> {
    const { stages, moves } = this.#input;
    this.#phase('preflight');
    const results = await Promise.allSettled(
      stages.map((stage) =>
        this.#timed(stage.name, 'preflight', () => stage.preflight(moves, this.#common(stage.name), this.#writes)),
      ),
    );
    this.#throwIfStopped();
    for (const [index, result] of results.entries()) {
      const name = stages[index]?.name ?? 'config';
      if (result.status === 'fulfilled')
        this.#problems.push(...result.value.filter((problem) => this.#concerns(problem)));
      else this.#problems.push(problemOf(name, result.reason));
    }
    this.#refuseOn(this.#problems);
  }

  async #makePlan(): Promise<void> {
    const { stages, moves, profile, options, toolVersion, clock, stored, exactPlan } = this.#input;
    this.#phase('plan');
    const plans: StagePlan[] = [];
    const results = await Promise.allSettled(
      stages.map((stage) => this.#timed(stage.name, 'plan', () => stage.plan(moves, this.#common(stage.name)))),
    );
    this.#throwIfStopped();
    for (const [index, result] of results.entries()) {
      if (result.status === 'fulfilled') plans.push(result.value);
      else this.#problems.push(problemOf(stages[index]?.name ?? 'config', result.reason));
    }
    const createdAt = new Date(clock.now()).toISOString();
    const fresh = makeRunPlan({ toolVersion, createdAt, moves, profile, options, stages: plans });
    // What forbids a move, such as data at both ends, is a difference to `verify`, not a refusal.
    if (this.#input.command !== 'verify') this.#problems.push(...plans.flatMap(({ problems }) => problems));
    // A plan that was applied before fits nothing any more; that there is nothing to do says it better.
    if (stored !== undefined && fresh.stages.some(hasWork)) {
      this.#problems.push(...stalePlanProblems(stored, fresh, { exact: exactPlan, continuing: this.#begun.size > 0 }));
    }
    this.#problems.push(...(await unknownTenants({ moves, stages, plans, common: this.#common() })));
    this.#plan = await this.#withRecordedEvidence(fresh);
    for (const plan of fresh.stages) {
      this.#rows.plan(plan);
      this.#fresh.set(plan.stage, plan);
    }
    this.#findings = fresh.stages.flatMap(({ notices }) => notices);
    this.#input.emit({ type: 'planned', plan: fresh });
    if (this.#writes && this.#problems.length === 0) await this.#folder?.savePlan(this.#plan as unknown as Json);
  }

  /**
   * A continued run is verified against what its first plan saw, not against what the interruption left.
   * A stage that the first plan did not hold keeps its fresh plan.
   */
  async #withRecordedEvidence(fresh: RunPlan): Promise<RunPlan> {
    const { command, moves, folders, clock } = this.#input;
    const continuing = this.#begun.size > 0;
    if (!continuing && command !== 'verify') return fresh;
    const found = await findRecordedPlan({ folders, moves, clock, stores: this.#stores(), anyAge: continuing });
    if (found === undefined) return fresh;
    this.#evidence = found.evidence;
    const { recorded } = found;
    const isEvidence = (plan: StagePlan) => !continuing || this.#begun.has(plan.stage);
    const kept = recorded.stages.filter(isEvidence);
    const added = fresh.stages.filter((plan) => !kept.some(({ stage }) => stage === plan.stage));
    const { toolVersion, createdAt, profile, options } = fresh;
    const stages = stageOrder.flatMap((name) => [...kept, ...added].filter(({ stage }) => stage === name));
    const depth = { ...this.#input.options, ...options, verify: recorded.options.verify };
    return makeRunPlan({ toolVersion, createdAt, moves, profile, options: depth, stages });
  }

  #stopIfNothingToDo(): void {
    const stages = [...this.#fresh.values()];
    if (this.#problems.length > 0 || this.#begun.size > 0) return;
    if (stages.some(hasWork)) return;
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
      for (const stage of late) {
        // What came meanwhile may lie where the plan did not look.
        const again = await stage.plan(this.#input.moves, {
          ...this.#common(stage.name),
          ...this.#expectingBoth(stage.name),
        });
        this.#fresh.set(stage.name, again);
        await this.#step(stage, 'apply');
      }
    }
  }

  async #finalizeAll(): Promise<void> {
    this.#phase('finalize');
    // Sources that equal their targets are left by a merge, an interruption, or a writer who wrote the same once more.
    let changed = this.#begun.size > 0 || this.#input.options.merge || this.#pendingRemoval().size > 0;
    for (const stage of this.#input.stages) changed = (await this.#step(stage, 'finalize')) > 0 || changed;
    // Where nothing was finalized the stores are as they were verified.
    if (changed) this.#failOnDifferences(await this.#verifyAll('finalized'));
    for (const { name } of this.#input.stages) this.#rows.status(name, 'done');
  }

  /** Notes what is done. A run that was continued without some of its stages is not finished by that. */
  async #settle(): Promise<string> {
    const { stages, clock } = this.#input;
    const now = new Date(clock.now()).toISOString();
    await this.#folder?.settle(
      stages.map(({ name }) => name),
      now,
    );
    const open = await this.#openStages();
    if (open.length === 0) return 'moved and verified';
    return `moved and verified; this run also began ${open.join(', ')}, left out now and still unfinished`;
  }

  /** Stages that this run has begun and not brought to their end. */
  async #openStages(): Promise<readonly StageName[]> {
    const settled = this.#folder?.record.settled ?? [];
    const written = (await this.#folder?.writtenStages()) ?? [];
    return written.filter((name) => !settled.includes(name));
  }

  async #verifyAlone(): Promise<string> {
    this.#refuseOn(this.#problems);
    this.#failOnDifferences(await this.#verifyAll('finalized'), 'differences');
    for (const { name } of this.#input.stages) this.#rows.status(name, 'done');
    return `no difference found (${this.#evidence})`;
  }

  async #verifyAll(phase: 'applied' | 'finalized'): Promise<readonly Finding[]> {
    this.#phase('verify');
    const results = await Promise.allSettled(
      this.#input.stages.map((stage) =>
        this.#timed(stage.name, 'verify', () =>
          stage.verify(this.#evidenceOf(stage.name), phase, this.#common(stage.name)),
        ),
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
    if (this.#input.acceptDifferences && !differences.some(({ kind }) => kind === 'left-behind')) {
      this.#accept();
      return;
    }
    for (const { name } of this.#input.stages) {
      this.#rows.status(name, differences.some(({ stage }) => stage === name) ? 'failed' : 'done');
    }
    throw new Ending(
      outcome,
      `verify found ${differences.length} ${differences.length === 1 ? 'difference' : 'differences'}`,
    );
  }

  /** The operator has looked at them: they stand in the report, and the run is closed. */
  #accept(): void {
    this.#findings = this.#findings.map((finding) =>
      finding.severity === 'notice'
        ? finding
        : { ...finding, severity: 'notice', message: `${finding.message} (accepted by --accept-differences)` },
    );
  }

  /** One phase of one stage, checkpoint by checkpoint; returns how many there were. */
  async #step(stage: BoundStage, phase: 'apply' | 'finalize'): Promise<number> {
    const { emit, options } = this.#input;
    emit({ type: 'stage-started', stage: stage.name, phase });
    let checkpoints = 0;
    try {
      const ports = await this.#ports(stage.name);
      const both = phase === 'finalize' && this.#pendingRemoval().has(stage.name);
      const context = { ...this.#common(stage.name), ...(both ? this.#expectingBoth(stage.name) : {}) };
      await this.#timed(stage.name, phase, async () => {
        for await (const checkpoint of stage[phase](this.#freshOf(stage.name), context, ports)) {
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

  #freshOf(name: StageName): StagePlan {
    const plan = this.#fresh.get(name);
    if (plan === undefined) throw new MigrateError('internal', `there is no plan for ${name}`);
    return plan;
  }

  #evidenceOf(name: StageName): StagePlan {
    return this.#plan?.stages.find(({ stage }) => stage === name) ?? this.#freshOf(name);
  }

  #common(stage?: StageName): CommonContext {
    const { profile, options, signal, clock, emit } = this.#input;
    const verify = this.#plan?.options.verify ?? options.verify;
    const continuing = stage !== undefined && this.#begun.has(stage);
    const runId = this.#folder?.record.id ?? 'none';
    return { profile, options: { ...options, verify, continuing }, runId, signal, clock, emit };
  }

  /** For a step that meets data at both ends which is ours. */
  #expectingBoth(stage: StageName): Pick<CommonContext, 'options'> {
    return { options: { ...this.#common(stage).options, continuing: true } };
  }

  /** Stages whose verify saw sources that equal their targets. */
  #pendingRemoval(): ReadonlySet<StageName> {
    return new Set(this.#findings.filter(({ kind }) => kind === 'pending-removal').map(({ stage }) => stage));
  }

  #stores(): Readonly<Partial<Record<StageName, string>>> {
    return Object.fromEntries(this.#input.stages.map(({ name, address }) => [name, address]));
  }

  /** `verify` writes nothing: what forbids only that is none of its concern. */
  #concerns({ code }: Problem): boolean {
    return this.#input.command !== 'verify' || !FORBIDS_WRITING.has(code);
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
    const { clock, emit } = this.#input;
    const written = (await this.#folder?.hasWritten()) ?? false;
    const report = makeReport(this.#input, {
      runId: this.#folder?.record.id ?? 'none',
      outcome,
      message,
      failure,
      startedAt: this.#startedAt,
      rows: this.#rows.all(),
      problems: this.#problems,
      findings: this.#findings,
      hasWork: [...this.#fresh.values()].some(hasWork),
    });
    await this.#folder?.saveReport(report as unknown as Json);
    const open = outcome === 'done' && (await this.#openStages()).length > 0;
    const state = open ? 'stopped' : stateOf(outcome, written);
    await this.#folder?.setState(state, new Date(clock.now()).toISOString());
    emit({ type: 'run-finished', report });
    return report;
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#input.stages.map((stage) => stage.close()));
    await this.#folder?.close();
  }
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

import type { RunFolder } from '../journal/run-folder.ts';
import { errorText, MigrateError } from '../model/errors.ts';
import { keptSelection } from '../model/kept-selection.ts';
import type { RunEvent, RunPhase } from '../report/event.ts';
import type { HookMoment } from '../report/hook-call.ts';
import type { Outcome, RunCommand, RunPlan, RunReport, TenantRow } from '../report/report.ts';
import type { RunHistory } from '../report/run-history.ts';
import { stageOrder } from '../stages/index.ts';
import type { Finding, Problem, StageName, StagePlan } from '../stages/stage.ts';
import { beginRun } from './begin-run.ts';
import type { BoundStage, CommonContext } from './bound-stage.ts';
import { Deadline } from './deadline.ts';
import { diskProblems } from './disk-room.ts';
import { Ending, isStop, stateOf } from './ending.ts';
import { accepted, canBeAccepted, differencesIn, drainableStages, drainedFinding, pendingRemoval } from './findings.ts';
import { Gate } from './gate.ts';
import { inAllStages } from './in-all-stages.ts';
import { Limits } from './limits.ts';
import { movedByRun, withRunTotals } from './moved-by-run.ts';
import { OutcomeRows } from './outcome.ts';
import { foundIn, hasWork, makeRunPlan, stalePlanProblems, targetIn } from './plan.ts';
import { findRecordedPlan, joinedPlan, recordedPlanOf } from './recorded-plan.ts';
import type { RunInput, Stores } from './run-input.ts';
import { RunLocks } from './run-locks.ts';
import { missingFindings, missingMoves, problemOf, unknownTenants } from './run-problems.ts';
import { makeReport, recorded, storeFacts } from './run-report.ts';
import { failOnConflict, stopOnProblems } from './stop-on.ts';
import { countAgain, tenantRows } from './tenant-rows.ts';
import { writeStep } from './write-step.ts';

/** Commands that write, where they are not run dry. */
const WRITING: ReadonlySet<RunCommand> = new Set(['move', 'apply', 'resume']);
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

class Run {
  readonly #input: RunInput;
  readonly #rows: OutcomeRows;
  readonly #history: RunHistory | undefined;
  readonly #startedAt: number;
  readonly #problems: Problem[] = [];
  readonly #locks: RunLocks;
  readonly #limits: Limits;
  readonly #gate: Gate;
  readonly #deadline: Deadline;
  /** Aborted by the operator or by the time limit. */
  readonly #signal: AbortSignal;
  #findings: readonly Finding[] = [];
  readonly #drained: Finding[] = [];
  /** Moves that are left out, since no store knows their tenants. */
  #leftOut: readonly Finding[] = [];
  #folder: RunFolder | undefined;
  /** The run of the same moves that is being continued. */
  #same: RunFolder | undefined;
  /** Stages that an unfinished run of the same move has begun: there data at both ends is our own. */
  readonly #begun = new Set<StageName>();
  /** Records that earlier attempts of this run have moved. */
  #earlier: ReadonlyMap<StageName, number> = new Map();
  /** Those of them whose recorded plan is no evidence any more, since the run had ended well. */
  #verified: readonly StageName[] = [];
  /** Stages in which a broken process has sent something whose outcome is not known. */
  #unsettled: readonly StageName[] = [];
  /** What apply and finalize execute: the stores as they were found in this attempt. */
  readonly #fresh = new Map<StageName, StagePlan>();
  /** What verify compares with: for a begun stage, what its first attempt found. */
  #plan: RunPlan | undefined;
  /** From now on this process may have written. */
  #applying = false;
  /** What `verify` alone compares with, for people. */
  #evidence = 'counts and leftovers: no plan of this move was recorded in the last 24 hours';

  constructor(input: RunInput) {
    this.#input = input;
    this.#startedAt = input.clock.now();
    this.#history = input.history?.();
    const planned = input.stages.map(({ name }) => name);
    this.#rows = new OutcomeRows(planned, input.skipped, stageOrder);
    const { moves, pauseFile, rate, throttle, clock, emit } = input;
    this.#locks = new RunLocks(input.locks, moves, clock);
    this.#limits = new Limits(input.limits);
    this.#deadline = new Deadline(this.#limits, input.limits.timeoutMs);
    this.#signal = AbortSignal.any([input.signal, this.#deadline.signal]);
    this.#gate = new Gate({
      locks: this.#locks,
      limits: this.#limits,
      pauseFile,
      rate,
      throttle,
      signal: this.#signal,
      clock,
      emit,
      note: (text) => this.#folder?.note(text),
    });
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
    return !this.#input.dryRun && WRITING.has(this.#input.command);
  }

  async #main(): Promise<string> {
    await this.#begin();
    await this.#hook('before-plan');
    await this.#preflight();
    await this.#secure();
    await this.#makePlan();
    if (this.#input.command === 'verify') return this.#verifyAlone();
    this.#stopIfNothingToDo();
    if (!this.#writes) {
      this.#refuseOn(this.#problems);
      return `nothing was written: this was a ${this.#input.command === 'plan' ? 'plan' : 'dry run'}`;
    }
    this.#refuseOn(this.#problems);
    await this.#confirm();
    await this.#backUp();
    await this.#applyAll();
    await this.#drainAndVerify();
    await this.#finalizeAll();
    return this.#settle();
  }

  async #begin(): Promise<void> {
    const { command, moves, dryRun, emit } = this.#input;
    const beginning = await beginRun(this.#input, this.#writes, this.#locks);
    const { folder, same, begun, verified, unsettled, problems, notes } = beginning;
    this.#folder = folder;
    this.#verified = verified;
    for (const name of begun) this.#begun.add(name);
    this.#same = same;
    if (this.#writes && same !== undefined) this.#earlier = await movedByRun(same);
    this.#unsettled = unsettled;
    const runId = folder?.record.id ?? same?.record.id ?? 'none';
    const open = begun.length > 0;
    emit({
      type: 'run-started',
      command,
      runId,
      moves,
      dryRun,
      continuing: same !== undefined,
      open,
      map: this.#input.map,
    });
    for (const text of notes) this.#note(text);
    this.#problems.push(...problems);
    this.#refuseOn(this.#problems);
  }

  /** What no other machine may do meanwhile, and what a broken process of this run may still do. */
  async #secure(): Promise<void> {
    if (!this.#writes) return;
    const { command, stages, moves } = this.#input;
    const without = await this.#locks.takeLease({ runId: this.#folder?.record.id ?? 'new', command });
    if (without !== undefined) this.#note(`no lock that other machines see: ${without}`);
    // An undo log that is damaged refuses the run now, and not after some stages have written.
    for (const { name } of stages) if (this.#begun.has(name)) await this.#folder?.undo(name);
    for (const stage of stages.filter(({ name }) => this.#unsettled.includes(name))) {
      await stage.quiesce(moves, this.#common(stage.name));
    }
  }

  async #preflight(): Promise<void> {
    const { stages, moves } = this.#input;
    this.#phase('preflight');
    const { values, failures } = await inAllStages(stages, { phase: 'preflight', rows: this.#rows }, (stage) =>
      stage.preflight(moves, this.#common(stage.name), this.#writes),
    );
    this.#throwIfStopped();
    this.#problems.push(
      ...values.flat().filter((problem) => this.#concerns(problem)),
      ...failures.map(({ stage, error }) => problemOf(stage, error)),
    );
    this.#refuseOn(this.#problems);
  }

  async #makePlan(): Promise<void> {
    const { stages, moves, profile, options, toolVersion, clock, stored, exactPlan } = this.#input;
    this.#phase('plan');
    const { rate } = this.#input;
    const { values: plans, failures } = await inAllStages(stages, { phase: 'plan', rows: this.#rows }, async (stage) =>
      rate.paced(await stage.plan(moves, this.#common(stage.name))),
    );
    this.#throwIfStopped();
    this.#problems.push(...failures.map(({ stage, error }) => problemOf(stage, error)));
    const createdAt = new Date(clock.now()).toISOString();
    const fresh = makeRunPlan({ toolVersion, createdAt, moves, profile, options, stages: plans });
    // What forbids a move, such as data at both ends, is a difference to `verify`, not a refusal.
    if (this.#input.command !== 'verify') this.#problems.push(...plans.flatMap(({ problems }) => problems));
    // A plan that was applied before fits nothing any more; that there is nothing to do says it better.
    if (stored !== undefined && fresh.stages.some(hasWork)) {
      this.#problems.push(...stalePlanProblems(stored, fresh, { exact: exactPlan, continuing: this.#begun.size > 0 }));
    }
    this.#problems.push(...(await this.#missing(plans)));
    this.#plan = await this.#withRecordedEvidence(fresh);
    for (const plan of fresh.stages) {
      this.#rows.plan(plan);
      this.#fresh.set(plan.stage, plan);
    }
    this.#findings = [...this.#leftOut, ...fresh.stages.flatMap(({ notices }) => notices)];
    const freeBytes = await this.#input.freeBytes();
    this.#input.emit({ type: 'planned', plan: fresh, freeBytes });
    const records = this.#input.command !== 'verify' && fresh.stages.some(hasWork);
    if (records) this.#problems.push(...diskProblems(fresh.stages, freeBytes));
    if (this.#writes && this.#problems.length === 0) await this.#folder?.savePlan(this.#plan);
  }

  /** A run that has begun knows its tenants: where nothing is left of them, verify must say so. */
  async #missing(plans: readonly StagePlan[]): Promise<readonly Problem[]> {
    const { moves, stages, missing = 'refuse' } = this.#input;
    if (this.#begun.size > 0 || missing === 'allow') return [];
    const none = missingMoves(moves, plans);
    // A list of which nothing is there is rather a wrong address.
    if (missing === 'refuse' || none.length === moves.length) {
      return unknownTenants({ moves, stages, plans, common: this.#common() });
    }
    this.#leftOut = missingFindings(none, stages);
    return [];
  }

  /**
   * A continued run is verified against what its first plan saw, not against what the interruption left.
   * A stage that the first plan did not hold keeps its fresh plan.
   */
  async #withRecordedEvidence(fresh: RunPlan): Promise<RunPlan> {
    const { command, moves, folders, clock, options } = this.#input;
    const continuing = this.#begun.size > 0;
    if (!continuing && command !== 'verify') return fresh;
    const stores = this.#stores();
    const found = continuing
      ? await recordedPlanOf(this.#same)
      : await findRecordedPlan({ folders, moves, clock, stores });
    if (found === undefined) {
      if (continuing) this.#note('the plan of this run is gone: what was moved before is not compared with it');
      return fresh;
    }
    this.#evidence = found.evidence;
    const { verify } = found.recorded.options;
    if (continuing && verify !== options.verify) {
      this.#note(`verify has the depth with which the run began: ${verify}, not ${options.verify}`);
    }
    return joinedPlan(fresh, found.recorded, {
      options,
      isEvidence: ({ stage }) => !continuing || (this.#begun.has(stage) && !this.#verified.includes(stage)),
    });
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

  /** Of the sources, and of targets that have data of their own. A run that has begun is no longer as it was. */
  async #backUp(): Promise<void> {
    const { backup, moves } = this.#input;
    if (backup === undefined || this.#begun.size > 0) return;
    const counts = [...this.#fresh.values()].flatMap((plan) => plan.moves);
    const holders = moves.flatMap(({ source, target }) => [
      ...(counts.some((count) => count.source === source && count.found > 0) ? [source] : []),
      ...(counts.some((count) => count.target === target && count.atTarget > 0) ? [target] : []),
    ]);
    await backup(holders, this.#common());
    this.#throwIfStopped();
  }

  async #applyAll(): Promise<void> {
    const { clock, settings } = this.#input;
    this.#applying = true;
    // The move typed again without some of its stages is a resume as well: they stay the run's.
    const kept = this.#begun.size === 0 ? {} : keptSelection(this.#folder?.record.settings ?? settings, settings);
    await this.#folder?.begin(this.#stores(), { ...settings, ...kept }, new Date(clock.now()).toISOString());
    this.#phase('apply');
    for (const stage of this.#input.stages) await this.#applyWithHooks(stage);
  }

  async #applyWithHooks(stage: BoundStage): Promise<void> {
    const of = { stage: stage.name, phase: 'apply' } as const;
    await this.#hook('before-stage', of);
    await this.#step(stage, 'apply');
    await this.#hook('after-stage', of);
  }

  /** Only a run that writes calls them. */
  async #hook(event: HookMoment['event'], more: Pick<HookMoment, 'stage' | 'phase'> = {}): Promise<void> {
    const { hooks, command, moves, map = null } = this.#input;
    if (hooks === undefined || !this.#writes) return;
    const runId = this.#folder?.record.id ?? 'none';
    await hooks({ event, command, runId, moves, wave: map, rows: this.#rows.all(), ...more }, this.#signal);
  }

  async #drainAndVerify(): Promise<void> {
    for (let pass = 1; ; pass += 1) {
      const findings = await this.#verifyAll('applied');
      const drainable = drainableStages(findings);
      const late = this.#input.stages.filter(({ name }) => drainable.has(name));
      if (late.length === 0 || pass >= MOST_PASSES) return this.#failOnDifferences(findings);
      for (const stage of late) {
        // What came meanwhile may lie where the plan did not look.
        const again = await stage.plan(this.#input.moves, {
          ...this.#common(stage.name),
          ...this.#expectingBoth(stage.name),
        });
        stopOnProblems(again);
        this.#fresh.set(stage.name, again);
        await this.#drain(stage);
      }
    }
  }

  /** Moves what others wrote to the source during the move, and reports it. */
  async #drain(stage: BoundStage): Promise<void> {
    const before = this.#rows.of(stage.name);
    await this.#applyWithHooks(stage);
    const count = this.#rows.of(stage.name).moved - before.moved;
    if (count === 0) return;
    this.#drained.push(drainedFinding(stage.name, count, before.unit));
  }

  async #finalizeAll(): Promise<void> {
    await this.#hook('before-finalize', { phase: 'finalize' });
    this.#phase('finalize');
    // Sources that equal their targets are left by a merge, an interruption, or a writer who wrote the same once more.
    let changed = this.#begun.size > 0 || this.#input.options.merge || pendingRemoval(this.#findings).size > 0;
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
    this.#rows.recount();
    const { values, failures } = await inAllStages(this.#input.stages, { phase: 'verify', rows: this.#rows }, (stage) =>
      stage.verify(this.#evidenceOf(stage.name), phase, this.#common(stage.name)),
    );
    this.#throwIfStopped();
    const errors = failures.map(({ error }) => error);
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, 'verify failed in several stages');
    const findings = values.flat();
    const planned = (this.#plan?.stages ?? []).flatMap(({ notices }) => notices);
    this.#findings = [...this.#leftOut, ...planned, ...this.#drained, ...findings];
    return findings;
  }

  #failOnDifferences(findings: readonly Finding[], outcome: 'failed' | 'differences' = 'failed'): void {
    const differences = differencesIn(findings);
    if (differences.length === 0) return;
    if (this.#input.acceptDifferences && canBeAccepted(differences)) {
      this.#findings = accepted(this.#findings);
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

  /** One phase of one stage; returns how many checkpoints there were. */
  async #step(stage: BoundStage, phase: 'apply' | 'finalize'): Promise<number> {
    const folder = this.#folder;
    if (folder === undefined) throw new MigrateError('internal', 'a run without a folder may not write');
    const both = phase === 'finalize' && pendingRemoval(this.#findings).has(stage.name);
    const { emit, options } = this.#input;
    return writeStep({
      stage,
      phase,
      plan: this.#freshOf(stage.name),
      context: { ...this.#common(stage.name), ...(both ? this.#expectingBoth(stage.name) : {}) },
      folder,
      gate: this.#gate,
      rows: this.#rows,
      emit,
      onCheckpoint: (checkpoint) => failOnConflict(checkpoint, stage.name, options),
    });
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
    const { profile, options, clock } = this.#input;
    const emit = (event: RunEvent) => this.#take(event);
    const verify = this.#plan?.options.verify ?? options.verify;
    const continuing = stage !== undefined && this.#begun.has(stage);
    const runId = this.#folder?.record.id ?? 'none';
    return { profile, options: { ...options, verify, continuing }, runId, signal: this.#signal, clock, emit };
  }

  #take(event: RunEvent): void {
    if (event.type === 'counted') this.#rows.counted(event);
    this.#input.emit(event);
  }

  /** For a step that meets data at both ends which is ours. */
  #expectingBoth(stage: StageName): Pick<CommonContext, 'options'> {
    return { options: { ...this.#common(stage).options, continuing: true } };
  }

  #stores(): Stores {
    return Object.fromEntries(this.#input.stages.map(({ name, address }) => [name, address]));
  }

  /** `verify` writes nothing: what forbids only that is none of its concern. */
  #concerns({ code }: Problem): boolean {
    return this.#input.command !== 'verify' || !FORBIDS_WRITING.has(code);
  }

  #phase(phase: RunPhase): void {
    this.#input.emit({ type: 'phase', phase, stages: this.#input.stages.map(({ name }) => name) });
    if (!this.#writes) return;
    const totals = Object.fromEntries((this.#plan?.stages ?? []).map((plan) => [plan.stage, foundIn(plan)]));
    this.#folder?.phase(phase, phase === 'apply' ? totals : undefined);
  }

  #note(text: string): void {
    this.#input.emit({ type: 'run-note', text });
  }

  #refuseOn(problems: readonly Problem[]): void {
    if (problems.length === 0) return;
    const text = `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`;
    const isOpen = this.#begun.size > 0 && this.#folder?.isFinished === false;
    const what = isOpen
      ? `refused before anything more was written: ${text}; run ${this.#folder?.record.id} is still unfinished`
      : `refused before anything was written: ${text}`;
    throw new Ending('refused', what);
  }

  #throwIfStopped(): void {
    this.#signal.throwIfAborted();
  }

  async #outcomeOf(error: unknown): Promise<Outcome> {
    if (this.#input.signal.aborted && isStop(error)) return 'stopped';
    if (!this.#writes || !this.#applying) return 'refused';
    return (await this.#hasWritten()) ? 'failed' : 'refused';
  }

  async #hasWritten(): Promise<boolean> {
    return (await this.#folder?.hasWritten()) ?? false;
  }

  async #finish(outcome: Outcome, message: string, failure: unknown): Promise<RunReport> {
    const { clock, emit } = this.#input;
    const written = await this.#hasWritten();
    const rows = this.#rows.all().map((row) => {
      const plan = this.#plan?.stages.find(({ stage }) => stage === row.name);
      const planned = plan === undefined ? 0 : foundIn(plan);
      // What was sent and not answered has arrived where the source holds it no more.
      const isUnsettled = this.#writes && this.#unsettled.includes(row.name) && this.#fresh.has(row.name);
      const gone = isUnsettled ? planned - row.found : 0;
      return withRunTotals(row, Math.max(this.#earlier.get(row.name) ?? 0, gone), planned);
    });
    const tenants = await this.#tenants(outcome);
    const isOpen = outcome === 'done' && (await this.#openStages()).length > 0;
    const report = makeReport(this.#input, {
      runId: this.#folder?.record.id ?? 'none',
      outcome,
      isOpen,
      message,
      failure,
      limit: this.#limits.check(),
      startedAt: this.#startedAt,
      rows,
      tenants,
      problems: this.#problems,
      findings: this.#findings,
      hasWork: [...this.#fresh.values()].some(hasWork),
      trace: this.#rows.trace,
      history: this.#history,
      stores: storeFacts(this.#input.stages, [...this.#fresh.values()]),
    });
    // A finished run that nothing was written to now is what it was before.
    const before = !this.#applying && written && this.#folder?.isFinished ? this.#folder.record.state : undefined;
    const state = before ?? (isOpen ? 'stopped' : stateOf(outcome, written));
    // The folder of a run whose lock was taken away is another process's now.
    const folder = (await this.#locks.holdsLocal()) ? this.#folder : undefined;
    const told = await recorded(folder, report, state, { say: this.#input.say, clock });
    emit({ type: 'run-finished', report: told, unfinished: written && this.#folder?.isFinished === false });
    return told;
  }

  /** Of a list, and of a wave of one. After a failure each tenant is counted once more, where the stores can be asked. */
  async #tenants(outcome: Outcome): Promise<readonly TenantRow[] | undefined> {
    const { moves, map, stages, signal } = this.#input;
    if (moves.length < 2 && map === undefined) return undefined;
    const again = outcome === 'failed' && !signal.aborted;
    const counted = again ? await countAgain(moves, stages, { ...this.#common(), signal }) : new Map();
    const plans = this.#plan?.stages ?? [];
    return tenantRows({ moves, plans, counted, rows: this.#rows.all(), outcome, wave: map?.wave ?? 1 });
  }

  async close(): Promise<void> {
    this.#deadline.cancel();
    // What the end could not make durable is found again by looking; a failure of the disk was told before.
    await Promise.allSettled([...this.#input.stages.map((stage) => stage.close()), this.#folder?.close()]);
    await this.#locks.release();
  }
}

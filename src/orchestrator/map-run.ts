import type { MapFolder } from '../journal/map-folder.ts';
import { errorText, MigrateError } from '../model/errors.ts';
import { canonicalJson, type Json } from '../model/json.ts';
import { type Move, moveText } from '../model/move.ts';
import { type WaveView, waveViews } from '../model/waves.ts';
import type { RunEvent } from '../report/event.ts';
import type { Outcome, RunPlan, RunReport, TenantRow } from '../report/report.ts';
import type { RunHistory } from '../report/run-history.ts';
import type { Problem } from '../stages/stage.ts';
import { begunHooks } from './begun-hooks.ts';
import type { BoundStage, CommonContext } from './bound-stage.ts';
import { Ending, isStop } from './ending.ts';
import { joinedTrace } from './joined-trace.ts';
import type { MapInput } from './map-input.ts';
import {
  type Disguise,
  disguiseForPlan,
  disguiseForVerify,
  revealedReport,
  takenTemporaries,
  waveProblems,
  withAllOfBothEnds,
} from './map-preview.ts';
import { joinedRows, mapTenants, storedInMap, toldBy, waveRows } from './map-report.ts';
import { takeBackWaves } from './map-rollback.ts';
import { type MapState, mapState } from './map-state.ts';
import { makeRunPlan } from './plan.ts';
import { executeRun } from './run.ts';
import type { RunInput, Stores } from './run-input.ts';
import { RunLocks } from './run-locks.ts';
import { missingMoves, otherStores, unknownTenants } from './run-problems.ts';
import { makeReport, storeFacts } from './run-report.ts';
import { sharedLocks } from './shared-locks.ts';

/**
 * Moves a list that takes several waves: each is a run like any other, with its own folder, and the next begins only when
 * it is moved, verified and finalized. Everything that can be known is checked before the first. What goes wrong is in the
 * report, not thrown.
 */
export async function executeMap(input: MapInput): Promise<RunReport> {
  if (input.command === 'verify') return verifyList(input);
  if (input.dryRun || input.command === 'plan') return preview(input).then(({ report }) => report);
  const locks = new RunLocks(input.locks, input.waves.waves.flat(), input.clock);
  try {
    return await new MapRun(input, locks).execute();
  } finally {
    await locks.release();
  }
}

interface Looked {
  readonly report: RunReport;
  /** With the list's own ids; undefined where there was none. */
  readonly plan: RunPlan | undefined;
}

/** One pass over the whole list, which writes nothing. */
async function lookAt(input: MapInput, disguise: Disguise): Promise<Looked> {
  const { moves, waves, options } = input;
  let plan: RunPlan | undefined;
  const emit = (event: RunEvent) => {
    if (event.type === 'run-started') return input.emit({ ...event, moves });
    if (event.type !== 'planned') return input.emit(disguise.reveal(event));
    plan = { ...disguise.reveal(event.plan), moves };
    input.emit({ ...event, plan: listPlan(plan) });
  };
  const leaving = waveViews(waves).flatMap((view) => [...view.leaving]);
  const report = await executeRun({
    ...input,
    moves: disguise.moves,
    resume: undefined,
    map: undefined,
    confirm: undefined,
    backup: undefined,
    dryRun: true,
    exactPlan: false,
    // Ids that stand in for others are nobody's: missing tenants are looked for below.
    missing: 'allow',
    stages: input.stagesFor(undefined),
    options: { ...options, leaving },
    emit,
  });
  return { report: revealedReport(report, moves, disguise, waves), plan };
}

/** Compares what the waves should have done. Of a tenant that is nowhere nothing was verified. */
async function verifyList(input: MapInput): Promise<RunReport> {
  const startedAt = input.clock.now();
  const { report, plan } = await lookAt(input, disguiseForVerify(input.moves));
  const isOver = report.outcome === 'verified' || report.outcome === 'differences';
  if (!isOver || plan === undefined) return report;
  const all = withAllOfBothEnds(plan);
  const none = new Set(missingMoves(plan.moves, all.stages).map(moveText));
  // An id that stands in two moves was looked at in one of them.
  const isSeen = (row: TenantRow) => row.status !== 'missing' || none.has(moveText(row));
  const tenants = report.tenants?.map((row) => (isSeen(row) ? row : { ...row, status: 'unknown' as const }));
  const problems = await unknown(input, all);
  if (problems.length === 0) return { ...report, ...(tenants === undefined ? {} : { tenants }) };
  const { stages: rows, findings } = report;
  return refused(input, { problems, rows, findings, tenants, startedAt });
}

/** Without the rows that only look whether the temporary ids are free. */
function listPlan(plan: RunPlan): RunPlan {
  const stages = plan.stages.map((stage) => ({ ...stage, moves: stage.moves.slice(0, plan.moves.length) }));
  return makeRunPlan({ ...plan, stages });
}

/** What the waves would do, and why they might be refused. */
async function preview(input: MapInput): Promise<Looked> {
  const { waves, profile, moves } = input;
  const startedAt = input.clock.now();
  const impossible = waveProblems(waves, profile);
  if (impossible.length > 0) {
    const nothing = { rows: [], findings: [], startedAt };
    return { report: refused(input, { ...nothing, problems: impossible }), plan: undefined };
  }
  const { report: seen, plan } = await lookAt(input, disguiseForPlan(moves, waves));
  const report = { ...seen, waves: waveRows(waves.waves, undefined, new Map()) };
  const further = plan === undefined ? [] : [...takenTemporaries(waves, plan), ...(await unknown(input, plan))];
  if (further.length === 0) return { report, plan };
  const { stages: rows, findings, tenants } = report;
  const problems = [...report.problems, ...further];
  return { report: { ...refused(input, { problems, rows, findings, tenants, startedAt }), waves: report.waves }, plan };
}

/** Moves of the list of which no store knows either end. A list of which nothing is there is rather a wrong address. */
async function unknown(input: MapInput, plan: RunPlan): Promise<readonly Problem[]> {
  const { moves, missing, profile, options, signal, clock, emit } = input;
  const none = missingMoves(moves, plan.stages);
  if (none.length === 0 || (missing === 'skip' && none.length < moves.length)) return [];
  const stages = input.stagesFor(undefined);
  try {
    const common: CommonContext = { profile, options, runId: 'none', signal, clock, emit };
    return await unknownTenants({ moves, stages, plans: plan.stages, common });
  } finally {
    await closeAll(stages);
  }
}

type Seen = Pick<Parameters<typeof makeReport>[1], 'problems' | 'rows' | 'findings' | 'tenants' | 'startedAt'>;

function refused(input: MapInput, of: Seen): RunReport {
  const count = of.problems.length === 1 ? '1 problem' : `${of.problems.length} problems`;
  return makeReport(input, {
    ...of,
    runId: 'none',
    outcome: 'refused',
    message: `refused before anything was written: ${count}`,
    failure: undefined,
    limit: undefined,
    hasWork: false,
  });
}

class MapRun {
  readonly #input: MapInput;
  readonly #held: RunLocks;
  readonly #startedAt: number;
  readonly #history: RunHistory | undefined;
  readonly #views: readonly WaveView[];
  /** Of the map that is resumed, or of the one that is made once the locks are held. */
  readonly #id: string;
  #folder: MapFolder | undefined;
  readonly #reports = new Map<number, RunReport>();
  /** Shown already: the plans of the waves need not be. */
  #previewed = false;

  constructor(input: MapInput, held: RunLocks) {
    this.#input = input;
    this.#held = held;
    this.#startedAt = input.clock.now();
    this.#history = input.history?.();
    this.#views = waveViews(input.waves);
    this.#id = input.resume?.record.id ?? input.maps.newId(new Date(this.#startedAt).toISOString());
  }

  async execute(): Promise<RunReport> {
    try {
      const early = await this.#begin();
      if (early !== undefined) return early;
      const denied = await this.#secure();
      this.#folder ??= await this.#create();
      return await this.#allWaves(denied);
    } catch (error) {
      return this.#end(await this.#outcomeOf(error), errorText(error), error instanceof Ending ? undefined : error);
    }
  }

  /** Takes this machine's locks, and looks at everything that can be known. A report where that is all. */
  async #begin(): Promise<RunReport | undefined> {
    const { command, emit, confirm, resume } = this.#input;
    for (const text of await this.#held.takeLocal({ runId: this.#id, command })) this.#note(text);
    // Only now: who held the locks may have gone on with the list meanwhile.
    const same = resume ?? (await this.#sameList('unfinished'));
    if (same !== undefined) return this.#goOn(same);
    const done = await this.#sameList('done');
    if (done !== undefined) return this.#doneBefore(done);
    await this.#beforePlan();
    const { report, plan } = await preview(this.#input);
    if (report.outcome !== 'planned' || plan === undefined) return { ...report, dryRun: false };
    this.#previewed = true;
    if (confirm !== undefined && !(await confirm(plan))) {
      this.#input.signal.throwIfAborted();
      throw new Ending('refused', 'not confirmed: nothing was written');
    }
    await this.#backUp(plan);
    emit({ type: 'run-note', text: `${this.#input.moves.length} moves in ${this.#views.length} waves` });
    return undefined;
  }

  /** Once for all waves. */
  async #beforePlan(): Promise<void> {
    const { hooks, command, moves, signal } = this.#input;
    await hooks?.({ event: 'before-plan', command, runId: this.#id, moves, rows: [] }, signal);
  }

  async #goOn(folder: MapFolder): Promise<RunReport | undefined> {
    const { profile, sameServers } = this.#input;
    const { id, stores } = folder.record;
    const others = otherStores(stores, this.#stores());
    if (others.length > 0 && !sameServers) {
      const next = `give the same addresses, or for the same servers: tenant-migrate resume ${id} --same-servers`;
      throw new MigrateError('refused', `${id} was begun with other servers (${others.join(', ')})`, { next });
    }
    if (canonicalJson(folder.record.profile) !== canonicalJson(profile as unknown as Json)) {
      const next = `go on under those with which it began: tenant-migrate resume ${id}`;
      throw new MigrateError('refused', `${id} was begun under another profile or other key templates`, { next });
    }
    this.#folder = folder;
    const { state } = await this.#state();
    if (state === 'done') throw new Ending('nothing-to-do', doneText(folder));
    await this.#beforePlan();
    this.#note(`Continuing ${id}`);
    return undefined;
  }

  /** A list that was carried out is not gone through again: its targets would be taken for its sources. So it is looked at. */
  async #doneBefore(folder: MapFolder): Promise<RunReport> {
    const seen = await verifyList({ ...this.#input, command: 'verify' });
    if (seen.outcome === 'verified') throw new Ending('nothing-to-do', doneText(folder));
    if (seen.outcome === 'stopped') return seen;
    const { stages: rows, findings, tenants } = seen;
    const changed: Problem = {
      stage: 'run',
      code: 'done-before',
      message: `${folder.record.id} has carried out this list, and it is not so any more: ${seen.message}`,
      fix: 'look at it: tenant-migrate verify --map; move what came to a source since by itself, with --merge',
    };
    const problems = seen.outcome === 'refused' ? seen.problems : [changed];
    return refused(this.#input, { problems, rows, findings, tenants, startedAt: this.#startedAt });
  }

  /** Of the newest map of the same list on the same servers. */
  async #sameList(state: MapState['state']): Promise<MapFolder | undefined> {
    const { maps, folders, moves } = this.#input;
    const runs = await folders.all();
    const list = sorted(moves);
    for (const folder of await maps.all()) {
      if (sorted(folder.record.moves) !== list || otherStores(folder.record.stores, this.#stores()).length > 0)
        continue;
      const found = (await mapState(folder, runs)).state;
      if (found === state) return folder;
      if (found !== 'untouched') return undefined;
    }
    return undefined;
  }

  /** The lease is held over all waves; returns why there is none. */
  async #secure(): Promise<string | undefined> {
    const { command } = this.#input;
    const without = await this.#held.takeLease({ runId: this.#id, command });
    if (without !== undefined) this.#note(`no lock that other machines see: ${without}`);
    return without;
  }

  #create(): Promise<MapFolder> {
    const { maps, moves, waves, profile, settings, toolVersion, clock } = this.#input;
    const startedAt = new Date(clock.now()).toISOString();
    return maps.create({
      id: this.#id,
      toolVersion,
      moves,
      ...waves,
      profile: profile as unknown as Json,
      stores: this.#stores(),
      settings,
      startedAt,
    });
  }

  async #backUp(plan: RunPlan): Promise<void> {
    const { backup, profile, options, signal, clock, emit } = this.#input;
    if (backup === undefined) return;
    const holders = new Set<string>();
    for (const { source, target, found, atTarget } of plan.stages.flatMap(({ moves }) => moves)) {
      if (found > 0) holders.add(source);
      if (atTarget > 0) holders.add(target);
    }
    const stages = this.#input.stagesFor(undefined);
    const common: CommonContext = { profile, options, runId: 'none', signal, clock, emit };
    try {
      await backup(stages)([...holders], common);
    } finally {
      await closeAll(stages);
    }
  }

  async #allWaves(denied: string | undefined): Promise<RunReport> {
    const of = this.#views.length;
    const locks = sharedLocks(this.#held, denied);
    for (const [index, view] of this.#views.entries()) {
      if ((await this.#state()).waves[index]?.state === 'done') continue;
      this.#input.signal.throwIfAborted();
      this.#note(`Wave ${index + 1} of ${of}`);
      const report = await executeRun(this.#waveInput(index, view, locks));
      this.#reports.set(index, report);
      if ((await this.#state()).waves[index]?.state === 'done') continue;
      return this.#endOfWave(`wave ${index + 1} of ${of}: ${report.message}`, report, denied);
    }
    const worked = [...this.#reports.values()].some(({ outcome }) => outcome === 'done');
    return this.#end(worked ? 'done' : 'nothing-to-do', `all ${of} waves moved and verified`);
  }

  #waveInput(index: number, view: WaveView, locks: RunInput['locks']): RunInput {
    const { limits, options, clock } = this.#input;
    const spent = clock.now() - this.#startedAt;
    const timeoutMs = limits.timeoutMs === undefined ? undefined : Math.max(1, limits.timeoutMs - spent);
    const { id } = this.#folder?.record ?? { id: '' };
    return {
      ...this.#input,
      moves: view.moves,
      map: { id, wave: index + 1, of: this.#views.length },
      resume: undefined,
      stored: undefined,
      exactPlan: false,
      // The list as a whole was looked at; of a wave alone nothing may be left.
      missing: 'allow',
      confirm: undefined,
      backup: undefined,
      hooks: begunHooks(this.#input.hooks),
      stages: this.#input.stagesFor(view),
      options: { ...options, leaving: [...view.leaving] },
      locks,
      limits: { ...limits, timeoutMs },
      emit: (event) => {
        if (event.type !== 'planned' || !this.#previewed) this.#input.emit(event);
      },
    };
  }

  /** A wave that did not come to its end stops those after it. */
  async #endOfWave(message: string, report: RunReport, denied: string | undefined): Promise<RunReport> {
    const outcome = report.outcome === 'stopped' ? 'stopped' : await this.#failedOr('refused');
    if (outcome !== 'failed' || !this.#input.autoRollback || this.#folder === undefined) {
      return this.#end(outcome, message, undefined, { wave: report });
    }
    const folder = this.#folder;
    const undone = await takeBackWaves({
      ...this.#input,
      hooks: begunHooks(this.#input.hooks),
      folder,
      views: this.#views,
      locks: sharedLocks(this.#held, denied),
    });
    const how: Outcome =
      undone.outcome === 'rolled-back' ? 'undone' : undone.outcome === 'stopped' ? 'stopped' : 'failed';
    return this.#end(how, `${message}; ${undone.message}`, undefined, {
      wave: report,
      undone: [...undone.reports.values()],
    });
  }

  async #end(
    outcome: Outcome,
    message: string,
    failure?: unknown,
    { wave, undone = [] }: { readonly wave?: RunReport; readonly undone?: readonly RunReport[] } = {},
  ): Promise<RunReport> {
    const { moves, waves } = this.#input;
    const state = this.#folder === undefined ? undefined : await this.#state();
    const reports = [...this.#reports.values()];
    const made = makeReport(this.#input, {
      runId: this.#folder?.record.id ?? 'none',
      outcome,
      message,
      failure,
      limit: wave?.limit ?? undefined,
      startedAt: this.#startedAt,
      rows: joinedRows(reports),
      tenants: mapTenants(moves, waves, await toldBy(state, this.#reports)),
      problems: wave?.problems ?? [],
      findings: reports.flatMap(({ findings }) => findings),
      hasWork: false,
      history: this.#history,
      stores: reports[0]?.stores ?? storeFacts(this.#input.stagesFor(undefined), []),
    });
    const report: RunReport = {
      ...made,
      ...joinedTrace([...reports, ...undone], this.#startedAt),
      waves: waveRows(waves.waves, state, this.#reports),
      error: made.error ?? wave?.error ?? null,
    };
    // The folder of a list whose lock was taken away is another process's now.
    return storedInMap((await this.#held.holdsLocal()) ? this.#folder : undefined, report);
  }

  async #outcomeOf(error: unknown): Promise<Outcome> {
    if (error instanceof Ending) return error.outcome;
    if (this.#input.signal.aborted && isStop(error)) return 'stopped';
    return this.#failedOr('refused');
  }

  /** `failed` once a wave stands, since then there is something to resume or to take back. */
  async #failedOr(otherwise: Outcome): Promise<Outcome> {
    if (this.#folder === undefined) return otherwise;
    const { state } = await this.#state();
    return state === 'unfinished' || state === 'done' ? 'failed' : otherwise;
  }

  async #state(): Promise<MapState> {
    if (this.#folder === undefined) throw new MigrateError('internal', 'the list has no folder yet');
    return mapState(this.#folder, await this.#input.folders.all());
  }

  #stores(): Stores {
    return Object.fromEntries(this.#input.stagesFor(undefined).map(({ name, address }) => [name, address]));
  }

  #note(text: string): void {
    this.#input.emit({ type: 'run-note', text });
  }
}

async function closeAll(stages: readonly BoundStage[]): Promise<void> {
  await Promise.allSettled(stages.map((stage) => stage.close()));
}

function sorted(moves: readonly Move[]): string {
  return moves.map(moveText).sort().join('\n');
}

function doneText({ record }: MapFolder): string {
  return `nothing to do: ${record.id} has carried out this list (to take it back: tenant-migrate rollback ${record.id})`;
}

import type { EndCounts, Outcome, RunPhase, StageRow } from '../report/report.ts';
import type { Checkpoint, StageEvent, StageName, StagePlan } from '../stages/stage.ts';
import { RunTrace } from './run-trace.ts';

/** The rows of a run: one for every stage from the start, so that what did not happen is said as well. */
export class OutcomeRows {
  readonly #rows = new Map<StageName, StageRow>();
  /** When they became what they are. */
  readonly trace = new RunTrace();

  constructor(planned: readonly StageName[], skipped: readonly StageName[], order: readonly StageName[]) {
    for (const name of order) {
      if (planned.includes(name)) this.#rows.set(name, emptyRow(name, 'not-run'));
      else if (skipped.includes(name)) this.#rows.set(name, emptyRow(name, 'skipped'));
    }
  }

  plan(plan: StagePlan): void {
    this.#change(plan.stage, {
      unit: plan.unit,
      found: plan.moves.reduce((sum, { found }) => sum + found, 0),
      atTarget: plan.moves.reduce((sum, { atTarget }) => sum + atTarget, 0),
      estimateMs: plan.estimateMs,
      shapes: plan.shapes,
    });
  }

  count(name: StageName, checkpoint: Checkpoint, phase: RunPhase): void {
    const row = this.of(name);
    this.trace.count(name, phase, checkpoint.moved + (checkpoint.skipped ?? 0));
    this.#change(name, {
      // What was counted before is not so any more.
      after: undefined,
      moved: row.moved + checkpoint.moved,
      skipped: row.skipped + (checkpoint.skipped ?? 0),
      conflicts: row.conflicts + (checkpoint.conflicts ?? 0),
      failed: row.failed + (checkpoint.failed ?? 0),
      vanished: row.vanished + (checkpoint.vanished ?? 0),
    });
  }

  /** A verify begins: it counts anew. */
  recount(): void {
    for (const name of this.#rows.keys()) this.#change(name, { after: undefined });
  }

  /** Takes what verify counted; its parts are added. */
  counted({ stage, source, target }: StageEvent & { readonly type: 'counted' }): void {
    const { after = { source: 0, target: 0 } } = this.of(stage);
    this.after(stage, { source: after.source + source, target: after.target + target });
  }

  after(name: StageName, ends: EndCounts): void {
    this.#change(name, { after: ends });
  }

  time(name: StageName, phase: RunPhase, ms: number): void {
    const row = this.of(name);
    this.trace.span(name, phase, ms);
    const phases = { ...row.phases, [phase]: Math.round((row.phases[phase] ?? 0) + ms) };
    this.#change(name, { phases, ms: Math.round(row.ms + ms) });
  }

  status(name: StageName, status: StageRow['status']): void {
    this.#change(name, { status });
  }

  of(name: StageName): StageRow {
    return this.#rows.get(name) ?? emptyRow(name, 'not-run');
  }

  all(): readonly StageRow[] {
    return [...this.#rows.values()];
  }

  #change(name: StageName, change: Partial<StageRow>): void {
    const { after, ...row } = { ...this.of(name), ...change };
    this.#rows.set(name, after === undefined ? row : { ...row, after });
  }
}

function emptyRow(name: StageName, status: StageRow['status']): StageRow {
  return {
    name,
    status,
    unit: 'records',
    found: 0,
    atTarget: 0,
    moved: 0,
    skipped: 0,
    conflicts: 0,
    failed: 0,
    vanished: 0,
    ms: 0,
    phases: {},
    estimateMs: 0,
    shapes: [],
  };
}

/** The exit code of an outcome; a stopped run's comes from its signal. */
export function exitCodeOf(outcome: Outcome, signal: string | undefined): number {
  switch (outcome) {
    case 'done':
    case 'nothing-to-do':
    case 'planned':
    case 'verified':
    case 'rolled-back':
      return 0;
    case 'differences':
      return 2;
    case 'undone':
      return 3;
    case 'failed':
      return 4;
    case 'refused':
      return 5;
    case 'stopped':
      return signal === 'SIGHUP' ? 129 : signal === 'SIGTERM' ? 143 : 130;
  }
}

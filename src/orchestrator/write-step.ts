import type { RunFolder } from '../journal/run-folder.ts';
import { MigrateError } from '../model/errors.ts';
import type { RunEvent } from '../report/event.ts';
import type { Checkpoint, StagePlan, UndoPort } from '../stages/stage.ts';
import type { BoundStage, CommonContext } from './bound-stage.ts';
import type { Gate } from './gate.ts';
import type { OutcomeRows } from './outcome.ts';

/** One phase of one stage that writes. */
export interface WriteStep {
  readonly stage: BoundStage;
  readonly phase: 'apply' | 'finalize' | 'undo';
  readonly plan: StagePlan;
  readonly context: CommonContext;
  readonly folder: RunFolder;
  readonly gate: Gate;
  readonly rows: OutcomeRows;
  readonly emit: (event: RunEvent) => void;
  /** In place of the run's own undo log. */
  readonly undo?: UndoPort | undefined;
  /** Records that there are to do, where the stage does not tell it and how far it is. */
  readonly expected?: number | undefined;
  /** Awaited before anything is written. */
  readonly before?: (() => Promise<void>) | undefined;
  /** Called with each checkpoint once it is in the journal. Throws to end the step. */
  readonly onCheckpoint?: (checkpoint: Checkpoint) => void;
}

/**
 * Runs the phase checkpoint by checkpoint: each goes into the journal once its batch is done, and is counted. Throws
 * MigrateError `record` where a record failed. Returns how many checkpoints there were.
 */
export async function writeStep(step: WriteStep): Promise<number> {
  const { stage, phase, plan, context, folder, gate, rows, emit } = step;
  emit({ type: 'stage-started', stage: stage.name, phase });
  const { expected: total } = step;
  if (total !== undefined) emit({ type: 'total', stage: stage.name, total, unit: plan.unit, estimate: true });
  let done = 0;
  gate.enter(stage.name);
  rows.trace.begin(stage.name, phase);
  const start = performance.now();
  const failedBefore = rows.of(stage.name).failed;
  let checkpoints = 0;
  try {
    await step.before?.();
    await gate.open();
    const ports = {
      undo: gate.timed(step.undo ?? (await folder.undo(stage.name))),
      permit: (units: number) => gate.pass(units),
      mostInBatch: () => gate.mostInBatch(),
    };
    for await (const checkpoint of stage[phase](plan, context, ports)) {
      checkpoints += 1;
      if (phase === 'undo') folder.takenBack(stage.name, checkpoint);
      else folder.done(stage.name, checkpoint);
      rows.count(stage.name, checkpoint, phase);
      gate.count(checkpoint);
      emit({ type: 'batch', stage: stage.name, phase, checkpoint });
      done += checkpoint.moved;
      if (total !== undefined) emit({ type: 'progress', stage: stage.name, done, total: Math.max(total, done) });
      step.onCheckpoint?.(checkpoint);
    }
    const failed = rows.of(stage.name).failed - failedBefore;
    if (failed > 0) {
      const what = phase === 'undo' ? 'taken back' : 'moved';
      const text = `${failed} ${failed === 1 ? 'record' : 'records'} could not be ${what} in ${stage.name}`;
      throw new MigrateError('record', text, { stage: stage.name });
    }
    if (phase !== 'finalize') rows.status(stage.name, phase === 'undo' ? 'undone' : 'done');
    return checkpoints;
  } catch (error) {
    rows.status(stage.name, phase === 'undo' ? 'undo-failed' : 'failed');
    throw error;
  } finally {
    gate.close();
    rows.time(stage.name, phase, performance.now() - start);
    emit({ type: 'stage-finished', stage: stage.name, phase, row: rows.of(stage.name) });
  }
}

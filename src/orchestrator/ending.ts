import { MigrateError } from '../model/errors.ts';
import type { Outcome } from '../report/report.ts';

/** Ends a run early with an outcome that is not a failure of the program. */
export class Ending extends Error {
  readonly outcome: Outcome;
  constructor(outcome: Outcome, message: string) {
    super(message);
    this.outcome = outcome;
  }
}

/** Whether it was thrown since the operator asked to stop. */
export function isStop(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isStop);
  if (error instanceof MigrateError) return error.code === 'stopped';
  return error instanceof Error && error.name === 'AbortError';
}

/** What the run's record says after this outcome; `written`: whether a store may have been written to. */
export function stateOf(outcome: Outcome, written: boolean): 'done' | 'refused' | 'failed' | 'stopped' {
  if (outcome === 'done' || outcome === 'nothing-to-do') return 'done';
  if (!written) return 'refused';
  return outcome === 'stopped' ? 'stopped' : 'failed';
}

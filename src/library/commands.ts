import { begin } from './begin.ts';
import type {
  ApplyOptions,
  MoveOptions,
  PlanOptions,
  ResumeOptions,
  RollbackOptions,
  VerifyOptions,
} from './options.ts';
import type { Run } from './run.ts';

/** Moves everything that belongs to a tenant from one id to another, then verifies. An unfinished run of the same move is continued. */
export function move(options: MoveOptions): Run {
  return begin('move', options);
}

/** Looks what a move would do, and writes nothing. `await run.plan` is what {@link apply} takes. */
export function plan(options: PlanOptions): Run {
  return begin('plan', options);
}

/** Executes a plan: refused where settings, servers, schema or key shapes are no longer those of the plan. */
export function apply(options: ApplyOptions): Run {
  return begin('apply', options, typeof options.plan === 'string' ? undefined : options.plan);
}

/** Checks that a move is complete, and writes nothing. Differences are in the report's `findings`; then `exitCode` is 2. */
export function verify(options: VerifyOptions): Run {
  return begin('verify', options);
}

/** Goes on with a run that was stopped, killed or failed. */
export function resume(options: ResumeOptions = {}): Run {
  return begin('resume', options);
}

/** Takes back what a run did, also after it ended well. */
export function rollback(options: RollbackOptions = {}): Run {
  return begin('rollback', options);
}

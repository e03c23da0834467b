import { MigrateError } from '../../model/errors.ts';
import type { Move } from '../../model/move.ts';

/** One end is no longer as the plan found it. */
export function stalePlan(move: Move, end: 'source' | 'target'): MigrateError {
  return new MigrateError('stale-plan', `the config of ${move[end]} is no longer as the plan found it`, {
    stage: 'config',
    next: `plan ${move.source} ${move.target} again`,
  });
}

/** A config became another one between a look and a write. */
export function changedMeanwhile(tenant: string): MigrateError {
  return new MigrateError('conflict', `the config of ${tenant} was changed by somebody else during the run`, {
    stage: 'config',
    next: 'look at it, then type the same command again',
  });
}

import { MigrateError } from '../model/errors.ts';
import type { Checkpoint, StageName, StageOptions, StagePlan } from '../stages/stage.ts';

/** What came meanwhile may be what no plan would move. */
export function stopOnProblems({ stage, problems }: StagePlan): void {
  const [first] = problems;
  if (first === undefined) return;
  const text = `what appeared in ${stage} during the move cannot be moved: ${first.message}`;
  throw new MigrateError('conflict', text, { stage, next: first.fix });
}

/** A conflict that only apply could see. */
export function failOnConflict(checkpoint: Checkpoint, stage: StageName, options: StageOptions): void {
  if ((checkpoint.conflicts ?? 0) === 0 || options.onConflict !== 'fail') return;
  throw new MigrateError(
    'conflict',
    `${checkpoint.conflicts} records in ${stage} exist at the target with other content`,
    {
      stage,
      next: 'look at them, then remove one side, or add --on-conflict skip or overwrite',
    },
  );
}

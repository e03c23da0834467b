import type { Problem, StagePlan } from '../stages/stage.ts';

/** Beside the undo logs: the journal, the plan, the report. */
const OWN_BYTES = 16 << 20;

/** What all undo logs of a run will take at most, bytes. */
export function undoBytes(stages: readonly StagePlan[]): number {
  return stages.reduce((sum, plan) => sum + (plan.undoBytes ?? 0), 0);
}

/** Refuses a run whose undo logs would not fit on the disk. A disk that fills up later stops the run before a change. */
export function diskProblems(stages: readonly StagePlan[], free: number): readonly Problem[] {
  const needed = undoBytes(stages) + OWN_BYTES;
  if (free >= needed) return [];
  const megabytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20).toLocaleString('en')} MB`;
  return [
    {
      stage: 'run',
      code: 'disk',
      message: `the record of what is changed may take ${megabytes(needed)}; where runs are recorded ${megabytes(free)} are free`,
      fix: 'make room, or set --state-dir to a folder on another disk',
    },
  ];
}

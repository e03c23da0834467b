import { byteSize } from '../model/byte-size.ts';
import { recordSize } from '../model/record-size.ts';
import type { Problem, StagePlan } from '../stages/stage.ts';

/** Refuses a run whose record would not fit on the disk. A disk that fills up later stops the run before a change. */
export function diskProblems(stages: readonly StagePlan[], free: number): readonly Problem[] {
  const needed = recordSize(stages);
  if (free >= needed) return [];
  return [
    {
      stage: 'run',
      code: 'disk',
      message: `the record of this run takes at most ${byteSize(needed)}, and ${byteSize(free)} are free in the state folder`,
      fix: 'make room, or set --state-dir to a folder on another disk',
    },
  ];
}

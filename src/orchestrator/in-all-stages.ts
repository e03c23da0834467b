import type { RunPhase } from '../report/report.ts';
import type { StageName } from '../stages/stage.ts';
import type { BoundStage } from './bound-stage.ts';
import type { OutcomeRows } from './outcome.ts';

/** What became of a step in each stage, in their order. */
export interface InAllStages<T> {
  readonly values: readonly T[];
  readonly failures: readonly { readonly stage: StageName; readonly error: unknown }[];
}

/** A reading step in all stages side by side, timed in their rows. One that fails keeps no other from its end. */
export async function inAllStages<T>(
  stages: readonly BoundStage[],
  { phase, rows }: { readonly phase: RunPhase; readonly rows: OutcomeRows },
  step: (stage: BoundStage) => Promise<T>,
): Promise<InAllStages<T>> {
  const timed = async (stage: BoundStage) => {
    const start = performance.now();
    try {
      return await step(stage);
    } finally {
      rows.time(stage.name, phase, performance.now() - start);
    }
  };
  const results = await Promise.allSettled(stages.map(timed));
  const values = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failures = stages.flatMap(({ name: stage }, index) => {
    const result = results[index];
    return result?.status === 'rejected' ? [{ stage, error: result.reason as unknown }] : [];
  });
  return { values, failures };
}

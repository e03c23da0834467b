import { Chalk } from 'chalk';
import { describe, expect, test } from 'vitest';
import { diskProblems } from '../../../src/orchestrator/disk-room.ts';
import { planText } from '../../../src/report/plan-text.ts';
import type { RunPlan } from '../../../src/report/report.ts';
import type { StageName, StagePlan } from '../../../src/stages/stage.ts';

const MB = 1_000_000;

describe('the room for what is recorded', () => {
  test('is that of all undo logs, and some for the rest of the run', () => {
    const plans = [planOf('redis', 100 * MB), planOf('graph', 50 * MB), planOf('qdrant')];
    expect(diskProblems(plans, 166 * MB)).toEqual([]);
    expect(diskProblems(plans, 166 * MB - 1)).toEqual([
      {
        stage: 'run',
        code: 'disk',
        message: expect.stringContaining('166.0 MB'),
        fix: expect.stringContaining('--state-dir'),
      },
    ]);
  });

  test('is told in the plan by the number that would refuse the run', () => {
    const plan = { stages: [planOf('redis', 100 * MB)], moves: [], digest: '' } as unknown as RunPlan;
    const text = planText(plan, { freeBytes: 90 * MB, statements: false }, new Chalk({ level: 0 }));
    expect(text).toContain('takes at most 116.0 MB in the state folder; 90.0 MB are free');
    expect(diskProblems(plan.stages, 90 * MB)[0]?.message).toContain('takes at most 116.0 MB, and 90.0 MB are free');
  });

  test('is asked for by a run without undo logs too', () => {
    expect(diskProblems([], MB)).toHaveLength(1);
  });
});

function planOf(stage: StageName, bytes?: number): StagePlan {
  return {
    stage,
    unit: 'records',
    moves: [],
    shapes: [],
    conflicts: 0,
    notices: [],
    problems: [],
    estimateMs: 0,
    basis: null,
    ...(bytes === undefined ? {} : { undoBytes: bytes }),
  };
}

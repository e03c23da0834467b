import { describe, expect, test } from 'vitest';
import { diskProblems, undoBytes } from '../../../src/orchestrator/disk-room.ts';
import type { StageName, StagePlan } from '../../../src/stages/stage.ts';

const MB = 1 << 20;

describe('the room for what is recorded', () => {
  test('is that of all undo logs, and some for the rest of the run', () => {
    const plans = [plan('redis', 100 * MB), plan('graph', 50 * MB), plan('qdrant')];
    expect(undoBytes(plans)).toBe(150 * MB);
    expect(diskProblems(plans, 166 * MB)).toEqual([]);
    expect(diskProblems(plans, 166 * MB - 1)).toEqual([
      {
        stage: 'run',
        code: 'disk',
        message: expect.stringContaining('166 MB'),
        fix: expect.stringContaining('--state-dir'),
      },
    ]);
  });

  test('is asked for by a run without undo logs too', () => {
    expect(diskProblems([], MB)).toHaveLength(1);
  });
});

function plan(stage: StageName, bytes?: number): StagePlan {
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

import { Chalk } from 'chalk';
import { expect, test } from 'vitest';
import { amount } from '../../../src/model/amount.ts';
import { wavesOf } from '../../../src/model/waves.ts';
import { disguiseForPlan } from '../../../src/orchestrator/map-preview.ts';
import { planText } from '../../../src/report/plan-text.ts';
import type { RunPlan } from '../../../src/report/report.ts';

test('counts are grouped by thousands, and one of a thing is singular', () => {
  expect([0, 1, 15_644].map((count) => amount(count, 'points'))).toEqual(['0 points', '1 point', '15,644 points']);
});

test('of notices of one kind the plan names the first dozen and counts the others', () => {
  const notices = Array.from({ length: 1_300 }, (_, index) => ({
    stage: 'redis',
    kind: 'values',
    severity: 'notice',
    message: `of tenant ${index}`,
  }));
  const stage = { stage: 'redis', unit: 'keys', moves: [], shapes: [], notices, conflicts: 0, estimateMs: 0 };
  const text = planText(
    { moves: [], stages: [stage] } as unknown as RunPlan,
    { freeBytes: 0 },
    new Chalk({ level: 0 }),
  );
  expect(text.match(/of tenant \d+/g)).toHaveLength(12);
  expect(text).toContain('and 1,288 more such notices');
});

test('the plan of a list names the real ids, also where the name of an index spells them otherwise', () => {
  const moves = [
    { source: 'a-1', target: 'b.2' },
    { source: 'b.2', target: 'c' },
  ];
  const { moves: looked, reveal } = disguiseForPlan(
    moves,
    wavesOf(moves, (source) => `${source}-swap`),
  );
  const standIn = looked[0]?.target ?? '';
  expect(standIn).not.toBe('b.2');
  expect(reveal([standIn, `idx_${standIn.replaceAll('-', '_')}`])).toEqual(['b.2', 'idx_b_2']);
});

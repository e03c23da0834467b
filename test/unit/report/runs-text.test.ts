import { Chalk } from 'chalk';
import { expect, it } from 'vitest';
import { runsText } from '../../../src/report/runs-text.ts';
import type { ListedRun } from '../../../src/report/status-text.ts';

const paint = new Chalk({ level: 0 });
const run = (id: string, state: string, target = 'beta') =>
  ({
    id,
    state,
    moves: [{ source: 'acme', target }],
    unfinished: false,
    startedAt: `at-${id}`,
    next: [],
  }) as unknown as ListedRun;

it('runs has a header, and tries of one move that were refused in a row are one line with their number', () => {
  const runs = [run('r6', 'refused'), run('r5', 'refused'), run('r4', 'refused', 'other'), run('r3', 'refused')];
  expect(runsText([], [...runs, run('r2', 'done'), run('r1', 'done')], paint).split('\n')).toEqual([
    'run  started  move  state',
    'r6  at-r6  acme → beta  refused (2 tries)',
    'r4  at-r4  acme → other  refused',
    'r3  at-r3  acme → beta  refused',
    'r2  at-r2  acme → beta  done',
    'r1  at-r1  acme → beta  done',
  ]);
});

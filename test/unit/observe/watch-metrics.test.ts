import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { watchMetrics } from '../../../src/observe/metrics/watch-metrics.ts';

it('metrics that cannot be measured, such as memory without a file to read it by, are told once and end nothing', async () => {
  const told: string[] = [];
  let isBroken = false;
  const now = () => {
    if (isBroken) throw new Error('EMFILE');
    return 1;
  };
  const file = join(mkdtempSync(join(tmpdir(), 'tenant-migrate-metrics-')), 'a.prom');
  const about = { listen: undefined, pushgateway: undefined, host: 'vm', pid: 1, version: '1' };
  const times = { intervalMs: 10, closeMs: 100, clock: { now } };
  const watching = await watchMetrics({ file, ...about, ...times, tell: (text) => told.push(text) });
  const moves = [{ source: 'a', target: 'b' }];
  watching.take({ type: 'run-started', command: 'move', runId: 'r1', moves, dryRun: false, continuing: false });
  watching.take({ type: 'stage-started', stage: 'redis', phase: 'apply' });
  isBroken = true;
  await vi.waitFor(() => expect(told).toEqual(['the metrics cannot be measured: EMFILE']));
  isBroken = false;
  await watching.close();
  expect(told).toHaveLength(1);
});

import { afterEach, beforeEach, expect, it } from 'vitest';
import { watchNotifications } from '../../../src/observe/notify/watch-notifications.ts';
import type { RunReport } from '../../../src/report/report.ts';
import { type Answer, type Receiver, startReceiver } from '../../support/receiver.ts';

let receiver: Receiver;
let told: string[];

beforeEach(async () => {
  receiver = await startReceiver();
  told = [];
});
afterEach(() => receiver.close());

function watch() {
  return watchNotifications({
    webhook: { url: receiver.url, secret: undefined },
    slack: undefined,
    pagerDuty: undefined,
    mail: undefined,
    on: ['start', 'failure'],
    closeMs: 2_000,
    command: 'move',
    list: undefined,
    host: 'vm',
    version: '1',
    clock: { now: () => Date.now() },
    tell: (text) => told.push(text),
  });
}

const RUN = {
  type: 'run-started',
  command: 'move',
  runId: 'r1',
  moves: [{ source: 'a', target: 'b' }],
  dryRun: false,
  continuing: false,
} as const;
const FAILED = { outcome: 'failed', exitCode: 4, runId: 'r1', problems: [], stages: [], ms: 1, message: 'm' };

it('a start that cannot be delivered does not take the time, or the place, of how the run ended', async () => {
  const answers: readonly Answer[] = ['hang', { status: 429, headers: { 'retry-after': '99999999999' } }];
  for (const answer of answers) {
    receiver.next(answer);
    const watching = watch();
    watching.take(RUN);
    watching.take({ type: 'stage-started', stage: 'redis', phase: 'apply' });
    watching.ended({ ...FAILED, error: null, next: null } as unknown as RunReport);
    const before = Date.now();
    await watching.close();
    expect(Date.now() - before).toBeLessThan(1_900);
  }
  const events = receiver.received.map(({ headers }) => headers['x-tenant-migrate-event']);
  expect(events).toEqual(['start', 'failure', 'start', 'failure']);
  expect(told.map((text) => text.replace(/\(.*\)/, ''))).toEqual([
    'the webhook  was not told of the start: no answer in time',
    'the webhook  was not told of the start: answered 429',
  ]);
});

import { SMTPServer } from 'smtp-server';
import { describe, expect, it, test } from 'vitest';
import { sendMail } from '../../../src/observe/notify/mail.ts';
import { type About, brokenNotice, endNotice, type Notice, startNotice } from '../../../src/observe/notify/notice.ts';
import { pagerDutyMessage } from '../../../src/observe/notify/pagerduty.ts';
import { slackMessage } from '../../../src/observe/notify/slack.ts';
import type { Outcome, RunReport } from '../../../src/report/report.ts';

const ABOUT: About = {
  id: 'b7a3',
  run: '20261121T134245-c3ae1b',
  command: 'move',
  moves: [{ source: 'a', target: 'b' }],
  at: '2026-11-21T13:42:45.000Z',
  host: 'vm',
  toolVersion: '1',
  unfinished: false,
  wasUnfinished: false,
};

function report(outcome: Outcome, more: Partial<RunReport> = {}): RunReport {
  const none = { stages: [], problems: [], findings: [], limit: null, error: null, next: null };
  return { ...none, outcome, exitCode: 0, ms: 1, message: 'm', runId: ABOUT.run, ...more } as unknown as RunReport;
}

function called(notice: Notice | undefined): string | undefined {
  if (notice === undefined) return 'no notice';
  const message = pagerDutyMessage(notice, { url: 'https://example.org', routingKey: 'k' });
  return message === undefined ? undefined : (JSON.parse(message.body) as { event_action: string }).event_action;
}

describe('who is told of what', () => {
  for (const [outcome, unfinished, wasUnfinished, occasion, severity, call] of [
    ['done', false, false, 'finish', 'info', undefined],
    ['done', false, true, 'finish', 'info', 'resolve'],
    // A stage that was left out is still open.
    ['done', true, true, 'finish', 'info', undefined],
    ['nothing-to-do', false, false, 'finish', 'info', undefined],
    ['rolled-back', false, true, 'rollback', 'info', 'resolve'],
    ['undone', false, false, 'rollback', 'warning', undefined],
    ['failed', true, false, 'failure', 'critical', 'trigger'],
    ['differences', true, false, 'failure', 'error', 'trigger'],
    ['stopped', true, false, 'failure', 'warning', 'trigger'],
    ['stopped', false, false, 'failure', 'warning', undefined],
  ] as const) {
    it(`${outcome}, ${unfinished ? 'un' : ''}finished, ${wasUnfinished ? 'un' : ''}finished before: ${occasion}, ${call ?? 'no call'}`, () => {
      const notice = endNotice({ ...ABOUT, unfinished, wasUnfinished }, report(outcome));
      expect(notice).toMatchObject({ occasion, severity });
      expect(called(notice)).toBe(call);
    });
  }

  it('a refusal is told, but not that somebody said no, nor what wrote nothing', () => {
    expect(endNotice(ABOUT, report('refused', { error: 'the lock is held' }))).toMatchObject({ occasion: 'failure' });
    expect(endNotice(ABOUT, report('refused'))).toBeUndefined();
    expect(endNotice(ABOUT, report('planned'))).toBeUndefined();
    expect(endNotice(ABOUT, report('verified'))).toBeUndefined();
  });

  it('a start calls nobody, and an end without a report does', () => {
    expect(called(startNotice({ ...ABOUT, unfinished: true }))).toBeUndefined();
    expect(called(brokenNotice({ ...ABOUT, unfinished: true }))).toBe('trigger');
  });
});

test('long and hostile text keeps to Slack’s limits, and is cut between its escapes', () => {
  const moves = [{ source: '<&'.repeat(120), target: '\u202ex\r\n😀'.repeat(60) }];
  const notice = endNotice({ ...ABOUT, moves }, report('failed', { message: '&'.repeat(4_000), error: '<!here>' }));
  const { text, blocks } = JSON.parse(slackMessage(notice as Notice, 'https://example.org').body);
  expect(blocks[0].text.text.length).toBeLessThanOrEqual(150);
  for (const { fields } of blocks.slice(1)) expect(fields[1].text.length).toBeLessThanOrEqual(2_000);
  for (const said of [text, ...blocks.slice(1).map((block: { fields: { text: string }[] }) => block.fields[1]?.text)]) {
    expect(said).not.toMatch(/[<>\r\n\u202e]|&(?!amp;|lt;|gt;)/);
  }
});

test('no name can end a header of a mail', async () => {
  let raw = '';
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS', 'AUTH'],
    onData: (stream, _session, done) => {
      stream.on('data', (chunk: Buffer) => {
        raw += chunk;
      });
      stream.on('end', () => done());
    },
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.server.address() as { port: number };
  const mail = { url: `smtp://127.0.0.1:${port}`, to: ['ops@example.org'], from: 'tool@example.org' };
  // Also where the text was not cleaned before.
  const title = 'a\r\nBcc: other@example.org\r\n\r\n<script>';
  await sendMail({ ...startNotice(ABOUT), title }, mail, new AbortController().signal);
  await new Promise<void>((resolve) => server.close(resolve));
  const [head = ''] = raw.split('\r\n\r\n');
  expect(head).toMatch(/^To: ops@example\.org$/m);
  expect(head).not.toMatch(/^Bcc/im);
  const moves = [{ source: 'a\r\nBcc: other@example.org', target: 'b' }];
  expect(startNotice({ ...ABOUT, moves }).title).not.toMatch(/[\r\n]/);
});

import { PassThrough } from 'node:stream';
import { Chalk } from 'chalk';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RunEvent } from '../../../src/report/event.ts';
import { jsonLog } from '../../../src/report/json-log.ts';
import { liveReporter } from '../../../src/report/live.ts';
import { cut } from '../../../src/report/live-block.ts';
import { plainReporter } from '../../../src/report/plain.ts';
import { Rate } from '../../../src/report/rate.ts';
import type { RunReport } from '../../../src/report/report.ts';
import { heartbeatText, StageProgress } from '../../../src/report/stage-progress.ts';
import { annotation, annotationsOf, withoutCommands } from '../../../src/report/workflow-commands.ts';

const MOVES = [{ source: 'a', target: 'b' }];
const STARTED: RunEvent = {
  type: 'run-started',
  command: 'move',
  runId: 'r1',
  moves: MOVES,
  dryRun: false,
  continuing: false,
};
const clock = { now: () => Date.now() };
const paint = new Chalk({ level: 0 });

beforeEach(() => void vi.useFakeTimers({ now: 0 }));
afterEach(() => void vi.useRealTimers());

describe('rate and time left', () => {
  it('tell nothing before five seconds, and then what a steady flow needs, however it is cut into batches', () => {
    for (const batch of [10, 250, 2_000]) {
      const rate = new Rate(0);
      for (let ms = batch; ms <= 4_500; ms += batch) rate.update(ms, ms);
      expect(rate.perSecond(4_999)).toBeUndefined();
      for (let ms = 4_500 + batch; ms <= 20_000; ms += batch) rate.update(ms, ms);
      expect(rate.perSecond(20_000)).toBeGreaterThan(950);
      expect(rate.perSecond(20_000)).toBeLessThan(1_050);
      const seconds = (rate.etaMs(60_000, 20_000) ?? 0) / 1_000;
      expect(seconds).toBeGreaterThan(38);
      expect(seconds).toBeLessThan(44);
    }
  });

  it('follow a flow that becomes slower, and tell no time where nothing is done any more', () => {
    const rate = new Rate(0);
    for (let ms = 0; ms <= 30_000; ms += 500) rate.update(ms, ms);
    for (let ms = 30_000; ms <= 60_000; ms += 500) rate.update(30_000 + (ms - 30_000) / 10, ms);
    expect(rate.perSecond(60_000)).toBeLessThan(200);
    const left = rate.etaMs(40_000, 60_000) ?? 0;
    expect(left).toBeGreaterThan(35_000);
    expect(rate.etaMs(40_000, 70_000)).toBeGreaterThan(left * 2);
    expect(rate.etaMs(40_000, 90_000)).toBeUndefined();
  });
});

describe('how far a stage is', () => {
  it('never says 100 %, and marks a total that may be wrong', () => {
    const exact = new StageProgress(clock, { total: 10 });
    expect(heartbeatText('graph', exact.now)).toBe('graph 0/10 0% - eta - errors 0');
    exact.take({ type: 'progress', stage: 'graph', done: 10, total: 10 });
    expect(exact.now).toMatchObject({ percent: 99, isEstimate: false });
    exact.take({ type: 'progress', stage: 'graph', done: 12, total: 10 });
    expect(exact.now).toMatchObject({ percent: 99, isEstimate: true, total: 12 });
  });

  it('is one line for machines', () => {
    const progress = new StageProgress(clock, { total: 480_000, estimate: true });
    for (let second = 1; second <= 20; second += 1) {
      vi.advanceTimersByTime(1_000);
      progress.take({ type: 'progress', stage: 'redis', done: second * 6_000, total: 480_000 });
    }
    progress.take({ type: 'record-failed', stage: 'redis', record: 'k', reason: 'r' });
    expect(heartbeatText('redis', progress.now)).toBe('redis 120000/~480000 25% 6.0k/s eta 1m00s errors 1');
  });
});

describe('a plain log', () => {
  it('says something true every ten seconds, also where no record tells how far it is, and nothing after its end', async () => {
    const lines: string[] = [];
    const said = () => lines.splice(0).join('\n');
    const log = plainReporter({
      write: (line) => void lines.push(line),
      paint,
      clock,
      verbose: false,
      planIsResult: true,
    });
    log.take(STARTED);
    log.take({ type: 'phase', phase: 'plan', stages: ['redis'] });
    said();
    vi.advanceTimersByTime(20_000);
    expect(said()).toBe('  still planning … 10.0 s\n  still planning … 20.0 s');
    log.take({ type: 'planned', plan: { stages: [] } as never, freeBytes: 1 });
    vi.advanceTimersByTime(60_000);
    expect(said()).toBe('');
    log.take({ type: 'stage-started', stage: 'redis', phase: 'apply' });
    log.take({ type: 'total', stage: 'redis', total: 1_000, unit: 'keys', estimate: true });
    for (let done = 100; done <= 900; done += 100) {
      vi.advanceTimersByTime(1_000);
      log.take({ type: 'progress', stage: 'redis', done, total: 1_000 });
    }
    said();
    vi.advanceTimersByTime(1_000);
    expect(said()).toBe('  redis 900/~1000 90% 100/s eta 1s errors 0');
    vi.advanceTimersByTime(40_000);
    expect(said().split('\n').at(-1)).toMatch(
      /^ {2}redis 900\/~1000 90% .* eta - errors 0, no record done for 41\.0 s$/,
    );
    log.take({ type: 'phase', phase: 'verify', stages: ['redis'] });
    said();
    vi.advanceTimersByTime(10_000);
    expect(said()).toBe('  still verifying … 10.0 s');
    await log.close();
    vi.advanceTimersByTime(60_000);
    expect(said()).toBe('');
  });
});

describe('a live display', () => {
  it('shows why a stage waits until it goes on', () => {
    const stream = Object.assign(new PassThrough(), { columns: 100, rows: 30 });
    let text = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    const shown = () => {
      text = '';
      vi.advanceTimersByTime(300);
      stream.read();
      return text;
    };
    const live = liveReporter({ stream, paint, clock, planIsResult: true });
    for (const event of [
      STARTED,
      { type: 'phase', phase: 'apply', stages: ['redis'] },
      { type: 'stage-started', stage: 'redis', phase: 'apply' },
      { type: 'total', stage: 'redis', total: 10, unit: 'keys' },
      { type: 'retry', stage: 'redis', attempt: 2, delayMs: 5_000, reason: 'gone\u001b[2J' },
    ] as RunEvent[])
      live.take(event);
    expect(shown()).toContain('try 2 failed (gone\\x1b[2J), again in 5s');
    live.take({ type: 'progress', stage: 'redis', done: 1, total: 10 });
    expect(shown()).toContain('try 2 failed');
    vi.advanceTimersByTime(5_000);
    live.take({ type: 'progress', stage: 'redis', done: 2, total: 10 });
    expect(shown()).not.toContain('try 2 failed');
    live.take({ type: 'note', stage: 'redis', text: 'paused: goes on when /tmp/x is removed' });
    live.take({ type: 'progress', stage: 'redis', done: 3, total: 10 });
    expect(shown()).toContain('paused: goes on when');
    void live.close();
  });

  it('cuts lines by cells, and closes their colours', () => {
    expect(cut('abcdef', 6)).toBe('abcdef');
    expect(cut('abcdef', 5)).toBe('abcd…');
    expect(cut('顧客顧客', 7)).toBe('顧客顧…');
    expect(cut('\x1b[31mabcdef\x1b[39m', 4)).toBe('\x1b[31mabc…\x1b[0m');
  });
});

describe('JSON lines', () => {
  it('are one object an event, with the same fields in each', async () => {
    const lines: string[] = [];
    const log = jsonLog({ write: (line) => void lines.push(line), clock });
    const report = {
      outcome: 'failed',
      exitCode: 4,
      ms: 5,
      error: 'no',
      message: 'no',
      next: 'resume',
      problems: [{ stage: 'run', code: 'c', message: 'p', fix: 'f' }],
      findings: [{ stage: 'redis', kind: 'count', severity: 'difference', message: 'one is gone', count: 1 }],
    } as unknown as RunReport;
    const events: RunEvent[] = [
      STARTED,
      { type: 'stage-started', stage: 'redis', phase: 'apply' },
      { type: 'total', stage: 'redis', total: 10, unit: 'keys' },
      { type: 'record-failed', stage: 'redis', record: 'k\n\u009b31m\u202e', reason: 'no' },
      { type: 'retry', stage: 'redis', attempt: 1, delayMs: 20, reason: 'reset' },
    ];
    for (const event of events) log.take(event);
    vi.advanceTimersByTime(10_000);
    for (let done = 1; done <= 5; done += 1) log.take({ type: 'progress', stage: 'redis', done, total: 10 });
    log.take({ type: 'run-finished', report });
    await log.close();
    expect(lines.every((line) => line.endsWith('}\n') && !/[\u007f-\u009f\u202e]/.test(line))).toBe(true);
    const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(told.map(({ level, event }) => `${level} ${event}`)).toEqual([
      'info run-started',
      'info stage-started',
      'info total',
      'error record-failed',
      'warn retry',
      'info heartbeat',
      'info progress',
      'error problem',
      'warn finding',
      'error run-finished',
    ]);
    for (const line of told) {
      expect(line).toMatchObject({ run: 'r1', msg: expect.any(String) });
      expect(line.time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    }
    expect(told[3]).toMatchObject({ record: 'k\n\u009b31m\u202e', stage: 'redis', phase: 'apply' });
    expect(told[5]).toMatchObject({
      elapsed_ms: 10_000,
      records_done: 0,
      records_total: 10,
      eta_ms: null,
      records_failed: 1,
    });
    expect(told.at(-1)).toMatchObject({ outcome: 'failed', exit_code: 4, ms: 5, next: 'resume' });
  });
});

describe('annotations', () => {
  it('say how a run ended, worst first and no more than ten of a kind, in one line each', () => {
    const finding = (severity: string) => ({ stage: 'redis', kind: 'k', severity, message: '50%\n::error::x' });
    const findings = ['notice', ...Array.from({ length: 12 }, () => 'difference')].map(finding);
    const ended = { exitCode: 4, outcome: 'failed', message: 'no', next: 'resume' };
    const report = { ...ended, stages: [], problems: [], findings };
    const lines = annotationsOf(report as unknown as RunReport);
    expect(lines[0]).toBe('::error title=tenant-migrate%3A failed (exit 4)::no (next: resume)');
    expect(lines.filter((line) => line.startsWith('::error '))).toHaveLength(10);
    expect(lines.at(-1)).toBe('::notice title=redis%3A k::50%25\\x0a::error::x');
    expect(annotation('error', 'a,b:c%', 'd,e:f%')).toBe('::error title=a%2Cb%3Ac%25::d,e:f%25');
  });

  it('are the only commands that a CI finds in the output', () => {
    const text = '::error::a\n  ::add-mask::b\nc ::d\ne ##[stop-commands]f ##vso[g] ##h\n';
    expect(withoutCommands(text)).toBe(
      '\\u003a:error::a\n  \\u003a:add-mask::b\nc ::d\ne #\\u0023[stop-commands]f #\\u0023vso[g] ##h\n',
    );
    const json = JSON.stringify({ name: '##[error]' });
    expect(JSON.parse(withoutCommands(json))).toEqual({ name: '##[error]' });
  });
});

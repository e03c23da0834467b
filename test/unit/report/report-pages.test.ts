import { Chalk } from 'chalk';
import { expect, test } from 'vitest';
import { joinedTrace } from '../../../src/orchestrator/joined-trace.ts';
import { MOST_POINTS, MOST_SPANS, RunTrace } from '../../../src/orchestrator/run-trace.ts';
import { mdCode, mdText } from '../../../src/report/markdown-text.ts';
import { html } from '../../../src/report/page/html.ts';
import { reportPage } from '../../../src/report/page/report-page.ts';
import { reportMarkdown } from '../../../src/report/report-markdown.ts';
import { summarySentence } from '../../../src/report/report-view.ts';
import { RunHistories } from '../../../src/report/run-history.ts';
import { summaryText } from '../../../src/report/summary-text.ts';
import { csvCell, tenantsCsv } from '../../../src/report/tenants-csv.ts';
import { HOSTILE, hostileReport, oldReport } from '../../support/sample-report.ts';

test('a value never gets into a page as markup, whatever is made to look like it', () => {
  const forged = { toString: () => '<b>' } as unknown as string;
  expect(html`<p title="${'"><script>'}">${'<i>&amp;'}</p>`.toString()).toBe(
    '<p title="&quot;&gt;&lt;script&gt;">&lt;i&gt;&amp;amp;</p>',
  );
  expect(() => html`${forged}`).toThrow();
  expect(html`${[html`<i>${'`'}</i>`, 'a\u202eb', 7, undefined]}`.toString()).toBe('<i>&#96;</i>a\\u202eb7');
});

test('a page of hostile names has no script, no handler, no address to load from, and one style sheet', () => {
  const page = reportPage(hostileReport());
  const tags = [...page.matchAll(/<([a-z!/][^\s>]*)([^>]*)>/gi)];
  expect(tags.map(([, name]) => name)).not.toContain('script');
  expect(tags.map(([, name]) => name)).not.toContain('img');
  expect(tags.filter(([, name]) => name === 'style')).toHaveLength(1);
  for (const [, , attributes = ''] of tags) {
    const own = attributes.replace(/="[^"]*"/g, '');
    expect(own).not.toMatch(/\bon\w+|\bsrc\b|\bstyle\b/);
    expect(attributes).not.toMatch(/href="(?!#|data:,")/);
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be in it
  expect(page).not.toMatch(/[\0-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f]/);
});

test('a report of an older version is rendered without what it has not got', () => {
  const page = reportPage(oldReport());
  expect(page).toContain('siraya');
  expect(page).toContain('not counted');
  for (const absent of ['Timeline', 'Throughput', 'Notes']) expect(page).not.toContain(`>${absent}</h2>`);
  expect(reportMarkdown(oldReport())).toContain('| not counted | not counted |');
});

test('what was not counted is not claimed, and what was is', () => {
  const { stages, ...rest } = hostileReport({
    outcome: 'done',
    message: 'moved and verified',
    error: null,
    next: null,
  });
  const [row] = stages;
  const done = { ...row!, name: 'redis' as const, status: 'done' as const };
  const told = (after: { source: number; target: number } | undefined) =>
    reportMarkdown({ ...rest, stages: [{ ...done, after }] });
  expect(told({ source: 0, target: 124 })).toContain('no keys are left at the source');
  expect(told({ source: 1, target: 123 })).not.toContain('left at the source');
  expect(told(undefined)).not.toContain('left at the source');
});

test('a resumed run tells the totals of the run, and what is unclaimed beside what is left', () => {
  const { stages, ...rest } = hostileReport({
    outcome: 'done',
    message: 'moved and verified',
    error: null,
    next: null,
  });
  const redis = { ...stages[0]!, name: 'redis' as const, unit: 'keys', status: 'done' as const, found: 0, moved: 0 };
  const after = { source: 0, target: 91_219 };
  const findings = [
    { stage: 'redis' as const, kind: 'unclaimed', severity: 'notice' as const, message: 'in keys', count: 5 },
  ];
  const resumed = { ...rest, command: 'resume' as const, findings, tenants: [], waves: [] };
  const report = { ...resumed, stages: [{ ...redis, after, run: { found: 91_219, moved: 91_219 } }] };
  expect(summarySentence(report)).toMatch(
    /^91,219 records.* in 1 store \(0 in this attempt\), in .*; no keys are left at the source; 5 keys match no template\.$/,
  );
  expect(summaryText(report, new Chalk({ level: 0 }))).toContain('Redis: ✅ 91,219/91,219 keys (in this attempt: 0, ');
  expect(reportMarkdown(report)).toMatch(/\| keys \| 91,219 \| 91,219 \|/);
});

test('Markdown bears hostile names: no element, link, mention, emphasis or broken table', () => {
  expect(mdText('a <b> @x [y](https://evil.example) *z* _i_ in_word `c` www.evil.example 1|2')).toBe(
    'a &lt;b&gt; &#64;x \\[y\\](https:&#47;/evil.example) \\*z\\* \\_i\\_ in_word \\`c\\` www&#46;evil.example 1\\|2',
  );
  expect(mdText('# heading')).toBe('\\# heading');
  expect(mdText('- item')).toBe('\\- item');
  expect([mdText('1. item'), mdText('20.19.4')]).toEqual(['1\\. item', '20.19.4']);
  expect(mdCode('a`b``c|d\ne')).toBe('``` a`b``c\\|d\\x0ae ```');
  const markdown = reportMarkdown(hostileReport());
  // Outside of code nothing of them is left as it was.
  const prose = markdown.replace(/(`+)[^\n]*?[^`]\1(?!`)/g, '').replace(/```\n[^\n]*\n```/g, '');
  expect(prose).not.toMatch(/<(?!\/?(details|summary)>)|https?:\/\/|(?<!\\)\[|@|(?<!\\)\]\(/);
  for (const line of markdown.split('\n')) {
    const cells = (line.match(/(?<!\\)\|/g) ?? []).length;
    if (line.startsWith('|')) expect(cells).toBeGreaterThan(2);
  }
});

test('a spreadsheet takes no cell for a formula, and reads every other as it is', () => {
  for (const text of ['=1+1', '+1', '-1', '@SUM(A1)', '\tx', '\r=1', ' =1', '\n@x']) {
    expect(csvCell(text).replace(/^"/, '')).toMatch(/^'/);
  }
  expect(csvCell('siraya')).toBe('siraya');
  expect(csvCell('a,"b"')).toBe('"a,""b"""');
  const csv = tenantsCsv(hostileReport().tenants ?? []);
  expect(csv.split('\r\n')[0]).toBe('source,target,became,wave,through,redis_found,redis_at_target,redis_moved');
  expect(csv).toContain(`"'=cmd|""/c calc""!A1"`);
  expect(csv).not.toMatch(/^[=+@-]/m);
});

test('a trace keeps its size and its sums, however long a run', () => {
  let now = 0;
  const trace = new RunTrace(() => now);
  trace.begin('redis', 'apply');
  for (let batch = 0; batch < 50_000; batch += 1) {
    now += batch % 7;
    trace.count('redis', 'apply', 10);
    if (batch % 50 === 0) trace.span('redis', 'verify', 5);
  }
  const [series] = trace.throughput();
  const points = series?.points ?? [];
  expect(points.length).toBeLessThanOrEqual(MOST_POINTS);
  expect(points.length).toBeGreaterThan(MOST_POINTS / 4);
  expect(points[0]?.[0]).toBe(0);
  expect(points.at(-1)).toEqual([now, 500_000]);
  for (const [index, [ms, records]] of points.entries()) {
    const [before, fewer] = points[index - 1] ?? [0, 0];
    expect(ms).toBeGreaterThanOrEqual(before);
    expect(records).toBeGreaterThanOrEqual(fewer);
  }
  expect(trace.timeline()).toHaveLength(MOST_SPANS);
});

test('the waves of a list are one timeline, and their records one sum', () => {
  const wave = (at: string) =>
    hostileReport({
      startedAt: at,
      throughput: [
        {
          stage: 'redis',
          phase: 'apply',
          points: [
            [0, 0],
            [100, 40],
          ],
        },
      ],
    });
  const startedAt = Date.parse('2026-11-21T18:54:06.000Z');
  const joined = joinedTrace([wave('2026-11-21T18:54:06.000Z'), wave('2026-11-21T18:54:07.000Z')], startedAt);
  expect(joined.throughput).toEqual([
    {
      stage: 'redis',
      phase: 'apply',
      points: [
        [0, 0],
        [100, 40],
        [1_000, 40],
        [1_100, 80],
      ],
    },
  ]);
  expect(joined.timeline.filter(({ phase }) => phase === 'apply')).toMatchObject([
    { pass: 1, startMs: 20_000 },
    { pass: 2, startMs: 21_000 },
  ]);
});

test('what is said again is counted, and what is said too often is only counted', () => {
  let now = 0;
  const histories = new RunHistories(() => now);
  const early = histories.open();
  for (let second = 0; second < 200; second += 1) {
    now += 1_000;
    histories.take({ type: 'run-note', text: 'paused' });
    histories.take({ type: 'note', stage: 'redis', text: `note ${second}` });
    histories.take({ type: 'retry', stage: 'qdrant', attempt: 1, delayMs: 50, reason: 'x'.repeat(500) });
    histories.take({ type: 'retry', stage: 'qdrant', attempt: 1, delayMs: 50, reason: `reason ${second}` });
  }
  const { notes, retries } = early.end();
  expect(notes).toHaveLength(60);
  expect(notes[0]).toEqual({ atMs: 1_000, text: 'paused', count: 200 });
  expect(notes.at(-1)?.text).toBe('and others that are not kept');
  expect(notes.reduce((sum, { count }) => sum + count, 0)).toBe(400);
  expect(retries.length).toBeLessThanOrEqual(30);
  expect(retries.reduce((sum, { count }) => sum + count, 0)).toBe(400);
  expect(retries.every(({ reason }) => reason.length <= 200)).toBe(true);
  histories.take({ type: 'run-note', text: 'after the end' });
  expect(early.end().notes).toHaveLength(60);
});

test('every hostile name is still to be read in page, Markdown and CSV', () => {
  const report = hostileReport();
  expect(reportPage(report)).toContain('&lt;img src=x onerror=&quot;globalThis.hacked=1&quot;&gt;');
  expect(reportMarkdown(report)).toContain('`<img src=x onerror="globalThis.hacked=1">`');
  expect(tenantsCsv(report.tenants ?? []).split('\r\n').length).toBeGreaterThan(HOSTILE.length);
});

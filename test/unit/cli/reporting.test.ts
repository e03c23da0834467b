import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { startReporting } from '../../../src/cli/reporting.ts';
import { readSettings } from '../../../src/cli/settings.ts';
import type { RunEvent } from '../../../src/report/event.ts';
import type { RunReport } from '../../../src/report/report.ts';

const STARTED: RunEvent[] = [
  { type: 'run-started', command: 'move', runId: 'r', moves: [], dryRun: false, continuing: false },
  { type: 'phase', phase: 'apply', stages: ['config'] },
  { type: 'stage-started', stage: 'config', phase: 'apply' },
];
const FAILED: RunEvent[] = Array.from({ length: 25 }, (_, index) => ({
  type: 'record-failed',
  stage: 'redis',
  record: `key-${index + 1};`,
  reason: 'too\u001b[2Jlarge',
}));
const FINISHED: RunEvent = { type: 'run-finished', report: { exitCode: 4, message: 'failed' } as RunReport };

describe('what is told on the terminal', () => {
  for (const [how, flags, isTTY] of [
    ['the live display', {}, true],
    ['a plain log', {}, false],
    ['--quiet', { quiet: true }, true],
  ] as const) {
    it(`${how} names the first 20 failed records`, async () => {
      const text = await told({ flags, isTTY, events: [...STARTED, ...FAILED, FINISHED] });
      expect(text).toContain('Failed: Redis: key-1;: too\\x1b[2Jlarge');
      expect(text.match(/Failed: /g)).toHaveLength(20);
      expect(text).toContain('Further failed records are only counted');
    });
  }

  it('a live display ends also where the run ends before it is drawn, or without saying so', async () => {
    expect(await told({ flags: {}, isTTY: true, events: [...STARTED, FINISHED] })).toContain('failed');
    expect(await told({ flags: {}, isTTY: true, events: STARTED })).toContain('Finalize');
    expect(await told({ flags: {}, isTTY: true, events: [] })).toBe('');
  });
});

it('the settings file is named before the plan and its question are', async () => {
  const cwd = mkdtempSync(join(tmpdir(), 'tenant-migrate-named-'));
  const config = join(cwd, 'settings.yaml');
  writeFileSync(config, 'verbose: false\n');
  const text = await told({ flags: { config }, isTTY: true, events: [...STARTED, FINISHED] });
  expect(text.indexOf(`settings from ${config}`)).toBeGreaterThanOrEqual(0);
  expect(text.indexOf('settings from')).toBeLessThan(text.indexOf('Finalize'));
  rmSync(cwd, { recursive: true });
});

/** All that stands on stderr once these events were told. */
async function told(what: { flags: Record<string, unknown>; isTTY: boolean; events: RunEvent[] }): Promise<string> {
  const stream = () => Object.assign(new PassThrough(), { isTTY: what.isTTY, columns: 100, rows: 50 });
  const stderr = stream();
  let text = '';
  stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const terminal = { stdin: stream(), stdout: stream(), stderr, env: { TERM: 'xterm' } };
  const { signal } = new AbortController();
  const settings = await readSettings({ command: 'move', flags: what.flags, env: {} });
  const invocation = { command: 'move' as const, positionals: {}, flags: what.flags };
  const ctx = { terminal, argv: [], signal, interrupt: () => undefined };
  const reporting = await startReporting(invocation, settings, ctx);
  for (const event of what.events) reporting.take(event);
  await reporting.close();
  return text;
}

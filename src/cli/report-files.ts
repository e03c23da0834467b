import { constants } from 'node:fs';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere } from '../journal/if-there.ts';
import { replaceText } from '../journal/replace-file.ts';
import { clean } from '../model/clean.ts';
import { errorText, MigrateError } from '../model/errors.ts';
import { reportPage } from '../report/page/report-page.ts';
import type { RunReport } from '../report/report.ts';
import { reportMarkdown } from '../report/report-markdown.ts';
import { tenantsCsv } from '../report/tenants-csv.ts';
import type { CommandContext } from './invocation.ts';
import type { Settings } from './settings.ts';

/** What GitHub takes of one step, in bytes. */
const MOST_SUMMARY_BYTES = 1_048_576;

/**
 * Renders a report that was made: beside its report.json in the run's folder, into `--report-dir`, and behind the step
 * summary that a pipeline offers. Returns where the page is. None of it can fail the run: what cannot be written is told.
 */
export async function keepReport(
  report: RunReport,
  { settings, ctx }: { readonly settings: Settings; readonly ctx: CommandContext },
): Promise<string | undefined> {
  const { stderr, env } = ctx.terminal;
  const trying = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      const msg = clean(`the report could not be written to ${what}: ${errorText(error)}`);
      const time = new Date().toISOString();
      const line = { level: 'warn', time, run: report.runId, event: 'run-note', msg };
      stderr.write(`${settings['log-format'] === 'json' ? JSON.stringify(line) : msg}\n`);
      return undefined;
    }
  };
  const own = await trying('the run’s folder', () => renderBeside(settings['state-dir'], report));
  const folder = settings['report-dir'];
  const copy = folder === undefined ? undefined : await trying(folder, () => writeAll(folder, report));
  const summary = env.GITHUB_STEP_SUMMARY;
  if (summary !== undefined && summary !== '') await trying(summary, () => appendSummary(summary, report));
  return copy ?? own;
}

/**
 * Into the run's folder, or the list's, if the report that is stored there is this one: where it could not be stored, or
 * the folder is another process's by now, the pages would tell of something else.
 */
async function renderBeside(stateDir: string, report: RunReport): Promise<string | undefined> {
  if (report.runId === 'none') return undefined;
  for (const kind of ['runs', 'maps']) {
    const folder = join(stateDir, kind, report.runId);
    const text = await ifThere(readFile(join(folder, 'report.json'), 'utf8'));
    if (text === undefined) continue;
    const stored = readReport(JSON.parse(text));
    if (stored?.startedAt !== report.startedAt || stored.command !== report.command) return undefined;
    // What a hook at the very end changed of it.
    const last = jsonText(report);
    if (last !== text) await replaceText(join(folder, 'report.json'), last);
    return writeRendered(folder, report, 0o600);
  }
  return undefined;
}

async function writeAll(folder: string, report: RunReport): Promise<string> {
  await mkdir(folder, { recursive: true });
  // Whoever collects the files of a pipeline may be another user: as the umask has it.
  await replaceText(join(folder, 'report.json'), jsonText(report), 0o666);
  return writeRendered(folder, report, 0o666);
}

function jsonText(report: RunReport): string {
  return `${JSON.stringify(report, undefined, 2)}\n`;
}

/** No name of a file has anything of a tenant in it. */
async function writeRendered(folder: string, report: RunReport, mode: number): Promise<string> {
  await replaceText(join(folder, 'report.md'), reportMarkdown(report), mode);
  if (report.tenants !== undefined) await replaceText(join(folder, 'tenants.csv'), tenantsCsv(report.tenants), mode);
  const page = join(folder, 'report.html');
  await replaceText(page, reportPage(report), mode);
  return page;
}

/** Behind what other steps wrote; a shorter text, or none, where the file would be too large to be shown at all. */
async function appendSummary(path: string, report: RunReport): Promise<void> {
  const file = await open(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o666);
  try {
    const { size } = await file.stat();
    const room = MOST_SUMMARY_BYTES - size;
    const fits = [reportMarkdown(report), reportMarkdown(report, { short: true })].find(
      (text) => Buffer.byteLength(text) + 1 <= room,
    );
    if (fits === undefined) throw new Error('there is no room left in it');
    await file.write(`\n${fits}`);
  } finally {
    await file.close();
  }
}

/** A stored report, or undefined where it is none that this version can read. */
export function readReport(value: unknown): RunReport | undefined {
  const report = value as Partial<RunReport> | null;
  if (typeof report !== 'object' || report === null || report.schema !== 'tenant-migrate/report@1') return undefined;
  return report as RunReport;
}

/** The same, where it must be one. Throws MigrateError `usage`. */
export function neededReport(value: unknown, path: string): RunReport {
  const report = readReport(value);
  if (report !== undefined) return report;
  throw new MigrateError('usage', `${path} is not a report that this version can read`, {
    next: 'use the version of tenant-migrate that wrote it',
  });
}

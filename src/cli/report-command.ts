import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MapFolder } from '../journal/map-folder.ts';
import type { RunFolder } from '../journal/run-folder.ts';
import { MigrateError } from '../model/errors.ts';
import { reportPage } from '../report/page/report-page.ts';
import type { RunReport } from '../report/report.ts';
import { reportMarkdown } from '../report/report-markdown.ts';
import { summaryText } from '../report/summary-text.ts';
import { tenantsCsv } from '../report/tenants-csv.ts';
import { wireFolders, wireMaps } from '../wire.ts';
import { chooseRun } from './choose-run.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { neededReport } from './report-files.ts';
import { readSettings, type Settings } from './settings.ts';
import { paintFor } from './terminal.ts';

/** `report [run]`: a run's report once more, from its report.json, in the form that is asked for. Connects to nothing. */
export async function reportCommand({ command, positionals, flags }: Invocation, ctx: CommandContext): Promise<number> {
  const settings = await readSettings({ command, flags, env: ctx.terminal.env });
  const report = await chosenReport(settings['state-dir'], positionals.run);
  const text = rendered(report, settings, ctx);
  if (settings.out === undefined) ctx.terminal.stdout.write(text);
  else await write(settings.out, text);
  return 0;
}

/** Of the run or list that is named, else of the newest that has one. */
async function chosenReport(stateDir: string, id: string | undefined): Promise<RunReport> {
  const named = id === undefined ? undefined : await chooseRun(stateDir, id, 'all');
  for (const folder of named === undefined ? await newestFirst(stateDir) : [named]) {
    const stored = await folder.readReport();
    if (stored !== undefined) return neededReport(stored, join(folder.path, 'report.json'));
  }
  const what =
    named === undefined ? 'no run of this state folder has a report' : `${named.record.id} has no report yet`;
  throw new MigrateError('usage', what, {
    next: 'a report is written when a run ends; tenant-migrate status tells of one that is at work or was killed',
  });
}

/** A wave is told of by its list. */
async function newestFirst(stateDir: string): Promise<readonly (RunFolder | MapFolder)[]> {
  const runs = (await wireFolders(stateDir).all()).filter(({ record }) => record.map === undefined);
  const at = ({ record }: RunFolder | MapFolder) => `${record.startedAt} ${record.id}`;
  return [...runs, ...(await wireMaps(stateDir).all())].sort((a, b) => (at(a) < at(b) ? 1 : -1));
}

function rendered(report: RunReport, settings: Settings, { terminal }: CommandContext): string {
  switch (settings.json ? 'json' : settings.format) {
    case 'json':
      return `${JSON.stringify(report, undefined, 2)}\n`;
    case 'html':
      return reportPage(report);
    case 'markdown':
      return reportMarkdown(report);
    case 'csv':
      if (report.tenants !== undefined) return tenantsCsv(report.tenants);
      throw new MigrateError('usage', '--format csv is for lists of moves, and this run moved one tenant', {
        next: 'give --format json',
      });
    case 'text': {
      const { stdout, env } = terminal;
      const paint = paintFor(settings.out === undefined ? stdout : {}, settings.color, env);
      return `${summaryText(report, paint, { verbose: settings.verbose })}\n`;
    }
  }
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { mode: 0o600 });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new MigrateError('usage', `the report cannot be written to ${path} (${code})`, {
      next: 'give another --out',
    });
  }
}

import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere } from '../journal/if-there.ts';
import { MapFolder } from '../journal/map-folder.ts';
import { RunFolder } from '../journal/run-folder.ts';
import { errorText } from '../model/errors.ts';
import type { HookPort } from '../orchestrator/run-input.ts';
import type { RunEvent } from '../report/event.ts';
import type { HookMoment } from '../report/hook-call.ts';
import type { RunReport } from '../report/report.ts';
import type { CommandContext } from './invocation.ts';
import type { Settings } from './settings.ts';
import { withoutSecrets } from './without-secrets.ts';

/** The hooks of one command. */
export interface RunHooks {
  /** Absent where there are none. */
  readonly port: HookPort | undefined;
  /**
   * Calls what is called at the end, where `before-plan` was due: what that one closed must be opened again, also after a
   * refusal. A hook that fails here changes no outcome, but no exit code is 0 then.
   */
  atEnd(report: RunReport): Promise<RunReport>;
}

/** Nothing is loaded where no hook is given. In a dry run none is called, since a hook may act. */
export async function runHooks(
  settings: Settings,
  { ctx, emit }: { readonly ctx: CommandContext; readonly emit: (event: RunEvent) => void },
): Promise<RunHooks> {
  const tell = (text: string, severity?: 'error') =>
    emit({ type: 'run-note', text, ...(severity === undefined ? {} : { severity }) });
  const none: RunHooks = { port: undefined, atEnd: async (report) => report };
  const { hook: specs, secrets } = settings;
  if (specs.length === 0) return none;
  if (settings['dry-run'] || settings['skip-hooks']) {
    tell(settings['dry-run'] ? 'a dry run calls no hook' : 'no hook is called (--skip-hooks)');
    return none;
  }
  const { openHooks } = await import('../hooks/open-hooks.ts');
  const call = openHooks({
    specs,
    timeoutMs: settings['hook-timeout'],
    token: secrets.HOOK_TOKEN,
    env: withoutSecrets(ctx.terminal.env),
    now: () => Date.now(),
    tell,
  });
  let isDue = false;
  const port: HookPort = async (moment, signal) => {
    isDue = true;
    await call(moment, signal);
  };
  return { port, atEnd: (report) => (isDue ? atEnd(report, call, settings['state-dir']) : Promise.resolve(report)) };
}

async function atEnd(report: RunReport, call: HookPort, stateDir: string): Promise<RunReport> {
  const { command, runId, moves, stages: rows, outcome, exitCode, message, next } = report;
  const path = await reportPath(stateDir, runId);
  const moment = { command, runId, moves, rows, outcome, exitCode, message, next, report: path };
  const events: readonly HookMoment['event'][] = exitCode === 0 ? ['after-run'] : ['on-failure', 'after-run'];
  const failures: string[] = [];
  for (const event of events) await call({ ...moment, event }).catch((error) => failures.push(errorText(error)));
  if (failures.length === 0) return report;
  const text = failures.join('; ');
  const told: RunReport = {
    ...report,
    exitCode: exitCode === 0 ? 1 : exitCode,
    error: report.error === null ? text : `${report.error}; ${text}`,
    message: `${message}; ${text}`,
  };
  try {
    await saveReport(stateDir, path, told);
    return told;
  } catch (error) {
    return { ...told, message: `${told.message}; the report could not be stored: ${errorText(error)}` };
  }
}

async function reportPath(stateDir: string, runId: string): Promise<string | null> {
  for (const kind of ['runs', 'maps']) {
    const path = join(stateDir, kind, runId, 'report.json');
    if ((await ifThere(stat(path))) !== undefined) return path;
  }
  return null;
}

/** Where what stands there is still this run's: a folder whose lock was taken away is another process's. */
async function saveReport(stateDir: string, path: string | null, report: RunReport): Promise<void> {
  if (path === null) return;
  const stored = JSON.parse(await readFile(path, 'utf8')) as Partial<RunReport>;
  if (stored.startedAt !== report.startedAt) return;
  const folders = [...(await RunFolder.all(stateDir)), ...(await MapFolder.all(stateDir))];
  await folders.find(({ record }) => record.id === report.runId)?.saveReport(report);
}

import type { ChalkInstance } from 'chalk';
import { errorText } from '../model/errors.ts';
import type { Move } from '../model/move.ts';
import type { RunEvent } from '../report/event.ts';
import { failedRecordLines } from '../report/failed-records.ts';
import { clean } from '../report/format.ts';
import { liveReporter } from '../report/live.ts';
import { noteText } from '../report/note-text.ts';
import { plainReporter } from '../report/plain.ts';
import { planText } from '../report/plan-text.ts';
import type { RunPlan, RunReport } from '../report/report.ts';
import { RunHistories } from '../report/run-history.ts';
import { summaryText, verdictText } from '../report/summary-text.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { openObservers } from './observers.ts';
import { keepReport } from './report-files.ts';
import { runCommandLine } from './run-ports.ts';
import type { Settings } from './settings.ts';
import { settingsFileLine } from './settings-file/settings-file-line.ts';
import { stderrLog } from './stderr-log.ts';
import { isInteractive, paintFor } from './terminal.ts';

const NARROWEST_LIVE = 40;

/** The reporter that fits the terminal, and what it has seen. */
export async function startReporting(
  invocation: Invocation,
  settings: Settings,
  ctx: CommandContext,
  { list }: { readonly list?: readonly Move[] } = {},
) {
  const { command } = invocation;
  const { stderr, env } = ctx.terminal;
  const paint = paintFor(stderr, settings.color, env);
  const planIsResult = command === 'plan' || settings['dry-run'] || command === 'verify';
  const clock = { now: () => Date.now() };
  const live =
    list === undefined &&
    isInteractive(ctx.terminal) &&
    env.TERM !== 'dumb' &&
    (stderr.columns ?? 0) >= NARROWEST_LIVE &&
    !settings.verbose;
  const write = (line: string) => void stderr.write(`${line}\n`);
  const reporter = ctx.listener
    ? { take: (event: RunEvent) => ctx.listener?.take(event) }
    : settings['log-format'] === 'json'
      ? await stderrLog(ctx, settings)
      : settings.quiet
        ? { take: quietReporter(write, paint) }
        : live
          ? liveReporter({ stream: stderr, paint, clock, planIsResult })
          : plainReporter({ write, paint, clock, verbose: settings.verbose, planIsResult });
  // A live list may not be written into: there it is said at the end.
  const later: string[] = [];
  const tell = (text: string) => {
    if (ctx.listener || settings['log-format'] === 'json') reporter.take({ type: 'run-note', text });
    else if (live) later.push(text);
    else write(`  ${paint.yellow(clean(text))}`);
  };
  if (settings.file !== undefined) {
    // Before the first line of a live list is drawn, and so before the question.
    if (live) write(`  ${paint.yellow(settingsFileLine(settings.file))}`);
    else tell(settingsFileLine(settings.file));
  }
  const observers = await openObservers({ invocation, settings, ctx, list, tell });
  const histories = new RunHistories(() => performance.now());
  let plan: RunPlan | undefined;
  let freeBytes = 0;
  return {
    take(event: RunEvent) {
      if (event.type === 'planned') ({ plan, freeBytes } = event);
      reporter.take(event);
      histories.take(event);
      for (const observer of observers) observer.take(event);
    },
    /** Hands the command's own report on to who follows the run, and returns it. */
    ended(report: RunReport): RunReport {
      for (const observer of observers) observer.ended?.(report);
      return report;
    },
    /** The same for what was thrown in place of a report; throws it on. */
    broke(error: unknown): never {
      for (const observer of observers) observer.broke?.(error);
      throw error;
    },
    /** Ends the display. Also called where the run threw: a list that is still drawn would keep the process alive. */
    close: async () => {
      if ('close' in reporter) await reporter.close();
      await Promise.all(observers.map((observer) => observer.close()));
      for (const text of later) write(`  ${paint.yellow(clean(text))}`);
    },
    /** Notes for a report what is said from now on. */
    history: () => histories.open(),
    plan: () => plan,
    freeBytes: () => freeBytes,
  };
}

/** Says that the run stops, once it is told to. */
export function onStop(ctx: CommandContext, emit: (event: RunEvent) => void): void {
  ctx.signal.addEventListener('abort', () => emit({ type: 'stopping', signal: errorText(ctx.signal.reason) }));
}

/** No progress, but which records failed, since the report only counts them, and what went wrong beside the run. */
function quietReporter(write: (line: string) => void, paint: ChalkInstance): (event: RunEvent) => void {
  const failedLine = failedRecordLines(paint);
  return (event) => {
    const line = failedLine(event);
    if (line !== undefined) write(line);
    else if (event.type === 'run-note' && event.severity === 'error') write(noteText(event, paint));
  };
}

interface Result {
  readonly report: RunReport;
  readonly plan: RunPlan | undefined;
  readonly freeBytes: number;
  readonly command: string;
  readonly settings: Settings;
  readonly ctx: CommandContext;
}

/** Keeps the report's pages, prints the command's result on stdout, and says where the page is. */
export async function tellResult(result: Result): Promise<void> {
  const { report, settings, ctx } = result;
  const page = await keepReport(report, result);
  if (ctx.listener !== undefined) {
    ctx.listener.finish(report, result.plan);
    return;
  }
  printResult(result);
  const isSilent = settings.json && (settings.quiet || settings['log-format'] === 'json');
  if (isSilent) return;
  // Who reads the log of a pipeline sees how it ended, too: the document goes to a file.
  if (settings.json) {
    const { stderr, env } = ctx.terminal;
    stderr.write(`${verdictText(report, paintFor(stderr, settings.color, env))}\n`);
  }
  // With --json stdout is the document and nothing else.
  const stream = settings.json ? ctx.terminal.stderr : ctx.terminal.stdout;
  if (page !== undefined) stream.write(`   report: ${clean(page)}\n`);
}

/** The report, the plan, or the summary for people. */
function printResult({ report, plan, freeBytes, command, settings, ctx }: Result): void {
  const { stdout, env } = ctx.terminal;
  if (settings.json) {
    const asPlan = command === 'plan' && report.outcome === 'planned' && plan !== undefined;
    stdout.write(`${JSON.stringify(asPlan ? plan : report, undefined, 2)}\n`);
    return;
  }
  const paint = paintFor(stdout, settings.color, env);
  const showPlan = plan !== undefined && (command === 'plan' || settings['dry-run']);
  if (showPlan) stdout.write(`${planText(plan, { freeBytes, statements: settings['show-statements'] }, paint)}\n\n`);
  // The plan has shown its notices already, on the same terminal or here.
  const seen = showPlan || (isInteractive(ctx.terminal) && stdout.isTTY === true && !settings.quiet);
  const planned = seen ? (plan?.stages ?? []).flatMap(({ notices }) => notices.map(({ message }) => message)) : [];
  const shown = { ...report, findings: report.findings.filter(({ message }) => !planned.includes(message)) };
  const columns = stdout.columns === undefined ? {} : { columns: stdout.columns };
  stdout.write(`${summaryText(shown, paint, { verbose: settings.verbose, ...columns })}\n`);
  const undo = undoLine(report, command, settings);
  if (undo !== undefined) stdout.write(`   undo: ${paint.cyan(clean(undo))}\n`);
}

/** What takes a move back that has just succeeded. */
function undoLine({ runId, outcome, dryRun }: RunReport, command: string, settings: Settings): string | undefined {
  const isMove = command === 'move' || command === 'apply' || command === 'resume';
  if (!isMove || outcome !== 'done' || dryRun || runId === null) return undefined;
  return runCommandLine('rollback', runId, settings);
}

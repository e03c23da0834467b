import type { RunFolder } from '../journal/run-folder.ts';
import type { RunRecord } from '../journal/run-record.ts';
import { errorText, MigrateError } from '../model/errors.ts';
import type { Outcome, RunReport, StageRow, TenantRow } from '../report/report.ts';
import type { RunHistory } from '../report/run-history.ts';
import type { Finding, Problem, StagePlan } from '../stages/stage.ts';
import type { BoundStage } from './bound-stage.ts';
import type { Limit } from './limits.ts';
import { exitCodeOf } from './outcome.ts';
import type { RunInput } from './run-input.ts';
import type { RunTrace } from './run-trace.ts';
import { serverText } from './server-text.ts';
import { shareable } from './shareable.ts';

interface Ended {
  readonly runId: string;
  readonly outcome: Outcome;
  /** Well as far as it went, but a stage that was left out is still to be moved, or taken back. */
  readonly isOpen?: boolean | undefined;
  readonly message: string;
  /** What was thrown, where the run failed. */
  readonly failure: unknown;
  /** The limit that stopped it early, if one did. */
  readonly limit: Limit | undefined;
  /** Ms since the epoch. */
  readonly startedAt: number;
  readonly rows: readonly StageRow[];
  /** For a list of moves. */
  readonly tenants?: readonly TenantRow[] | undefined;
  readonly problems: readonly Problem[];
  readonly findings: readonly Finding[];
  /** True where the plan has something to move. */
  readonly hasWork: boolean;
  /** When it did what; those of the waves, for a list. */
  readonly trace?: Pick<RunTrace, 'timeline' | 'throughput'> | undefined;
  readonly history?: RunHistory | undefined;
  readonly stores?: RunReport['stores'];
}

type Told = Pick<
  RunInput,
  'command' | 'dryRun' | 'moves' | 'toolVersion' | 'environment' | 'clock' | 'say' | 'detailedExitCode' | 'signal'
> &
  Partial<Pick<RunInput, 'settings'>>;

/** The report of a run that has ended, with its exit code and the command to type now. */
export function makeReport(input: Told, ended: Ended): RunReport {
  const { command, dryRun, moves, toolVersion, clock } = input;
  return {
    schema: 'tenant-migrate/report@1',
    toolVersion,
    runId: ended.runId,
    command,
    moves,
    dryRun,
    outcome: ended.outcome,
    exitCode: exitCode(input, ended),
    startedAt: new Date(ended.startedAt).toISOString(),
    ms: clock.now() - ended.startedAt,
    stages: ended.rows,
    ...(ended.tenants === undefined ? {} : { tenants: ended.tenants }),
    problems: ended.problems,
    findings: ended.findings,
    limit: ended.limit ?? null,
    error: ended.failure === undefined ? null : errorText(ended.failure),
    message: ended.message,
    next: nextCommand(input, ended),
    ...(ended.trace === undefined ? {} : { timeline: ended.trace.timeline(), throughput: ended.trace.throughput() }),
    ...ended.history?.end(),
    ...(input.settings === undefined ? {} : { settings: shareable(input.settings) }),
    ...(input.environment === undefined ? {} : { environment: input.environment }),
    ...(ended.stores === undefined ? {} : { stores: ended.stores }),
  };
}

/** Where the stores of these stages are, and what the plans say of their servers. */
export function storeFacts(stages: readonly BoundStage[], plans: readonly StagePlan[]): RunReport['stores'] {
  return Object.fromEntries(
    stages.map(({ name, address }) => {
      const plan = plans.find(({ stage }) => stage === name);
      const server = plan === undefined ? undefined : serverText(plan);
      return [name, { address, ...(server === undefined ? {} : { server }) }];
    }),
  );
}

/** Puts the report and the state into the run's folder. Where that cannot be, the report says so: the run stays open. */
export async function recorded(
  folder: RunFolder | undefined,
  report: RunReport,
  state: RunRecord['state'],
  { say, clock }: Pick<RunInput, 'say' | 'clock'>,
): Promise<RunReport> {
  if (folder === undefined) return report;
  try {
    await folder.end(report, state, new Date(clock.now()).toISOString());
    return report;
  } catch (error) {
    const text = `the run folder ${folder.path} cannot be written: ${errorText(error)}`;
    const refused = report.outcome === 'refused' || report.outcome === 'nothing-to-do';
    const { command, runId } = report;
    return {
      ...report,
      outcome: refused ? 'refused' : 'failed',
      exitCode: refused ? SETTINGS_EXIT : 4,
      error: [report.error, text].filter((part) => part !== null).join('; '),
      message: `${report.message}; ${text}`,
      next: onward(command === 'rollback' ? say.rollback(runId) : say.resume(runId), 'make the run folder writable'),
    };
  }
}

/** For a state folder that cannot be used. */
const SETTINGS_EXIT = 78;

function exitCode({ detailedExitCode, signal }: Told, { outcome, hasWork, failure }: Ended): number {
  if (outcome === 'planned' && detailedExitCode && hasWork) return 2;
  if (outcome === 'refused' && failure instanceof MigrateError && failure.code === 'settings') return SETTINGS_EXIT;
  return exitCodeOf(outcome, /SIG[A-Z]+/.exec(errorText(signal.reason))?.[0]);
}

function onward(command: string, advice: string | undefined): string {
  return advice === undefined ? command : `${command}   (first: ${advice})`;
}

function nextCommand({ command, say }: Told, ended: Ended): string | null {
  const { runId, outcome, isOpen, failure, problems, findings } = ended;
  const goOn = () => (command === 'rollback' ? say.rollback(runId) : say.resume(runId));
  const advice = failure instanceof MigrateError ? failure.next : undefined;
  switch (outcome) {
    case 'done':
    case 'rolled-back':
      return isOpen ? goOn() : null;
    case 'nothing-to-do':
    case 'verified':
    case 'undone':
      return null;
    case 'planned':
      return say.forReal;
    case 'refused':
      return advice ?? problems[0]?.fix ?? say.again;
    case 'differences':
      // Where nothing is left at the source, a move would find nothing to do.
      return findings.some(({ kind, drainable }) => drainable || kind === 'left-behind') ? say.forReal : null;
    case 'failed':
    case 'stopped':
      return onward(goOn(), advice);
  }
}

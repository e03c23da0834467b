import { errorText, MigrateError } from '../model/errors.ts';
import type { Outcome, RunReport, StageRow } from '../report/report.ts';
import type { Finding, Problem } from '../stages/stage.ts';
import { exitCodeOf } from './outcome.ts';
import type { RunInput } from './run.ts';

interface Ended {
  readonly runId: string;
  readonly outcome: Outcome;
  readonly message: string;
  /** What was thrown, where the run failed. */
  readonly failure: unknown;
  /** Ms since the epoch. */
  readonly startedAt: number;
  readonly rows: readonly StageRow[];
  readonly problems: readonly Problem[];
  readonly findings: readonly Finding[];
  /** True where the plan has something to move. */
  readonly hasWork: boolean;
}

type Told = Pick<
  RunInput,
  'command' | 'dryRun' | 'moves' | 'toolVersion' | 'clock' | 'again' | 'forReal' | 'detailedExitCode' | 'signal'
>;

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
    problems: ended.problems,
    findings: ended.findings,
    error: ended.failure === undefined ? null : errorText(ended.failure),
    message: ended.message,
    next: nextCommand(input, ended),
  };
}

function exitCode({ detailedExitCode, signal }: Told, { outcome, hasWork }: Ended): number {
  if (outcome === 'planned' && detailedExitCode && hasWork) return 2;
  return exitCodeOf(outcome, /SIG[A-Z]+/.exec(errorText(signal.reason))?.[0]);
}

function nextCommand({ again, forReal }: Told, { outcome, failure, problems }: Ended): string | null {
  const advice = failure instanceof MigrateError ? failure.next : undefined;
  switch (outcome) {
    case 'done':
    case 'nothing-to-do':
    case 'verified':
    case 'rolled-back':
      return null;
    case 'planned':
      return forReal;
    case 'refused':
      return advice ?? problems[0]?.fix ?? again;
    case 'differences':
      return forReal;
    case 'failed':
    case 'stopped':
      return advice === undefined ? again : `${again}   (first: ${advice})`;
  }
}

import { type Logger, pino } from 'pino';
import { errorText, MigrateError } from '../model/errors.ts';
import { movesText } from '../model/move.ts';
import type { Clock, StageName } from '../stages/stage.ts';
import type { RunEvent, RunPhase } from './event.ts';
import { PHASE_TITLES } from './phase-titles.ts';
import type { RunPlan, RunReport } from './report.ts';
import { heartbeatText, type Progress, retryText, StageProgress } from './stage-progress.ts';

/** A line for each event of a run, for machines. Must be closed: until then a heartbeat comes every ten seconds. */
export interface JsonLog {
  take(event: RunEvent): void;
  /** What was thrown where there is no run to report it. */
  error(error: unknown, exitCode: number): void;
  close(): Promise<void>;
}

interface JsonLogOptions {
  /** Takes one whole line with its end, and is done with it when it returns: what a crash follows must be there. */
  readonly write: (line: string) => void;
  readonly clock: Clock;
  /** Only warnings and errors. */
  readonly quiet?: boolean;
}

const HEARTBEAT_MS = 10_000;
/** Progress of a stage is told no more often. */
const PROGRESS_MS = 1_000;
const MOST_MOVES = 100;

type Fields = Readonly<Record<string, unknown>>;

/**
 * JSON lines with `time` (ISO 8601), `level`, `run`, `event`, `stage` and `phase` where there is one, numbers with their
 * unit in the name, and `msg`. The guide has the schema. Nothing is written later: no worker, no buffer.
 */
export function jsonLog({ write, clock, quiet = false }: JsonLogOptions): JsonLog {
  const logger: Logger = pino(
    {
      level: quiet ? 'warn' : 'info',
      base: {},
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    { write: (line: string) => write(harmless(line)) },
  );
  let run: string | null = null;
  let doing: { phase: RunPhase; stage?: StageName; since: number; progress?: StageProgress; told: number } | undefined;
  const say = (level: 'info' | 'warn' | 'error', fields: Fields, msg: string) => logger[level]({ run, ...fields }, msg);
  const at = (stage: StageName): Fields => ({ stage, ...(doing === undefined ? {} : { phase: doing.phase }) });
  const beat = () => {
    if (doing === undefined) return;
    const { phase, stage, since, progress } = doing;
    const where = { event: 'heartbeat', phase, ...(stage === undefined ? {} : { stage }) };
    const ms = clock.now() - since;
    if (stage === undefined || progress === undefined) say('info', { ...where, elapsed_ms: ms }, `still in ${phase}`);
    else say('info', { ...where, elapsed_ms: ms, ...numbersOf(progress.now) }, heartbeatText(stage, progress.now));
  };
  let timer: ReturnType<typeof setInterval> | undefined;

  const takeProgress = (event: Extract<RunEvent, { type: 'progress' }>) => {
    if (doing?.stage !== event.stage || doing.progress === undefined) return;
    doing.progress.take(event);
    if (clock.now() - doing.told < PROGRESS_MS) return;
    doing.told = clock.now();
    const now = doing.progress.now;
    say('info', { event: 'progress', ...at(event.stage), ...numbersOf(now) }, heartbeatText(event.stage, now));
  };

  const take = (event: RunEvent): void => {
    switch (event.type) {
      case 'run-started': {
        const { command, dryRun: dry_run, continuing, moves } = event;
        run = event.runId === 'none' ? null : event.runId;
        const list = { moves: moves.slice(0, MOST_MOVES), moves_count: moves.length };
        say('info', { event: 'run-started', command, dry_run, continuing, ...list }, `${command}: ${movesText(moves)}`);
        timer ??= setInterval(beat, HEARTBEAT_MS).unref();
        return;
      }
      case 'phase':
        doing = { phase: event.phase, since: clock.now(), told: 0 };
        say('info', { event: 'phase', phase: event.phase, stages: event.stages }, PHASE_TITLES[event.phase]);
        return;
      case 'planned':
        doing = undefined;
        say(
          'info',
          { event: 'planned', phase: 'plan', ...planned(event.plan), bytes_free: event.freeBytes },
          'planned',
        );
        return;
      case 'stage-started':
        doing = { phase: event.phase, stage: event.stage, since: clock.now(), told: 0 };
        say('info', { event: event.type, stage: event.stage, phase: event.phase }, `${event.phase}: ${event.stage}`);
        return;
      case 'total': {
        if (doing?.stage === event.stage) doing.progress = new StageProgress(clock, event);
        const { total: records_total, unit, estimate = false } = event;
        say(
          'info',
          { event: 'total', ...at(event.stage), records_total, unit, estimate },
          `${event.stage}: ${records_total} ${unit}`,
        );
        return;
      }
      case 'progress':
        takeProgress(event);
        return;
      case 'note':
        say('info', { event: 'note', ...at(event.stage) }, event.text.trim());
        return;
      case 'run-note':
        say(event.severity ?? 'info', { event: 'run-note' }, event.text);
        return;
      case 'record-failed': {
        if (doing?.stage === event.stage) doing.progress?.take(event);
        const { record, reason } = event;
        say('error', { event: event.type, ...at(event.stage), record, reason }, `${record}: ${reason}`);
        return;
      }
      case 'retry': {
        const { attempt, delayMs: delay_ms, reason } = event;
        const since = event.since === undefined ? {} : { since: new Date(event.since).toISOString() };
        say('warn', { event: 'retry', ...at(event.stage), attempt, delay_ms, reason, ...since }, retryText(event));
        return;
      }
      case 'stage-finished': {
        const { stage, phase, row } = event;
        doing = undefined;
        const { status, unit, moved, skipped, conflicts, failed, vanished } = row;
        const records = {
          records_moved: moved,
          records_skipped: skipped,
          records_failed: failed,
          records_vanished: vanished,
        };
        const fields = {
          status,
          unit,
          ...records,
          records_in_conflict: conflicts,
          ms: Math.round(row.phases[phase] ?? 0),
        };
        const level = status === 'failed' || status === 'undo-failed' ? 'error' : 'info';
        say(level, { event: event.type, stage, phase, ...fields }, `${phase}: ${stage}: ${status}`);
        return;
      }
      case 'stopping':
        say('warn', { event: 'stopping', signal: event.signal }, `${event.signal}: finishing what is under way`);
        return;
      case 'run-finished':
        doing = undefined;
        sayReport(event.report, say);
        return;
    }
  };
  return {
    take,
    error: (error, exit_code) => {
      const code = error instanceof MigrateError ? error.code : 'internal';
      const next = error instanceof MigrateError ? error.next : undefined;
      say('error', { event: 'error', code, exit_code, ...(next === undefined ? {} : { next }) }, errorText(error));
    },
    close: async () => clearInterval(timer),
  };
}

/** What refused the run, what verify saw, and how it ended: the last line. */
function sayReport(
  report: RunReport,
  say: (level: 'info' | 'warn' | 'error', fields: Fields, msg: string) => void,
): void {
  for (const { stage, code, message, fix } of report.problems) {
    say('error', { event: 'problem', ...(stage === 'run' ? {} : { stage }), code, next: fix }, message);
  }
  for (const { stage, kind, severity, message, where, count, fix } of report.findings) {
    const more = { where, records: count, next: fix };
    say(severity === 'difference' ? 'warn' : 'info', { event: 'finding', stage, kind, severity, ...more }, message);
  }
  const { outcome, exitCode: exit_code, ms, error, next, message } = report;
  say(exit_code === 0 ? 'info' : 'error', { event: 'run-finished', outcome, exit_code, ms, error, next }, message);
}

function planned({ stages }: RunPlan): Fields {
  return {
    records: stages.reduce((sum, { moves }) => sum + moves.reduce((found, move) => found + move.found, 0), 0),
    stages: stages.map(({ stage, unit, moves, conflicts, estimateMs, problems }) => ({
      stage,
      unit,
      records: moves.reduce((sum, { found }) => sum + found, 0),
      records_at_target: moves.reduce((sum, { atTarget }) => sum + atTarget, 0),
      records_in_conflict: conflicts,
      estimate_ms: Math.round(estimateMs),
      problems: problems.length,
    })),
  };
}

function numbersOf({ done, total, isEstimate, percent, perSecond, etaMs, failed }: Progress): Fields {
  return {
    records_done: done,
    records_total: total,
    estimate: isEstimate,
    percent,
    records_per_second: perSecond === undefined ? null : Math.round(perSecond * 10) / 10,
    eta_ms: etaMs === undefined ? null : Math.round(etaMs),
    records_failed: failed,
  };
}

/** JSON leaves these as they are, and a terminal or a log viewer may obey them. They stand in strings alone. */
function harmless(line: string): string {
  return line.replace(/[\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

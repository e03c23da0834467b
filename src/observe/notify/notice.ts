import { errorText, MigrateError } from '../../model/errors.ts';
import type { Move } from '../../model/move.ts';
import { movesText } from '../../model/move.ts';
import { clean, duration, STAGE_TITLES, units } from '../../report/format.ts';
import type { Outcome, RunReport } from '../../report/report.ts';

/** What may be told of a run. */
export type Occasion = 'start' | 'finish' | 'failure' | 'rollback';

/** How bad it is, in PagerDuty's words. */
export type Severity = 'info' | 'warning' | 'error' | 'critical';

/** One thing that is told, for every receiver alike. All text is free of control characters. */
export interface Notice {
  /** The same for each try: a receiver may get one twice. */
  readonly id: string;
  readonly occasion: Occasion;
  readonly severity: Severity;
  /** One line for people. */
  readonly title: string;
  /** What is told apart from the title, in pairs, for people. */
  readonly facts: readonly (readonly [label: string, value: string])[];
  /** The run, or the list of several waves; `none` where it came to no run. */
  readonly run: string;
  readonly command: string;
  readonly moves: readonly Move[];
  /** ISO 8601. */
  readonly at: string;
  readonly host: string;
  readonly toolVersion: string;
  /** Null at the start, and where the command ended without a report. */
  readonly report: RunReport | null;
  /** What was thrown in its place. */
  readonly error?: unknown;
  /** Something was written that is neither done nor taken back. */
  readonly unfinished: boolean;
  /** The same of an earlier process of the run, when this one began. */
  readonly wasUnfinished: boolean;
}

/** What every notice of a command has. */
export type About = Omit<Notice, 'occasion' | 'severity' | 'title' | 'facts' | 'report'>;

/** The first write is about to be sent. */
export function startNotice(about: About): Notice {
  const title = `${verb(about.command)} of ${moved(about)} has started`;
  return { ...about, occasion: 'start', severity: 'info', title, facts: facts(about), report: null };
}

/** The command has ended; undefined where there is nothing to tell: somebody sat there and said no. */
export function endNotice(about: About, report: RunReport): Notice | undefined {
  const { outcome, problems, error } = report;
  if (outcome === 'refused' && problems.length === 0 && error === null) return undefined;
  const occasion = occasionOf(outcome);
  if (occasion === undefined) return undefined;
  const title = `${verb(about.command)} of ${moved(about)} ${ENDINGS[outcome] ?? outcome}`;
  return { ...about, occasion, severity: severityOf(outcome), title, facts: facts(about, report), report };
}

/** The command ended without a report: by a fault of the program, or before it came to a run. `error`: what was thrown. */
export function brokenNotice(about: About, error?: unknown): Notice {
  const hasBegun = about.run !== 'none';
  const what = about.moves.length === 0 ? verb(about.command) : `${verb(about.command)} of ${moved(about)}`;
  const told: [string, string][] = error === undefined ? [] : [['Error', clean(errorText(error))]];
  if (error instanceof MigrateError && error.next !== undefined) told.push(['Next', clean(error.next)]);
  return {
    ...about,
    occasion: 'failure',
    severity: hasBegun ? 'critical' : 'warning',
    title: `${what} ${hasBegun ? 'ended unexpectedly' : 'could not begin'}`,
    facts: [...facts(about), ...told],
    report: null,
    error,
  };
}

const ENDINGS: Readonly<Partial<Record<Outcome, string>>> = {
  done: 'is done and verified',
  'nothing-to-do': 'found nothing to do',
  'rolled-back': 'has taken it back',
  undone: 'failed, and all was taken back',
  differences: 'found differences',
  refused: 'was refused before any write',
  failed: 'failed, and wants resume or rollback',
  stopped: 'was stopped',
};

function occasionOf(outcome: Outcome): Occasion | undefined {
  switch (outcome) {
    case 'done':
    case 'nothing-to-do':
      return 'finish';
    case 'rolled-back':
    case 'undone':
      return 'rollback';
    case 'failed':
    case 'differences':
    case 'refused':
    case 'stopped':
      return 'failure';
    case 'planned':
    case 'verified':
      return undefined;
  }
}

function severityOf(outcome: Outcome): Severity {
  if (outcome === 'failed') return 'critical';
  if (outcome === 'differences') return 'error';
  return outcome === 'stopped' || outcome === 'refused' || outcome === 'undone' ? 'warning' : 'info';
}

function verb(command: string): string {
  return command === 'rollback' ? 'Rollback' : command === 'resume' ? 'Resumed move' : 'Move';
}

function moved({ moves }: About): string {
  return clean(movesText(moves));
}

function facts(about: About, report?: RunReport): Notice['facts'] {
  const always: [string, string][] = [
    ['Run', about.run],
    ['Host', clean(about.host)],
  ];
  if (report === undefined) return always;
  const { outcome, exitCode, ms, message, error, next, stages } = report;
  const counts = stages
    .filter(({ status }) => status !== 'skipped' && status !== 'not-run')
    .map(({ name, moved: count, unit, status }) => `${STAGE_TITLES[name].short}: ${units(count, unit)}, ${status}`);
  return [
    ...always,
    ['Outcome', `${outcome} (exit ${exitCode}) after ${duration(ms)}`],
    ...(counts.length === 0 ? [] : ([['Stages', counts.join(' · ')]] as const)),
    ['Message', clean(message)],
    ...(error === null || error === message ? [] : ([['Error', clean(error)]] as const)),
    ...(next === null ? [] : ([['Next', clean(next)]] as const)),
  ];
}

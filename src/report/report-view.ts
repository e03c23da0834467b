import { movesText } from '../model/move.ts';
import type { Finding } from '../stages/stage.ts';
import { count, duration, units } from './format.ts';
import type { Outcome, RunReport, RunTotals, StageRow, TenantRow } from './report.ts';

/** How an outcome is to be taken: a colour and a shape, never without its words. */
export type Tone = 'good' | 'bad' | 'warn' | 'plain';

interface Verdict {
  readonly tone: Tone;
  readonly words: string;
}

const VERDICTS: Readonly<Record<Outcome, Verdict>> = {
  done: { tone: 'good', words: 'Moved and verified' },
  'nothing-to-do': { tone: 'good', words: 'Nothing to do' },
  planned: { tone: 'plain', words: 'Planned, nothing written' },
  verified: { tone: 'good', words: 'Verified, no difference' },
  'rolled-back': { tone: 'good', words: 'Taken back' },
  undone: { tone: 'bad', words: 'Failed, and taken back' },
  differences: { tone: 'bad', words: 'Differences found' },
  refused: { tone: 'bad', words: 'Refused, nothing written' },
  failed: { tone: 'bad', words: 'Failed part-way' },
  stopped: { tone: 'warn', words: 'Stopped' },
};

const STATUSES: Readonly<Record<StageRow['status'], Verdict>> = {
  done: { tone: 'good', words: 'done' },
  failed: { tone: 'bad', words: 'failed' },
  skipped: { tone: 'plain', words: 'left out' },
  'not-run': { tone: 'plain', words: 'not run' },
  undone: { tone: 'good', words: 'taken back' },
  'undo-failed': { tone: 'bad', words: 'not taken back' },
};

const UNKNOWN: Verdict = { tone: 'plain', words: 'unknown' };

/** In a word or three. A report of another version may say what this one does not know. */
export function verdictOf({ outcome, message }: Pick<RunReport, 'outcome' | 'message'>): Verdict {
  if (outcome === 'done' && /unfinished/.test(message)) return { tone: 'warn', words: 'Moved in part' };
  return VERDICTS[outcome] ?? UNKNOWN;
}

/** What became of a stage. */
export function statusOf(row: StageRow, { outcome, command }: RunReport): Verdict {
  if (row.status === 'not-run' && outcome === 'planned') return { tone: 'plain', words: 'planned' };
  if (row.status === 'done' && command === 'verify') return { tone: 'good', words: 'verified' };
  if (row.status === 'done' && command === 'rollback') return { tone: 'plain', words: 'unchanged' };
  return STATUSES[row.status] ?? UNKNOWN;
}

/** What the command did with records, as a column's title and a number. */
export function workOf(
  row: StageRow,
  { outcome, command }: RunReport,
): { readonly done: string; readonly records: number } {
  if (outcome === 'planned') return { done: 'to move', records: row.found };
  if (command === 'verify') return { done: 'at the target', records: row.atTarget };
  if (command === 'rollback' || row.status === 'undone') return { done: 'taken back', records: row.moved };
  return { done: 'moved', records: inRun(row).moved };
}

/** What all attempts of the run found and moved; of its first, what this one did. */
export function inRun({ run, found, moved }: Pick<StageRow, 'run' | 'found' | 'moved'>): RunTotals {
  return run ?? { found, moved };
}

/** ` (0 in this attempt)`, where the run had others before. */
export function attemptText(rows: readonly StageRow[]): string {
  if (rows.every(({ run }) => run === undefined)) return '';
  return ` (${count(rows.reduce((sum, { moved }) => sum + moved, 0))} in this attempt)`;
}

/** The stages that took part. */
export function takingPart({ stages }: RunReport): readonly StageRow[] {
  return stages.filter(({ status }) => status !== 'skipped');
}

/** The run in one sentence of numbers. */
export function summarySentence(report: RunReport): string {
  const rows = takingPart(report);
  const total = rows.reduce((sum, row) => sum + workOf(row, report).records, 0);
  const stores = units(rows.filter((row) => workOf(row, report).records > 0).length, 'stores');
  const tenants = report.moves.length > 1 ? ` of ${units(report.moves.length, 'tenants')}` : '';
  const time = duration(report.ms);
  const what = `${units(total, 'records')}${tenants}`;
  switch (report.outcome) {
    case 'planned':
      return report.command === 'rollback' ? report.message : `${what} in ${stores} would be moved.`;
    case 'verified':
      return `${what} in ${stores} stand at the target; read again and compared in ${time}.`;
    case 'done':
      return `${what} in ${stores}${attemptText(rows)}, in ${time}${emptied(rows)}${unclaimed(report)}.`;
    case 'rolled-back':
      return `${what} in ${stores} are back where they were, in ${time}.`;
    default:
      return `${report.message}.`;
  }
}

/** Said only where it was counted. */
function emptied(rows: readonly StageRow[]): string {
  const counted = rows.filter((row) => row.name !== 'config' && inRun(row).found > 0);
  const isEmpty = counted.length > 0 && counted.every(({ after }) => after?.source === 0);
  return isEmpty ? `; no ${listed(counted.map(({ unit }) => unit))} are left at the source` : '';
}

/** What names the source and stays, by the profile's leave: said where the sentence says that nothing is left. */
function unclaimed({ findings, stages }: RunReport): string {
  const texts = stages.flatMap(({ name, unit }) => {
    const of = findings.filter(({ stage, kind }) => stage === name && kind === 'unclaimed');
    const number = of.reduce((sum, finding) => sum + (finding.count ?? finding.samples?.length ?? 1), 0);
    const what = name === 'qdrant' ? 'collections' : unit;
    return number === 0 ? [] : [`${units(number, what)} ${number === 1 ? 'matches' : 'match'} no template`];
  });
  return texts.length === 0 ? '' : `; ${texts.join(', ')}`;
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

/** Whose data it is: both ids, or how many. */
export function subject({ moves }: Pick<RunReport, 'moves'>): string {
  return moves.length === 1 ? movesText(moves) : units(moves.length, 'tenants');
}

/** `2026-11-21T18:54:06.123Z` → `21 November 2026, 18:54:06 UTC`; what is no time stays as it is. */
export function dateText(iso: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return iso;
  const clock = time.toISOString().slice(11, 19);
  return `${time.getUTCDate()} ${MONTHS[time.getUTCMonth()]} ${time.getUTCFullYear()}, ${clock} UTC`;
}

const MONTHS = 'January February March April May June July August September October November December'.split(' ');

/** What stood at both ends, and what stands there now where it was counted. */
export function countsText(row: StageRow): {
  readonly before: readonly [string, string];
  readonly after: readonly [string, string];
} {
  const after = row.after;
  return {
    before: [count(inRun(row).found), count(row.atTarget)],
    after: after === undefined ? ['not counted', 'not counted'] : [count(after.source), count(after.target)],
  };
}

/** A setting as text. */
export function settingText(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? '–' : value.map(settingText).join(', ');
  if (value === null || value === undefined || value === '') return '–';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Text of at most so many characters. */
export function clipped(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/** Findings that mean the same to a reader. */
interface FindingGroup {
  readonly id: string;
  readonly title: string;
  readonly intro: string;
  readonly tone: 'bad' | 'warn' | 'plain';
  readonly findings: readonly Finding[];
}

/** Findings by what they mean, differences first; groups without any are left out. */
export function findingGroups({ findings }: Pick<RunReport, 'findings'>): readonly FindingGroup[] {
  const notices = findings.filter(({ severity }) => severity === 'notice');
  const named = new Set(['conflict', 'unclaimed', 'look-alike']);
  const of = (kind: string) => notices.filter((finding) => finding.kind === kind);
  const groups: readonly FindingGroup[] = [
    {
      id: 'differences',
      title: 'Differences',
      intro: 'Where the stores are not as the plan promised.',
      tone: 'bad',
      findings: findings.filter(({ severity }) => severity === 'difference'),
    },
    {
      id: 'conflicts',
      title: 'Conflicts',
      intro: 'Records that both ids have, with different content.',
      tone: 'warn',
      findings: of('conflict'),
    },
    {
      id: 'unclaimed',
      title: 'Unclaimed',
      intro:
        'The source’s id stands in them as a whole word, but by the profile they are nobody’s. They stay where they are.',
      tone: 'warn',
      findings: of('unclaimed'),
    },
    {
      id: 'look-alikes',
      title: 'Look-alikes',
      intro: 'The source’s id is part of a longer one there: other tenants’ data, which was not touched.',
      tone: 'plain',
      findings: of('look-alike'),
    },
    {
      id: 'findings',
      title: 'Findings',
      intro: 'What plan and verify saw beside that. None of it changes the exit code.',
      tone: 'plain',
      findings: notices.filter(({ kind }) => !named.has(kind)),
    },
  ];
  return groups.filter((group) => group.findings.length > 0);
}

const CALM: ReadonlySet<TenantRow['status']> = new Set(['done', 'planned', 'nothing-to-do', 'undone']);

/** Those that want a look first. */
export function byNeed(tenants: readonly TenantRow[]): readonly TenantRow[] {
  return [...tenants].sort((a, b) => Number(CALM.has(a.status)) - Number(CALM.has(b.status)));
}

/** What became of a tenant, in words. */
export function tenantWords({ status }: Pick<TenantRow, 'status'>): Verdict {
  const words = status.replaceAll('-', ' ');
  if (status === 'done') return { tone: 'good', words };
  return { tone: CALM.has(status) || status === 'not-run' ? 'plain' : 'warn', words };
}

import type { ChalkInstance } from 'chalk';
import { movesText } from '../model/move.ts';
import type { Check, CheckLevel, DoctorArea, DoctorReport } from './doctor-report.ts';
import { clean, STAGE_TITLES } from './format.ts';

const SIGNS: Readonly<Record<CheckLevel, string>> = { ok: '✅', unchecked: '➖', warning: '⚠️ ', error: '❌' };
const AREAS: readonly DoctorArea[] = ['local', 'state', 'config', 'redis', 'qdrant', 'graph'];

/** The report as people read it: a block for each store, and below each line that is not well what to do. */
export function doctorText(report: DoctorReport, paint: ChalkInstance): string {
  const width = Math.max(...report.checks.map(({ name }) => name.length));
  const blocks = AREAS.flatMap((area) => {
    const checks = report.checks.filter((check) => check.area === area);
    if (checks.length === 0) return [];
    return [[paint.bold(titleOf(area, report)), ...checks.flatMap((check) => linesOf(check, width, paint))].join('\n')];
  });
  return [...blocks, endingOf(report, paint)].join('\n\n');
}

function titleOf(area: DoctorArea, { stores }: DoctorReport): string {
  if (area === 'local') return 'This machine';
  if (area === 'state') return 'State folder';
  return `${STAGE_TITLES[area].short} ${clean(stores[area] ?? '')}`.trim();
}

function linesOf({ name, level, text, fix }: Check, width: number, paint: ChalkInstance): readonly string[] {
  const line = `  ${SIGNS[level]} ${name.padEnd(width)}  ${painted(level, clean(text), paint)}`;
  return fix === undefined ? [line] : [line, `     ${' '.repeat(width)}  ${paint.cyan(`→ ${clean(fix)}`)}`];
}

function painted(level: CheckLevel, text: string, paint: ChalkInstance): string {
  if (level === 'error') return paint.red(text);
  return level === 'warning' ? paint.yellow(text) : level === 'unchecked' ? paint.dim(text) : text;
}

function endingOf({ counts, move }: DoctorReport, paint: ChalkInstance): string {
  const told = `${counts.ok} ✅  ${counts.warning} ⚠️   ${counts.error} ❌  ${counts.unchecked} not checked`;
  const what = move === null ? 'a move' : `the move ${clean(movesText([move]))}`;
  if (counts.error > 0) return `${told}\n${paint.red(`${what} would be refused or fail until each ❌ is mended`)}`;
  return `${told}\n${paint.green(`nothing that was looked at forbids ${what}`)}`;
}

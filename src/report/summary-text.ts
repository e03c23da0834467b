import type { ChalkInstance } from 'chalk';
import type { Finding } from '../stages/stage.ts';
import { clean, count, duration, STAGE_TITLES, units } from './format.ts';
import { findingLines, problemLines } from './plan-text.ts';
import type { RunReport, StageRow } from './report.ts';
import { attemptText, inRun } from './report-view.ts';
import { tenantLines } from './tenants-text.ts';

const WIDEST_RULE = 60;
const MOST_FINDINGS = 50;

/** The guide's summary block, with what was found and what to type next. `columns`: of the terminal, where there is one. */
export function summaryText(
  report: RunReport,
  paint: ChalkInstance,
  { verbose = false, columns = WIDEST_RULE }: { readonly verbose?: boolean; readonly columns?: number } = {},
): string {
  const rule = '='.repeat(Math.max(1, Math.min(WIDEST_RULE, columns)));
  const differences = report.findings.filter(({ severity }) => severity === 'difference');
  const notices = report.findings.filter(({ severity, stage }) => severity === 'notice' && takesPart(stage, report));
  const refused = report.outcome === 'refused';
  const rows = report.stages.flatMap((row) => rowLines(row, report, paint));
  return [
    ...(refused || rows.length === 0 ? [] : [rule, title(report), rule, ...rows, rule, '']),
    ...(refused || report.tenants === undefined ? [] : [...tenantLines(report.tenants, { all: verbose, paint }), '']),
    ...problemsOf(report, paint),
    ...[...differences, ...(refused ? [] : notices)]
      .slice(0, MOST_FINDINGS)
      .flatMap((finding) => findingLines(finding, paint)),
    ...(report.findings.length > MOST_FINDINGS
      ? [`  and ${count(report.findings.length - MOST_FINDINGS)} more findings in the report`]
      : []),
    verdictText(report, paint),
  ].join('\n');
}

/** How it ended, and what to type next. */
export function verdictText(report: RunReport, paint: ChalkInstance): string {
  // Each problem has named its own way out.
  if (report.next === null || report.problems.length > 0) return ending(report, paint);
  return `${ending(report, paint)}\n   next: ${paint.cyan(clean(report.next))}`;
}

/** What the run's plan once said of a store that is left out now was not looked at. */
export function takesPart(stage: Finding['stage'], { stages }: Pick<RunReport, 'stages'>): boolean {
  return stages.find(({ name }) => name === stage)?.status !== 'skipped';
}

function title({ command, dryRun }: RunReport): string {
  if (command === 'verify') return 'Verification Summary';
  if (command === 'rollback') return 'Rollback Summary';
  return dryRun || command === 'plan' ? 'Dry Run Summary' : 'Migration Summary';
}

function problemsOf(report: RunReport, paint: ChalkInstance): readonly string[] {
  return report.problems.flatMap((problem) => problemLines(problem, paint));
}

function rowLines(row: StageRow, report: RunReport, paint: ChalkInstance): readonly string[] {
  const { short } = STAGE_TITLES[row.name];
  if (row.status === 'skipped') return [`${short}: ${paint.dim('skipped')}`];
  if (row.status === 'not-run' && report.outcome !== 'planned') return [`${short}: ${paint.dim('not run')}`];
  const total = inRun(row);
  const extras = [
    row.run === undefined ? '' : `in this attempt: ${count(row.moved)}`,
    row.skipped > 0 ? `skipped: ${count(row.skipped)}` : '',
    row.conflicts > 0 ? `conflicts: ${count(row.conflicts)}` : '',
    row.vanished > 0 ? `expired or deleted meanwhile: ${count(row.vanished)}` : '',
    `failed: ${count(row.failed)}`,
  ].filter((text) => text !== '');
  if (report.command === 'rollback') {
    // A dry run only knows which undo logs hold something, which its message tells.
    if (report.outcome === 'planned') return [];
    return [`${short}: ${undoneText(row)}`];
  }
  if (report.outcome === 'planned')
    return [`${short}: would move ${units(row.found, row.unit)}, about ${duration(row.estimateMs)}`];
  if (report.command === 'verify')
    return [
      `${short}: ${mark(row, report)} ${units(row.atTarget, row.unit)} at the target, ${count(row.found)} at the source`,
    ];
  if (row.name === 'config')
    return [`${short}: ${mark(row, report)} ${mark(row, report) === '❌' ? 'failed' : configText(row)}`];
  return [
    `${short}: ${mark(row, report)} ${count(total.moved)}/${units(total.found, row.unit)} (${extras.join(', ')}) in ${duration(row.phases.apply ?? 0)}`,
  ];
}

function undoneText(row: StageRow): string {
  if (row.status !== 'undone' && row.status !== 'undo-failed') return 'nothing to take back';
  const kept = row.conflicts > 0 ? `, ${count(row.conflicts)} left as they are: both ids hold them` : '';
  const mark = row.status === 'undone' ? '✅' : '❌';
  return `${mark} ${units(row.moved, row.unit)} taken back${kept} (failed: ${count(row.failed)}) in ${duration(row.phases.undo ?? 0)}`;
}

function configText(row: StageRow): string {
  if (inRun(row).moved > 0) return row.atTarget > 0 ? 'Written' : 'Created';
  return row.found === 0 && row.atTarget === 0 ? 'none' : 'already there';
}

function mark(row: StageRow, { outcome }: RunReport): string {
  // It was asked to stop: no record of it has failed.
  if (outcome === 'stopped' && row.status === 'failed' && row.failed === 0) return '⏸';
  return row.status === 'done' ? '✅' : row.status === 'failed' ? '❌' : '·';
}

function ending(report: RunReport, paint: ChalkInstance): string {
  const message = clean(report.message);
  const time = duration(report.ms);
  switch (report.outcome) {
    case 'done':
      return paint.green(`✅ Migration completed in ${time}: ${message}`);
    case 'nothing-to-do':
      return paint.green(`✅ ${message}`);
    case 'rolled-back':
      return paint.green(`✅ Rolled back in ${time}: ${message}`);
    case 'undone':
      return paint.red(`❌ Failed, and rolled back in ${time}: ${message} (exit ${report.exitCode})`);
    case 'verified':
      return paint.green(`✅ Verified in ${time}: ${message}`);
    case 'planned':
      return `${message} (${time})`;
    case 'refused':
      return paint.red(`❌ ${message} (exit ${report.exitCode})`);
    case 'differences':
    case 'failed':
      return paint.red(`❌ ${message} (exit ${report.exitCode})\n   ${leftState(report)}`);
    case 'stopped': {
      const begun = report.stages.some(({ status, moved }) => status === 'failed' || status === 'done' || moved > 0);
      if (!begun) return paint.yellow(`⏸ ${message} before anything was moved (exit ${report.exitCode})`);
      const kept = `what was begun is finished and recorded (exit ${report.exitCode})`;
      return paint.yellow(`⏸ ${message}: ${kept}\n   ${leftState(report)}`);
    }
  }
}

/** What was moved so far, where a run did not come to its end. */
function leftState(report: RunReport): string {
  if (report.command === 'verify') return 'nothing was changed';
  if (report.command === 'rollback') return `what was taken back stays so; rollback goes on (run ${report.runId}).`;
  const moved = report.stages
    .filter(({ status }) => status !== 'skipped')
    .map((row) => {
      const total = inRun(row);
      return `${STAGE_TITLES[row.name].short} ${count(total.moved)} of ${units(total.found, row.unit)}${attemptText([row])}`;
    });
  const isFirst = report.stages.every(({ run }) => run === undefined);
  const attempt = `in this ${isFirst ? 'attempt' : 'run'}: ${moved.join(', ')} (run ${report.runId})`;
  if (report.findings.some(({ severity }) => severity === 'difference')) {
    return `moved ${attempt}. The stores are not as the plan promised: see the differences above.`;
  }
  return `moved ${attempt}. The rest is where it was; resume finishes the move, rollback takes it back.`;
}

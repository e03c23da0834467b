import { count, duration } from '../format.ts';
import type { RunReport } from '../report.ts';
import { clipped, dateText, summarySentence, takingPart, verdictOf, workOf } from '../report-view.ts';
import { html, type Markup } from './html.ts';
import { mark, name } from './parts.ts';

/** Ids from this length on are set smaller, so that two of them stay in sight. */
const LONG_IDS = 56;
const LONGEST_MESSAGE = 2_000;

/** Whose data went where, how it ended, and what to type now. */
export function hero(report: RunReport): Markup {
  const { tone, words } = verdictOf(report);
  const rows = takingPart(report);
  const work = rows[0] === undefined ? 'moved' : workOf(rows[0], report).done;
  const records = rows.reduce((sum, row) => sum + workOf(row, report).records, 0);
  const facts: readonly (readonly [string, string, boolean])[] = [
    ['Exit code', String(report.exitCode), false],
    ['Duration', duration(report.ms), false],
    [`Records ${work}`, count(records), false],
    ['Command', `${report.command}${report.dryRun ? ' --dry-run' : ''}`, true],
    ['Run', report.runId === 'none' ? 'not recorded' : report.runId, true],
  ];
  return html`<div class="hero">
<p class="badge ${tone}">${mark(tone)}${words}</p>
${title(report)}
<p class="lead">${clipped(summarySentence(report), LONGEST_MESSAGE)}</p>
${report.error === null || report.error === report.message ? undefined : html`<p class="lead bad">${clipped(report.error, LONGEST_MESSAGE)}</p>`}
${report.limit === null ? undefined : html`<p class="lead">Stopped by --${report.limit.name}: ${report.limit.text}</p>`}
${nextOf(report)}
<dl class="facts">${facts.map(([term, value, small]) => html`<div><dt>${term}</dt><dd${small ? html` class="small"` : undefined}>${value}</dd></div>`)}</dl>
</div>`;
}

function title({ moves }: RunReport): Markup {
  const [move] = moves;
  if (move === undefined || moves.length > 1) return html`<h1>${count(moves.length)} tenants</h1>`;
  const isLong = move.source.length + move.target.length > LONG_IDS;
  return html`<h1${isLong ? html` class="long"` : undefined}>${name(move.source)} <span class="arrow" aria-label="to" role="img">→</span> ${name(move.target)}</h1>`;
}

function nextOf({ next }: RunReport): Markup | undefined {
  if (next === null) return undefined;
  return html`<div class="next"><span class="kicker">Next</span><code>${clipped(next, LONGEST_MESSAGE)}</code></div>`;
}

/** The line above all: what this is, and of when. */
export function topLine({ startedAt }: RunReport): Markup {
  return html`<div class="bar"><span><b>tenant-migrate</b> report</span><time datetime="${startedAt}">${dateText(startedAt)}</time></div>`;
}

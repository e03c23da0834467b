import { duration, STAGE_TITLES } from '../format.ts';
import type { PhaseSpan, RunReport } from '../report.ts';
import { html, type Markup } from './html.ts';
import { percent, section, table } from './parts.ts';

const PHASES = ['preflight', 'plan', 'apply', 'verify', 'finalize', 'undo'] as const;
const LANE = 26;
/** From this share of the width on a bar has room for its name. */
const ROOMY = 0.1;
/** Bars in one lane: more cannot be told apart. */
const MOST_BARS = 120;

/** When each stage was in which phase. */
export function timelineSection(report: RunReport): Markup | undefined {
  const spans = (report.timeline ?? []).filter(({ phase }) => PHASES.includes(phase));
  if (spans.length === 0) return undefined;
  const end = Math.max(1, ...spans.map(({ endMs }) => endMs));
  const names = report.stages.map(({ name }) => name).filter((name) => spans.some(({ stage }) => stage === name));
  const lanes = names.map((name) =>
    lane(
      STAGE_TITLES[name].short,
      spans.filter(({ stage }) => stage === name),
      end,
    ),
  );
  const used = PHASES.filter((phase) => spans.some((span) => span.phase === phase));
  const legend = used.map(
    (phase) =>
      html`<li><svg class="swatch" aria-hidden="true"><rect class="${phase}" width="100%" height="100%"/></svg>${phase}</li>`,
  );
  const figure = html`<figure class="gantt panel"><ul class="legend">${legend}</ul>${lanes}${axis(end)}</figure>${asTable(spans)}`;
  const intro = 'The stores are checked, planned and verified side by side, and written to one after the other.';
  return section('timeline', 'Timeline', figure, intro);
}

function lane(title: string, spans: readonly PhaseSpan[], end: number): Markup {
  const shown = spans.slice(0, MOST_BARS);
  const said = shown.map(spanText).join('; ');
  return html`<div class="lane"><h3>${title}</h3><svg height="${LANE}" role="img"><title>${title}</title><desc>${said}</desc>${gridLines(end)}${shown.map((span) => barOf(span, end))}</svg></div>`;
}

function barOf(span: PhaseSpan, end: number): Markup {
  const share = (span.endMs - span.startMs) / end;
  const label = share < ROOMY ? undefined : html`<text class="on" x="7" y="17">${span.phase}</text>`;
  // Nothing that happened is too short to be seen.
  const shortest =
    share * 600 < 2 ? html`<rect class="${span.phase}" width="2" height="${LANE - 4}" y="2"/>` : undefined;
  return html`<svg x="${percent(span.startMs / end)}" width="${shortest === undefined ? percent(share) : '3'}" height="${LANE}">${shortest ?? html`<rect class="${span.phase}" y="2" width="100%" height="${LANE - 4}" rx="2"/>`}${label}<title>${spanText(span)}</title></svg>`;
}

function spanText({ phase, pass, startMs, endMs }: PhaseSpan): string {
  const which = pass > 1 ? `${phase} (pass ${pass})` : phase;
  return `${which} from ${duration(startMs)} to ${duration(endMs)}`;
}

function axis(end: number): Markup {
  return html`<div class="lane"><span class="pad"></span><svg height="20" aria-hidden="true" focusable="false">${axisTicks(end, 15)}</svg></div>`;
}

/** Round times below a chart that is so many ms wide. */
export function axisTicks(width: number, y: number): readonly Markup[] {
  return roundTimes(width).map((ms) => {
    const share = ms / width;
    const anchor = ms === 0 ? 'start' : share > 0.94 ? 'end' : 'middle';
    return html`<text class="tick" x="${percent(share)}" y="${y}" text-anchor="${anchor}">${shortTime(ms)}</text>`;
  });
}

function gridLines(end: number): readonly Markup[] {
  return roundTimes(end).map((ms) => {
    const x = percent(ms / end);
    return html`<line class="grid" x1="${x}" x2="${x}" y1="0" y2="${LANE}"/>`;
  });
}

const STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000,
  1_800_000, 3_600_000, 7_200_000, 21_600_000, 86_400_000,
];

/** Zero and at most four more round times up to this one. */
function roundTimes(ms: number): readonly number[] {
  const step = STEPS.find((one) => ms / one < 5) ?? 86_400_000 * Math.ceil(ms / 86_400_000 / 4);
  const times: number[] = [];
  for (let at = 0; at <= ms; at += step) times.push(at);
  return times;
}

function shortTime(ms: number): string {
  if (ms === 0) return '0';
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Number((ms / 1_000).toFixed(1))} s`;
  if (ms < 3_600_000) return `${Number((ms / 60_000).toFixed(1))} min`;
  return `${Number((ms / 3_600_000).toFixed(1))} h`;
}

const MOST_ROWS = 60;

function asTable(spans: readonly PhaseSpan[]): Markup {
  const columns = [
    { title: 'Phase' },
    { title: 'Store' },
    ...['from', 'to', 'took'].map((title) => ({ title, number: true })),
  ];
  const rows = [...spans]
    .sort((a, b) => a.startMs - b.startMs)
    .slice(0, MOST_ROWS)
    .map((span) => [
      span.pass > 1 ? `${span.phase}, pass ${span.pass}` : span.phase,
      STAGE_TITLES[span.stage]?.short ?? span.stage,
      duration(span.startMs),
      duration(span.endMs),
      duration(span.endMs - span.startMs),
    ]);
  return html`<details><summary>The timeline as a table</summary>${table('Phases in the order in which they began', columns, rows)}</details>`;
}

import { count, duration, STAGE_TITLES, units } from '../format.ts';
import type { RunReport, Throughput } from '../report.ts';
import { html, type Markup } from './html.ts';
import { section, table } from './parts.ts';
import { axisTicks } from './timeline-section.ts';

const HEIGHT = 130;
const MOST_STEPS = 48;
/** Below this many batches, or this much time, a curve would be an invention. */
const LEAST_POINTS = 4;
const LEAST_MS = 20;

/** Records a second, over the time in which a stage wrote. */
export function throughputSection(report: RunReport): Markup | undefined {
  const all = (report.throughput ?? []).filter(({ points }) => (points.at(-1)?.[1] ?? 0) > 0);
  if (all.length === 0) return undefined;
  const drawn = all.filter((one) => isDrawn(one));
  const plots = drawn.map((one) => plot(one, unitOf(report, one)));
  const others = all.filter((one) => !isDrawn(one)).map((one) => inWords(one, unitOf(report, one)));
  const intro = 'Records that are through, each second, while the store was written to. The dashed line is the mean.';
  const words = others.length === 0 ? undefined : html`<p class="soft few">${others.join(' ')}</p>`;
  return section('throughput', 'Throughput', html`<div class="plots">${plots}</div>${words}`, intro);
}

function unitOf({ stages }: RunReport, { stage }: Throughput): string {
  return stages.find(({ name }) => name === stage)?.unit ?? 'records';
}

function isDrawn({ points }: Throughput): boolean {
  return points.length >= LEAST_POINTS && (points.at(-1)?.[0] ?? 0) - (points[0]?.[0] ?? 0) >= LEAST_MS;
}

function inWords({ stage, points }: Throughput, unit: string): string {
  const took = (points.at(-1)?.[0] ?? 0) - (points[0]?.[0] ?? 0);
  return `${STAGE_TITLES[stage]?.short ?? stage}: ${units(points.at(-1)?.[1] ?? 0, unit)} within ${duration(took)}, too few batches for a curve.`;
}

function plot(one: Throughput, unit: string): Markup {
  const title = `${STAGE_TITLES[one.stage]?.short ?? one.stage}${one.phase === 'undo' ? ', taken back' : ''}`;
  const first = one.points[0] ?? [0, 0];
  const last = one.points.at(-1) ?? first;
  const [took, records] = [last[0] - first[0], last[1]];
  const steps = ratesOf(one.points);
  const peak = Math.max(...steps.map(({ rate }) => rate));
  const mean = (records / took) * 1_000;
  const figures = [
    ['mean', `${count(Math.round(mean))}/s`],
    ['fastest', `${count(Math.round(peak))}/s`],
    ['took', duration(took)],
  ];
  const dl = figures.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`);
  const said = `${units(records, unit)} in ${duration(took)}: ${count(Math.round(mean))} a second in the mean, ${count(Math.round(peak))} at the fastest`;
  return html`<figure class="plot panel"><h3>${title}</h3><dl>${dl}</dl>${chart({ steps, mean, said, unit, phase: one.phase })}${asTable(steps, title, unit)}</figure>`;
}

interface Step {
  readonly fromMs: number;
  readonly toMs: number;
  /** Records a second. */
  readonly rate: number;
}

/** Even steps of time; what was counted between two points is spread evenly between them. */
function ratesOf(points: Throughput['points']): readonly Step[] {
  const start = points[0]?.[0] ?? 0;
  const took = (points.at(-1)?.[0] ?? 0) - start;
  const number = Math.max(2, Math.min(MOST_STEPS, Math.floor(points.length / 2)));
  const edge = (index: number) => start + (took * index) / number;
  return Array.from({ length: number }, (_, index) => {
    const [fromMs, toMs] = [edge(index), edge(index + 1)];
    return { fromMs, toMs, rate: ((recordsAt(points, toMs) - recordsAt(points, fromMs)) / (toMs - fromMs)) * 1_000 };
  });
}

function recordsAt(points: Throughput['points'], ms: number): number {
  const next = points.findIndex(([at]) => at >= ms);
  const after = points[next < 0 ? points.length - 1 : next] ?? [0, 0];
  const before = points[Math.max(0, (next < 0 ? points.length : next) - 1)] ?? after;
  if (after[0] <= before[0]) return after[1];
  return before[1] + ((after[1] - before[1]) * (Math.min(ms, after[0]) - before[0])) / (after[0] - before[0]);
}

interface Chart {
  readonly steps: readonly Step[];
  readonly mean: number;
  readonly said: string;
  readonly unit: string;
  readonly phase: Throughput['phase'];
}

/** Text keeps its size, the curve fills the width: two drawings in one. */
function chart({ steps, mean, said, unit, phase }: Chart): Markup {
  const top = niceTop(Math.max(...steps.map(({ rate }) => rate)));
  const [from, to] = [steps[0]?.fromMs ?? 0, steps.at(-1)?.toMs ?? 1];
  const x = (ms: number) => Number((((ms - from) / (to - from)) * 1_000).toFixed(1));
  const y = (rate: number) => Number((HEIGHT - (rate / top) * HEIGHT).toFixed(1));
  const edges = steps.map((step) => `H${x(step.fromMs)}V${y(step.rate)}H${x(step.toMs)}`).join('');
  const line = `M0 ${y(steps[0]?.rate ?? 0)}${edges}`;
  const meanY = y(mean);
  const grid = [0, 0.5, 1].map((share) => {
    const at = HEIGHT - share * HEIGHT + 16;
    const label =
      share === 0
        ? undefined
        : html`<text class="tick" x="0" y="${at - 4}">${count(Math.round(top * share))}${share === 1 ? ` ${unit}/s` : ''}</text>`;
    return html`<line class="${share === 0 ? 'base' : 'grid'}" x1="0" x2="100%" y1="${at}" y2="${at}"/>${label}`;
  });
  return html`<svg height="${HEIGHT + 38}" role="img"><title>Throughput</title><desc>${said}</desc>${grid}<svg y="16" width="100%" height="${HEIGHT}" viewBox="0 0 1000 ${HEIGHT}" preserveAspectRatio="none"><path class="area ${phase}" d="${line}V${HEIGHT}H0z"/><path class="line ${phase}" d="${line}"/></svg><line class="mean" x1="0" x2="100%" y1="${meanY + 16}" y2="${meanY + 16}"/>${axisTicks(to - from, HEIGHT + 32)}</svg>`;
}

/** 1, 2, 2.5 or 5 times a power of ten that is not below. */
function niceTop(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 1.5, 2, 3, 4, 5, 8, 10].map((factor) => factor * power).find((one) => one >= value) ?? 10 * power;
}

const MOST_ROWS = 12;

function asTable(steps: readonly Step[], title: string, unit: string): Markup {
  const each = Math.ceil(steps.length / MOST_ROWS);
  const rows = Array.from({ length: Math.ceil(steps.length / each) }, (_, index) => {
    const part = steps.slice(index * each, (index + 1) * each);
    const rate = part.reduce((sum, step) => sum + step.rate, 0) / part.length;
    return [duration(part[0]?.fromMs ?? 0), duration(part.at(-1)?.toMs ?? 0), count(Math.round(rate))];
  });
  const columns = ['from', 'to', `${unit}/s`].map((column, index) => ({ title: column, number: index > 0 }));
  return html`<details><summary>As a table</summary>${table(`${title}: ${unit} a second`, columns, rows)}</details>`;
}

import type { PhaseSpan, RunPhase, Throughput } from '../report/report.ts';
import type { StageName } from '../stages/stage.ts';

/** Spans that a report keeps: a run has some dozens, a list of many waves any number. */
export const MOST_SPANS = 400;
/** Points that a report keeps of one stage. */
export const MOST_POINTS = 120;

type Point = Throughput['points'][number];

/** When each stage did what, and how many records were through at which moment. Its size is bounded, however long a run. */
export class RunTrace {
  readonly #now: () => number;
  readonly #zero: number;
  readonly #spans: PhaseSpan[] = [];
  readonly #series = new Map<string, { stage: StageName; phase: Throughput['phase']; series: Series }>();

  /** `now`: ms, of a clock that never goes back. The trace begins now. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#zero = now();
  }

  /** A stage begins to write. */
  begin(stage: StageName, phase: RunPhase): void {
    if (phase === 'apply' || phase === 'undo') this.#of(stage, phase).add(this.#since(), 0);
  }

  /** Some records of a stage are through. */
  count(stage: StageName, phase: RunPhase, records: number): void {
    if (phase === 'apply' || phase === 'undo') this.#of(stage, phase).add(this.#since(), records);
  }

  /** A phase of a stage that took so long ends. */
  span(stage: StageName, phase: RunPhase, ms: number): void {
    if (this.#spans.length >= MOST_SPANS) return;
    const pass = this.#spans.filter((span) => span.stage === stage && span.phase === phase).length + 1;
    const endMs = this.#since();
    this.#spans.push({ stage, phase, pass, startMs: Math.max(0, endMs - Math.round(ms)), endMs });
  }

  timeline(): readonly PhaseSpan[] {
    return [...this.#spans];
  }

  throughput(): readonly Throughput[] {
    return [...this.#series.values()].map(({ stage, phase, series }) => ({ stage, phase, points: series.points() }));
  }

  #of(stage: StageName, phase: Throughput['phase']): Series {
    const key = `${phase} ${stage}`;
    const known = this.#series.get(key) ?? { stage, phase, series: new Series() };
    this.#series.set(key, known);
    return known.series;
  }

  #since(): number {
    return Math.max(0, Math.round(this.#now() - this.#zero));
  }
}

/** A sum over time. Where it has too many points, every other goes and the least distance doubles: the sum stays exact. */
class Series {
  #points: Point[] = [];
  #leastMs = 1;
  #last: Point = [0, 0];

  add(atMs: number, records: number): void {
    const isFirst = this.#points.length === 0;
    this.#last = [atMs, this.#last[1] + records];
    const before = this.#points.at(-1)?.[0] ?? 0;
    if (!isFirst && atMs - before < this.#leastMs) return;
    this.#points.push(this.#last);
    // One place is kept for the end.
    if (this.#points.length < MOST_POINTS) return;
    this.#points = this.#points.filter((_, index) => index % 2 === 0);
    this.#leastMs = Math.max(this.#leastMs * 2, Math.ceil((atMs - (this.#points[0]?.[0] ?? 0)) / MOST_POINTS));
  }

  points(): readonly Point[] {
    const end = this.#points.at(-1);
    if (end === undefined || end === this.#last) return [...this.#points];
    // Within the same millisecond there is one point, the last.
    const kept = end[0] === this.#last[0] && this.#points.length > 1 ? this.#points.slice(0, -1) : this.#points;
    return [...kept, this.#last];
  }
}

/** Some points of many, evenly chosen, the first and the last among them. */
export function thinned(points: readonly Point[], most: number = MOST_POINTS): readonly Point[] {
  if (points.length <= most) return points;
  const step = (points.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, index) => points[Math.round(index * step)] ?? [0, 0]);
}

import type { PhaseSpan, RunReport, Throughput } from '../report/report.ts';
import { MOST_SPANS, thinned } from './run-trace.ts';

/** Timeline and throughput of several runs, one after the other, as those of one that began at `startedAt` (ms since the epoch). */
export function joinedTrace(
  reports: readonly RunReport[],
  startedAt: number,
): Required<Pick<RunReport, 'timeline' | 'throughput'>> {
  const timeline: PhaseSpan[] = [];
  const passes = new Map<string, number>();
  const series = new Map<string, Throughput>();
  for (const report of reports) {
    const offset = Math.max(0, Date.parse(report.startedAt) - startedAt);
    for (const span of report.timeline ?? []) {
      const key = `${span.stage} ${span.phase}`;
      const pass = (passes.get(key) ?? 0) + 1;
      passes.set(key, pass);
      timeline.push({ ...span, pass, startMs: span.startMs + offset, endMs: span.endMs + offset });
    }
    for (const { stage, phase, points } of report.throughput ?? []) {
      const key = `${stage} ${phase}`;
      const before = series.get(key)?.points ?? [];
      const sum = before.at(-1)?.[1] ?? 0;
      const later = points.map(([ms, records]) => [ms + offset, records + sum] as const);
      series.set(key, { stage, phase, points: [...before, ...later] });
    }
  }
  const throughput = [...series.values()].map((one) => ({ ...one, points: thinned(one.points) }));
  return { timeline: timeline.slice(0, MOST_SPANS), throughput };
}

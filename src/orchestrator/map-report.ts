import type { MapFolder } from '../journal/map-folder.ts';
import { errorText } from '../model/errors.ts';
import type { Move } from '../model/move.ts';
import type { Waves } from '../model/waves.ts';
import type { EndCounts, RunReport, RunTotals, StageRow, TenantCounts, TenantRow, WaveRow } from '../report/report.ts';
import { stageOrder } from '../stages/index.ts';
import type { StageName } from '../stages/stage.ts';
import { placeOf } from './map-preview.ts';
import type { MapState, WaveState } from './map-state.ts';

/** The rows of several runs as one: sums, and the status that says most. */
export function joinedRows(reports: readonly RunReport[]): readonly StageRow[] {
  return stageOrder.flatMap((name) => {
    const rows = reports.flatMap(({ stages }) => stages.filter((row) => row.name === name));
    const [first, ...others] = rows;
    return first === undefined ? [] : [others.reduce(joined, first)];
  });
}

const SAYS_MOST: readonly StageRow['status'][] = ['undo-failed', 'failed', 'not-run', 'undone', 'done', 'skipped'];

function joined(a: StageRow, b: StageRow): StageRow {
  const phases = { ...a.phases };
  for (const [phase, ms] of Object.entries(b.phases)) phases[phase] = (phases[phase] ?? 0) + ms;
  const status = SAYS_MOST.find((one) => one === a.status || one === b.status) ?? b.status;
  return {
    name: a.name,
    status,
    unit: a.unit === 'records' ? b.unit : a.unit,
    found: a.found + b.found,
    atTarget: a.atTarget + b.atTarget,
    moved: a.moved + b.moved,
    skipped: a.skipped + b.skipped,
    conflicts: a.conflicts + b.conflicts,
    failed: a.failed + b.failed,
    vanished: a.vanished + b.vanished,
    ms: a.ms + b.ms,
    phases,
    estimateMs: a.estimateMs + b.estimateMs,
    shapes: [...a.shapes, ...b.shapes],
    ...(a.after === undefined || b.after === undefined ? {} : { after: sumOf(a.after, b.after) }),
    ...(a.run === undefined && b.run === undefined ? {} : { run: runTotals(a.run ?? a, b.run ?? b) }),
  };
}

function runTotals(a: RunTotals, b: RunTotals): RunTotals {
  return { found: a.found + b.found, moved: a.moved + b.moved };
}

function sumOf(a: EndCounts, b: EndCounts): EndCounts {
  return { source: a.source + b.source, target: a.target + b.target };
}

/** What became of each wave. `reports`: of those that this command ran, by the index of the wave. */
export function waveRows(
  waves: readonly (readonly Move[])[],
  state: MapState | undefined,
  reports: ReadonlyMap<number, RunReport>,
): readonly WaveRow[] {
  return waves.map((moves, index) => {
    const known = state?.waves[index];
    return { wave: index + 1, moves, runId: known?.run?.record.id, status: statusOf(known, reports.get(index)) };
  });
}

function statusOf(known: WaveState | undefined, report: RunReport | undefined): WaveRow['status'] {
  if (known?.state === 'done') return 'done';
  if (known?.state === 'rolled-back') return 'undone';
  if (known?.state === 'unfinished') return known.run?.record.state === 'failed' ? 'failed' : 'stopped';
  return report?.outcome === 'refused' ? 'refused' : 'not-run';
}

/** What became of each tenant of the list, from what each wave says of its moves. */
export function mapTenants(moves: readonly Move[], waves: Waves, told: Told): readonly TenantRow[] {
  return moves.map(({ source, target }) => {
    const place = placeOf(source, waves);
    const last = told.row(place.wave - 1, place.through ?? source);
    const firstIndex = waves.waves.findIndex((wave) => wave.some((move) => move.source === source));
    const first = place.through === undefined ? last : told.row(firstIndex, source);
    const arrived = last !== undefined && last.status !== 'undone';
    // At the temporary id: it has left, and has not arrived.
    const status = !arrived && first !== last && first?.status === 'done' ? 'partial' : (last ?? first)?.status;
    const stages: Partial<Record<StageName, TenantCounts>> = {};
    for (const name of stageOrder) {
      const [from, to] = [first?.stages[name], last?.stages[name]];
      if (from === undefined) continue;
      stages[name] = { ...from, atTarget: to?.atTarget ?? 0, moved: to === undefined ? 0 : to.moved };
    }
    return { source, target, ...place, status: status ?? 'not-run', stages };
  });
}

interface Told {
  /** What the wave says of the move with this source. */
  row(wave: number, source: string): TenantRow | undefined;
}

/** The tenants as the reports of the waves tell of them: of this command's runs, and as stored by earlier ones. */
export async function toldBy(state: MapState | undefined, reports: ReadonlyMap<number, RunReport>): Promise<Told> {
  const all = new Map(reports);
  for (const [index, { run }] of (state?.waves ?? []).entries()) {
    if (all.has(index) || run === undefined) continue;
    const stored = await run.readReport();
    if (isReport(stored)) all.set(index, stored);
  }
  return {
    row: (wave, source) => {
      const row = all.get(wave)?.tenants?.find((one) => one.source === source);
      return state?.waves[wave]?.state === 'rolled-back' && row !== undefined ? { ...row, status: 'undone' } : row;
    },
  };
}

function isReport(value: unknown): value is RunReport {
  return typeof value === 'object' && value !== null && 'schema' in value && value.schema === 'tenant-migrate/report@1';
}

/** Puts the report into the map's folder. Where that cannot be, the report says so: what was done stays true. */
export async function storedInMap(folder: MapFolder | undefined, report: RunReport): Promise<RunReport> {
  if (folder === undefined) return report;
  try {
    await folder.saveReport(report);
    return report;
  } catch (error) {
    return { ...report, message: `${report.message}; the report could not be stored: ${errorText(error)}` };
  }
}

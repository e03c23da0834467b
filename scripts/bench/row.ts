import type { BaselineTime } from './baseline.ts';

/** One line of the benchmark's table. */
export interface Row {
  readonly section: string;
  readonly what: string;
  /** What ours is compared with: the floor, the baseline; absent for a time or a size alone. */
  readonly against?: { readonly name: string; readonly value: number };
  readonly ours: number;
  readonly unit: 'ms' | 'MB';
  /** Ours through the floor, or the baseline through ours: what `goal` is about. */
  readonly ratio?: number;
  /** Such as `≤ 1.3` or `< 6,000 ms`; absent where there is none. */
  readonly goal?: string;
  readonly reached?: boolean;
  /** What the reader must know: an extrapolation, a simulated server. */
  readonly note?: string;
}

/** Ours against something else that was measured between the same rounds; small is good. */
export function over(
  row: Omit<Row, 'ratio' | 'goal' | 'reached'> & Required<Pick<Row, 'against'>> & { most?: number },
): Row {
  const { most, ...rest } = row;
  const ratio = row.ours / row.against.value;
  const goal = most === undefined ? {} : { goal: `≤ ${most}`, reached: ratio <= most };
  return { ...rest, ratio, ...goal };
}

/** Ours against the fastest loop that could do the work; small is good. */
export function overFloor(
  row: Omit<Row, 'against' | 'unit' | 'ratio' | 'goal' | 'reached'> & { floor: number; most?: number },
): Row {
  const { floor, ...rest } = row;
  return over({ ...rest, unit: 'ms', against: { name: 'floor', value: floor } });
}

/** The guide's script against ours; large is good. */
export function overOurs(
  row: Omit<Row, 'against' | 'unit' | 'ratio' | 'goal'> & { baseline: number; least: number },
): Row {
  const { baseline, least, ...rest } = row;
  const ratio = baseline / row.ours;
  const against = { name: 'baseline', value: baseline };
  return { ...rest, unit: 'ms', against, ratio, goal: `≥ ${least}`, reached: ratio >= least };
}

/** A time or a size that has a limit of its own. */
export function below(row: Omit<Row, 'against' | 'ratio' | 'goal' | 'reached'> & { limit?: number }): Row {
  const { limit, ...rest } = row;
  if (limit === undefined) return rest;
  return { ...rest, goal: `< ${limit.toLocaleString('en')} ${row.unit}`, reached: row.ours < limit };
}

/** Says that only a part was timed, where that is so. */
export function extrapolation({ timed, of }: BaselineTime): { readonly note?: string } {
  if (timed === of) return {};
  return {
    note: `baseline timed on ${timed.toLocaleString('en')} of ${of.toLocaleString('en')}, the rest extrapolated`,
  };
}

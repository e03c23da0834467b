import type { Row } from './row.ts';

const HEAD = ['', 'what', 'against', 'ours', 'ratio', 'goal', 'reached', 'note'];

/** The rows as a table for a terminal. */
export function printTable(rows: readonly Row[]): string {
  const cells = [HEAD, ...rows.map(cellsOf)];
  const widths = HEAD.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function cellsOf({ section, what, against, ours, unit, ratio, goal, reached, note }: Row): string[] {
  return [
    section,
    what,
    against === undefined ? '' : `${against.name} ${amount(against.value)} ${unit}`,
    `${amount(ours)} ${unit}`,
    ratio === undefined ? '' : ratio.toFixed(ratio < 10 ? 2 : 0),
    goal ?? '',
    reached === undefined ? '' : reached ? 'yes' : 'NO',
    note ?? '',
  ];
}

function amount(value: number): string {
  return Math.round(value).toLocaleString('en');
}

import type { ChalkInstance } from 'chalk';
import { moveText } from '../model/move.ts';
import { clean, count, STAGE_TITLES } from './format.ts';
import type { TenantRow } from './report.ts';

const MOST_LINES = 20;
const CALM: ReadonlySet<TenantRow['status']> = new Set(['done', 'planned', 'nothing-to-do', 'undone']);

/** What became of each tenant of a list: a line each, those that want a look first; beyond twenty only with `all`. */
export function tenantLines(
  tenants: readonly TenantRow[],
  { all, paint }: { readonly all: boolean; readonly paint: ChalkInstance },
): readonly string[] {
  const byNeed = [...tenants].sort((a, b) => Number(CALM.has(a.status)) - Number(CALM.has(b.status)));
  const shown = all ? byNeed : byNeed.slice(0, MOST_LINES);
  const width = Math.max(0, ...shown.map((row) => clean(moveText(row)).length));
  const sums = new Map<string, number>();
  for (const { status } of tenants) sums.set(status, (sums.get(status) ?? 0) + 1);
  const summary = [...sums].map(([status, number]) => `${count(number)} ${status}`).join(', ');
  return [
    `${count(tenants.length)} tenants: ${summary}`,
    ...shown.map((row) =>
      `  ${mark(row, paint)} ${clean(moveText(row)).padEnd(width)}  ${row.status}  ${stagesText(row)}`.trimEnd(),
    ),
    ...(shown.length < tenants.length
      ? [`    and ${count(tenants.length - shown.length)} more (--verbose shows all)`]
      : []),
  ];
}

function mark({ status }: TenantRow, paint: ChalkInstance): string {
  if (status === 'done') return paint.green('✓');
  return CALM.has(status) ? '·' : paint.yellow('!');
}

function stagesText({ status, stages, wave, through }: TenantRow): string {
  const parts = Object.entries(stages).map(([name, { found, atTarget, moved }]) => {
    const title = STAGE_TITLES[name as keyof typeof STAGE_TITLES].short;
    if (status === 'planned' || status === 'not-run') return `${title} ${count(found)}`;
    if (status === 'nothing-to-do') return `${title} ${count(atTarget)} at the target`;
    return `${title} ${moved === null ? '?' : count(moved)}/${count(found)}`;
  });
  const place = [
    ...(wave > 1 ? [`wave ${wave}`] : []),
    ...(through === undefined ? [] : [`through ${clean(through)}`]),
  ];
  return [...parts, ...place].join(', ');
}

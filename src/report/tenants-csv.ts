import type { StageName } from '../stages/stage.ts';
import type { TenantRow } from './report.ts';

const STAGES: readonly StageName[] = ['config', 'redis', 'qdrant', 'graph'];

/**
 * A list's tenants as CSV (RFC 4180), a line for each move. A cell that a spreadsheet would take for a formula begins with
 * an apostrophe, so an id that begins with one of `= + - @` is to be read without it.
 */
export function tenantsCsv(tenants: readonly TenantRow[]): string {
  const used = STAGES.filter((stage) => tenants.some((row) => row.stages[stage] !== undefined));
  const head = ['source', 'target', 'became', 'wave', 'through'];
  const counts = used.flatMap((stage) => [`${stage}_found`, `${stage}_at_target`, `${stage}_moved`]);
  const lines = tenants.map(({ source, target, status, wave, through, stages }) => [
    source,
    target,
    status,
    String(wave),
    through ?? '',
    ...used.flatMap((stage) => {
      const { found, atTarget, moved } = stages[stage] ?? {};
      return [found, atTarget, moved].map((number) => (typeof number === 'number' ? String(number) : ''));
    }),
  ]);
  return [[...head, ...counts], ...lines].map((cells) => `${cells.map(csvCell).join(',')}\r\n`).join('');
}

/** One cell: never a formula, in quotes where it must be. */
export function csvCell(text: string): string {
  const harmless = /^\s*[=+\-@\t\r\n]/.test(text) || /^[\t\r\n]/.test(text) ? `'${text}` : text;
  return /[",\r\n\t]|^\s|\s$|^'/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

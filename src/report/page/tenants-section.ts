import { count, STAGE_TITLES } from '../format.ts';
import type { RunReport, TenantCounts, TenantRow, WaveRow } from '../report.ts';
import { byNeed, type Tone, tenantWords } from '../report-view.ts';
import { html, type Markup, type Part } from './html.ts';
import { andMore, name, section, table, tag } from './parts.ts';

const MOST_TENANTS = 300;
const MOST_WAVES = 100;

/** What became of each tenant of a list: those that want a look first. */
export function tenantsSection(report: RunReport): Markup | undefined {
  const { tenants, stages } = report;
  if (tenants === undefined || tenants.length === 0) return undefined;
  const names = stages.map((row) => row.name).filter((stage) => tenants.some((row) => row.stages[stage] !== undefined));
  const hasWaves = tenants.some(({ wave }) => wave > 1);
  const columns = [
    { title: 'from' },
    { title: 'to' },
    { title: 'became' },
    ...(hasWaves ? [{ title: 'wave', number: true }] : []),
    ...names.map((stage) => ({ title: STAGE_TITLES[stage].short, number: true })),
  ];
  const shown = byNeed(tenants).slice(0, MOST_TENANTS);
  const lines = shown.map((row): readonly Part[] => [
    name(row.source),
    row.through === undefined
      ? name(row.target)
      : html`${name(row.target)}<br><span class="soft">through ${name(row.through)}</span>`,
    tag(tenantWords(row)),
    ...(hasWaves ? [String(row.wave)] : []),
    ...names.map((stage) => countsOf(row, row.stages[stage])),
  ]);
  const sums = new Map<string, number>();
  for (const row of tenants) sums.set(tenantWords(row).words, (sums.get(tenantWords(row).words) ?? 0) + 1);
  const intro = [...sums].map(([words, number]) => `${count(number)} ${words}`).join(', ');
  const body = html`${table('Each tenant: moved of found, in each store', columns, lines)}${andMore(tenants.length, shown.length, 'in tenants.csv')}`;
  return section('tenants', 'Tenants', html`<div class="stack">${body}${wavesTable(report.waves)}</div>`, `${intro}.`);
}

function countsOf({ status }: TenantRow, counts: TenantCounts | undefined): string {
  if (counts === undefined) return '–';
  if (status === 'planned' || status === 'not-run') return count(counts.found);
  if (status === 'nothing-to-do') return `${count(counts.atTarget)} there`;
  return `${counts.moved === null ? '?' : count(counts.moved)} of ${count(counts.found)}`;
}

const WAVE_TONES: Readonly<Record<WaveRow['status'], Tone>> = {
  done: 'good',
  failed: 'bad',
  refused: 'bad',
  stopped: 'warn',
  undone: 'plain',
  'not-run': 'plain',
};

function wavesTable(waves: readonly WaveRow[] | undefined): Part {
  if (waves === undefined || waves.length === 0) return undefined;
  const columns = [{ title: 'Wave' }, { title: 'moves', number: true }, { title: 'became' }, { title: 'run' }];
  const lines = waves
    .slice(0, MOST_WAVES)
    .map(({ wave, moves, status, runId }) => [
      String(wave),
      count(moves.length),
      tag({ tone: WAVE_TONES[status] ?? 'plain', words: status }),
      runId === undefined ? '–' : name(runId),
    ]);
  return html`${table('Waves, in their order', columns, lines)}${andMore(waves.length, lines.length, 'in report.json')}`;
}

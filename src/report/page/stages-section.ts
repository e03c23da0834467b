import { count, duration, STAGE_TITLES } from '../format.ts';
import type { RunReport, StageRow } from '../report.ts';
import { countsText, inRun, statusOf, takingPart, workOf } from '../report-view.ts';
import { html, type Markup, type Part } from './html.ts';
import { meter, name, percent, section, table, tag } from './parts.ts';

/** Each store at a glance. */
export function storesSection(report: RunReport): Markup | undefined {
  if (report.stages.length === 0) return undefined;
  const cards = report.stages.map((row) => storeCard(row, report));
  return html`<section aria-labelledby="stores"><h2 id="stores" class="skip">Stores</h2><div class="stores">${cards}</div></section>`;
}

function storeCard(row: StageRow, report: RunReport): Markup {
  const { done, records } = workOf(row, report);
  const { found } = inRun(row);
  const facts = report.stores?.[row.name];
  const isOut = row.status === 'skipped';
  const share = found === 0 ? (records > 0 ? 1 : 0) : report.outcome === 'planned' ? 0 : records / found;
  const body = isOut
    ? html`<p class="unit">not connected to</p>`
    : html`<p class="big">${count(records)}</p><p class="unit">${records === 1 ? row.unit.replace(/s$/, '') : row.unit} ${done}</p>${meter(share, row.status === 'failed' ? 'bad' : '')}`;
  const where =
    facts === undefined
      ? undefined
      : html`<p class="where">${facts.server === undefined ? undefined : html`${facts.server}<br>`}${name(facts.address)}</p>`;
  return html`<div class="store"><h3>${STAGE_TITLES[row.name].short} ${tag(statusOf(row, report))}</h3>${body}${where}</div>`;
}

/** The numbers of each stage. Columns that say nothing are left out, but never `failed`. */
export function stagesSection(report: RunReport): Markup | undefined {
  const rows = takingPart(report).filter(({ status }) => status !== 'not-run' || report.outcome === 'planned');
  if (rows.length === 0) return undefined;
  const has = (of: (row: StageRow) => number) => rows.some((row) => of(row) > 0);
  const counted: readonly (readonly [string, (row: StageRow) => number, boolean])[] = [
    ['skipped', (row) => row.skipped, has((row) => row.skipped)],
    ['conflicts', (row) => row.conflicts, has((row) => row.conflicts)],
    ['gone meanwhile', (row) => row.vanished, has((row) => row.vanished)],
    ['failed', (row) => row.failed, report.outcome !== 'planned'],
  ];
  const shown = counted.filter(([, , isShown]) => isShown);
  const first = rows[0];
  const columns = [
    { title: 'Store' },
    { title: 'Result' },
    { title: 'found', number: true },
    { title: first === undefined ? 'moved' : workOf(first, report).done, number: true },
    ...shown.map(([title]) => ({ title, number: true })),
    { title: 'time, all phases', number: true },
  ];
  const lines = rows.map((row): readonly Part[] => [
    STAGE_TITLES[row.name].short,
    tag(statusOf(row, report)),
    count(inRun(row).found),
    count(workOf(row, report).records),
    ...shown.map(([, of]) => count(of(row))),
    report.outcome === 'planned' && report.command !== 'rollback'
      ? `about ${duration(row.estimateMs)}`
      : duration(row.ms),
  ]);
  return section('stages', 'Stage by stage', table('What became of the records of each store', columns, lines));
}

/** What stood at both ends before, and after: the second counted by verify, by other means than the move's. */
export function countsSection(report: RunReport): Markup | undefined {
  const rows = takingPart(report).filter((row) => row.found + row.atTarget > 0 || row.after !== undefined);
  if (rows.length === 0 || report.outcome === 'refused') return undefined;
  const numbers = ['source before', 'target before', 'source after', 'target after'];
  const columns = [
    { title: 'Records' },
    ...numbers.map((title) => ({ title, number: true })),
    { title: 'Share of each id, before and after', picture: true },
  ];
  const lines = rows.map((row): readonly Part[] => {
    const { before, after } = countsText(row);
    return [
      html`${STAGE_TITLES[row.name].short} <span class="unit">${row.unit}</span>`,
      ...before,
      ...after,
      bars(row),
    ];
  });
  const legend = html`<ul class="legend wide"><li>${swatch('from')}under the source</li><li>${swatch('')}under the target</li></ul>`;
  return section(
    'counts',
    'Before and after',
    html`${table('Records under each id', columns, lines)}${legend}`,
    intro(report, rows),
  );
}

function intro({ outcome }: RunReport, rows: readonly StageRow[]): string {
  if (outcome === 'planned' || outcome === 'nothing-to-do') return 'As the plan found the stores. Nothing was written.';
  const told =
    'Before: as the plan found the stores. After: as they were counted last, by other requests than those that moved.';
  const keepsConfig =
    outcome === 'done' && rows.some(({ name: stage, after }) => stage === 'config' && (after?.source ?? 0) > 0);
  return keepsConfig ? `${told} The source’s config stays where --delete-source-config is not given.` : told;
}

function swatch(kind: string): Markup {
  return html`<svg class="swatch" aria-hidden="true" focusable="false"><rect class="fill ${kind}" width="100%" height="100%"/></svg>`;
}

/** Two bars of the same scale: how the records were shared between the ids, and how they are. Its row says the same in numbers. */
function bars(row: StageRow): Markup {
  const most = Math.max(1, row.found + row.atTarget, (row.after?.source ?? 0) + (row.after?.target ?? 0));
  const both = (source: number, target: number, y: number) =>
    html`<rect class="track" y="${y}" width="100%" height="8"/><rect class="fill from" y="${y}" width="${percent(source / most)}" height="8"/><rect class="fill" x="${percent(source / most)}" y="${y}" width="${percent(target / most)}" height="8"/>`;
  const after = row.after === undefined ? undefined : both(row.after.source, row.after.target, 11);
  return html`<svg class="bars" height="19" aria-hidden="true" focusable="false">${both(row.found, row.atTarget, 0)}${after}</svg>`;
}

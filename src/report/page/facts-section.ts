import { count, duration, STAGE_TITLES } from '../format.ts';
import type { RunReport } from '../report.ts';
import { clipped, settingText } from '../report-view.ts';
import { html, type Markup } from './html.ts';
import { name, pairs, section, table } from './parts.ts';

const LONGEST_SETTING = 400;

/** What the operator was told by the way, and what had to be tried again. */
export function notesSection({ notes = [], retries = [] }: RunReport): Markup | undefined {
  if (notes.length + retries.length === 0) return undefined;
  const said = notes.map(({ atMs, stage, text, count: times }) => [
    duration(atMs),
    stage === undefined ? 'Run' : (STAGE_TITLES[stage]?.short ?? stage),
    times > 1 ? `${text} (${count(times)} times)` : text,
  ]);
  const tried = retries.map(({ stage, reason, count: times, waitedMs }) => [
    STAGE_TITLES[stage]?.short ?? stage,
    reason,
    count(times),
    duration(waitedMs),
  ]);
  const notesTable = table('What the run said', [{ title: 'after' }, { title: 'of' }, { title: 'text' }], said);
  const columns = [
    { title: 'Store' },
    { title: 'reason' },
    { title: 'tries', number: true },
    { title: 'waited', number: true },
  ];
  const triesTable = table('Requests that were tried again', columns, tried);
  return section(
    'notes',
    'Notes',
    html`<div class="stack">${said.length > 0 ? notesTable : undefined}${tried.length > 0 ? triesTable : undefined}</div>`,
  );
}

/** With what it ran, and where. */
export function surroundingsSection({ settings, environment, stores, toolVersion }: RunReport): Markup {
  const versions: (readonly [string, string])[] = [['tenant-migrate', toolVersion]];
  if (environment !== undefined) {
    versions.push(['Node', environment.node], ['platform', environment.platform]);
    if (environment.ci !== undefined) versions.push(['pipeline', environment.ci]);
  }
  const servers = Object.entries(stores ?? {}).map(([stage, facts]) => {
    const { address, server } = facts;
    const title = STAGE_TITLES[stage as keyof typeof STAGE_TITLES]?.short ?? stage;
    return [title, html`${server ?? 'version not told'}<br>${name(address)}`] as const;
  });
  const all = Object.entries(settings ?? {});
  const isSet = ([, value]: (typeof all)[number]) => value !== false && settingText(value) !== '–';
  const set = all
    .filter(isSet)
    .map(([flag, value]) => [flag, html`<code>${clipped(settingText(value), LONGEST_SETTING)}</code>`] as const);
  const unset = all.filter((entry) => !isSet(entry)).map(([flag]) => flag);
  const rest = unset.length === 0 ? undefined : html`<p class="soft few">Off or not set: ${unset.join(', ')}.</p>`;
  const left = html`<div class="panel"><h3>Versions and servers</h3>${pairs([...versions, ...servers])}</div>`;
  const right = all.length === 0 ? undefined : html`<div class="panel"><h3>Settings</h3>${pairs(set)}${rest}</div>`;
  return section(
    'surroundings',
    'Settings and environment',
    html`<div class="two">${left}${right}</div>`,
    'As the run’s record keeps them. Secrets are never among them.',
  );
}

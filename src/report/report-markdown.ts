import { moveText } from '../model/move.ts';
import type { Finding } from '../stages/stage.ts';
import { count, duration, STAGE_TITLES } from './format.ts';
import { mdBlock, mdCode, mdTable, mdText } from './markdown-text.ts';
import type { RunReport, StageRow } from './report.ts';
import {
  byNeed,
  clipped,
  countsText,
  dateText,
  findingGroups,
  inRun,
  settingText,
  statusOf,
  subject,
  summarySentence,
  type Tone,
  takingPart,
  tenantWords,
  verdictOf,
  workOf,
} from './report-view.ts';

const SIGNS: Readonly<Record<Tone, string>> = { good: '✅', bad: '❌', warn: '⚠️', plain: '▫️' };
const MOST_TENANTS = 100;
const MOST_OF_A_GROUP = 30;
const MOST_SHAPES = 15;
const MOST_SAMPLES = 5;
const LONGEST = 1_000;

/** The report as Markdown. `short`: only how it ended, for places that bear no more. */
export function reportMarkdown(report: RunReport, { short = false }: { readonly short?: boolean } = {}): string {
  const parts = short
    ? [heading(report), stages(report)]
    : [
        heading(report),
        problems(report),
        stages(report),
        ...findings(report, true),
        tenants(report),
        counts(report),
        phases(report),
        shapes(report),
        ...findings(report, false),
        notes(report),
        surroundings(report),
      ];
  return `${parts.filter((part) => part !== undefined).join('\n\n')}\n`;
}

function heading(report: RunReport): string {
  const { tone, words } = verdictOf(report);
  const { moves, error, message, next, limit, command, dryRun, runId, exitCode, ms, startedAt } = report;
  const [move] = moves;
  const what =
    move !== undefined && moves.length === 1 ? mdCode(clipped(moveText(move), 600)) : mdText(subject(report));
  const run = runId === 'none' ? 'not recorded' : mdCode(runId);
  return [
    `## ${SIGNS[tone]} ${words}: ${what}`,
    mdText(clipped(summarySentence(report), LONGEST)),
    ...(error === null || error === message ? [] : [mdText(clipped(error, LONGEST))]),
    ...(limit === null ? [] : [`Stopped by ${mdCode(`--${limit.name}`)}: ${mdText(limit.text)}`]),
    ...nextParts(next),
    mdTable(
      ['exit code', 'duration', 'command', 'run', 'began'],
      [[String(exitCode), duration(ms), `${command}${dryRun ? ' --dry-run' : ''}`, run, dateText(startedAt)]],
    ),
  ].join('\n\n');
}

/** A command that can be copied as it stands: what is to be done before stands beside it. */
function nextParts(next: string | null): readonly string[] {
  if (next === null) return [];
  const [, command = next, advice] = /^(.*?) {3}\(first: (.*)\)$/s.exec(next) ?? [];
  const first = advice === undefined ? [] : [`First: ${mdText(clipped(advice, LONGEST))}`];
  return [...first, `${advice === undefined ? 'Next' : 'Then'}:\n\n${mdBlock(clipped(command, LONGEST))}`];
}

function problems({ problems: all }: RunReport): string | undefined {
  if (all.length === 0) return undefined;
  const lines = all
    .slice(0, MOST_OF_A_GROUP)
    .map(
      ({ stage, code, message, fix }) =>
        `- **${titleOf(stage)}** ${mdCode(code)}: ${mdText(clipped(message, LONGEST))}  \n  to do: ${mdCode(clipped(fix, LONGEST))}`,
    );
  return `### Problems\n\n${lines.join('\n')}${more(all.length, MOST_OF_A_GROUP)}`;
}

function stages(report: RunReport): string | undefined {
  const rows = report.stages;
  if (rows.length === 0) return undefined;
  const first = takingPart(report)[0];
  const work = first === undefined ? 'moved' : workOf(first, report).done;
  const cells = (row: StageRow) => {
    const { tone, words } = statusOf(row, report);
    const numbers =
      row.status === 'skipped'
        ? ['–', '–', '–', '–', '–']
        : [inRun(row).found, workOf(row, report).records, row.skipped + row.conflicts, row.failed]
            .map(count)
            .concat(duration(row.ms));
    return [STAGE_TITLES[row.name].short, `${SIGNS[tone]} ${words}`, mdText(row.unit), ...numbers];
  };
  const titles = [
    'store',
    'result',
    'records',
    '>found',
    `>${work}`,
    '>left as they are',
    '>failed',
    '>time, all phases',
  ];
  return `### Stores\n\n${mdTable(titles, rows.map(cells))}`;
}

function counts(report: RunReport): string | undefined {
  const rows = takingPart(report).filter((row) => row.found + row.atTarget > 0 || row.after !== undefined);
  if (rows.length === 0 || report.outcome === 'refused') return undefined;
  const titles = ['store', '>source before', '>target before', '>source after', '>target after'];
  const lines = rows.map((row) => {
    const { before, after } = countsText(row);
    return [STAGE_TITLES[row.name].short, ...before, ...after];
  });
  return `### Before and after\n\n${mdTable(titles, lines)}`;
}

function phases({ stages: rows }: RunReport): string | undefined {
  const names = ['preflight', 'plan', 'apply', 'verify', 'finalize', 'undo'];
  const used = names.filter((phase) => rows.some((row) => row.phases[phase] !== undefined));
  if (used.length === 0) return undefined;
  const lines = rows
    .filter(({ status }) => status !== 'skipped')
    .map((row) => [
      STAGE_TITLES[row.name].short,
      ...used.map((phase) => (row.phases[phase] === undefined ? '–' : duration(row.phases[phase]))),
    ]);
  return `### Time in each phase\n\n${mdTable(['store', ...used.map((phase) => `>${phase}`)], lines)}`;
}

function shapes({ stages: rows, outcome }: RunReport): string | undefined {
  const all = rows
    .filter(({ status }) => status !== 'skipped')
    .flatMap((row) => row.shapes.map((shape) => ({ ...shape, row })))
    .sort((a, b) => b.count - a.count);
  if (all.length === 0 || outcome === 'refused') return undefined;
  const lines = all
    .slice(0, MOST_SHAPES)
    .map(({ row, from, to, count: number }) => [
      STAGE_TITLES[row.name].short,
      mdCode(clipped(from, 200)),
      mdCode(clipped(to, 200)),
      count(number),
    ]);
  return `### Renames\n\n${mdTable(['store', 'from', 'to', '>records'], lines)}${more(all.length, MOST_SHAPES)}`;
}

/** `urgent`: the differences, which stand above; else all others. */
function findings(report: RunReport, urgent: boolean): readonly string[] {
  return findingGroups(report)
    .filter(({ id }) => (id === 'differences') === urgent)
    .map(({ title, findings: all }) => {
      const lines = all.slice(0, MOST_OF_A_GROUP).map(findingLine);
      return `### ${title}\n\n${lines.join('\n')}${more(all.length, MOST_OF_A_GROUP)}`;
    });
}

function findingLine({ stage, kind, message, samples = [], fix }: Finding): string {
  const names = samples.slice(0, MOST_SAMPLES).map((sample) => mdCode(clipped(sample, 200)));
  return [
    `- **${titleOf(stage)}** ${mdCode(kind)}: ${mdText(clipped(message, LONGEST))}`,
    ...(names.length === 0 ? [] : [`  for example ${names.join(', ')}`]),
    ...(fix === undefined ? [] : [`  to do: ${mdCode(clipped(fix, LONGEST))}`]),
  ].join('  \n');
}

function tenants({ tenants: all }: RunReport): string | undefined {
  if (all === undefined || all.length === 0) return undefined;
  const lines = byNeed(all)
    .slice(0, MOST_TENANTS)
    .map((row) => {
      const { tone, words } = tenantWords(row);
      return [mdCode(row.source), mdCode(row.target), `${SIGNS[tone]} ${words}`, String(row.wave)];
    });
  const title = `### ${count(all.length)} tenants`;
  return `${title}\n\n${mdTable(['from', 'to', 'became', '>wave'], lines)}${more(all.length, MOST_TENANTS)}`;
}

function notes({ notes: said = [], retries = [] }: RunReport): string | undefined {
  if (said.length + retries.length === 0) return undefined;
  const lines = [
    ...said.map(
      ({ atMs, stage, text, count: times }) =>
        `- after ${duration(atMs)}, ${titleOf(stage ?? 'run')}: ${mdText(text)}${times > 1 ? ` (${count(times)} times)` : ''}`,
    ),
    ...retries.map(
      ({ stage, reason, count: times, waitedMs }) =>
        `- ${titleOf(stage)}: tried again ${times === 1 ? 'once' : `${count(times)} times`}, waited ${duration(waitedMs)}: ${mdText(reason)}`,
    ),
  ];
  return `### Notes\n\n${lines.join('\n')}`;
}

function surroundings({ settings = {}, environment, stores = {}, toolVersion }: RunReport): string {
  const facts = [
    ['tenant-migrate', mdText(toolVersion)],
    ...(environment === undefined
      ? []
      : [
          ['Node', mdText(environment.node)],
          ['platform', mdText(environment.platform)],
        ]),
    ...(environment?.ci === undefined ? [] : [['pipeline', mdText(environment.ci)]]),
    ...Object.entries(stores).map(([stage, { address, server }]) => [
      titleOf(stage as StageRow['name']),
      `${server === undefined ? '' : `${mdText(server)}, `}${mdCode(address)}`,
    ]),
  ];
  const set = Object.entries(settings).map(([flag, value]) => [
    mdCode(`--${flag}`),
    mdCode(clipped(settingText(value), 300)),
  ]);
  const table =
    set.length === 0
      ? ''
      : `\n\n<details><summary>Settings</summary>\n\n${mdTable(['setting', 'value'], set)}\n\n</details>`;
  return `### Settings and environment\n\n${mdTable(['what', 'which'], facts)}${table}`;
}

function titleOf(stage: Finding['stage'] | 'run'): string {
  return stage === 'run' ? 'Run' : (STAGE_TITLES[stage]?.short ?? mdText(stage));
}

function more(all: number, most: number): string {
  return all <= most ? '' : `\n\nand ${count(all - most)} more in report.json`;
}

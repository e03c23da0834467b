import type { Finding } from '../../stages/stage.ts';
import { count, STAGE_TITLES } from '../format.ts';
import type { RunReport } from '../report.ts';
import { clipped, findingGroups } from '../report-view.ts';
import { html, type Markup } from './html.ts';
import { andMore, name, section, tag } from './parts.ts';

const MOST_OF_A_GROUP = 60;
const MOST_SAMPLES = 10;
const LONGEST_MESSAGE = 1_500;

/** Why the run was refused. */
export function problemsSection({ problems, outcome }: RunReport): Markup | undefined {
  if (problems.length === 0) return undefined;
  const shown = problems
    .slice(0, MOST_OF_A_GROUP)
    .map(
      ({ stage, code, message, fix }) =>
        html`<li class="finding"><div>${tag({ tone: 'bad', words: titleOf(stage) })}<br><span class="kind">${code}</span></div><div class="body"><p>${clipped(message, LONGEST_MESSAGE)}</p>${fixOf(fix)}</div></li>`,
    );
  const list = html`<div class="panel"><ul>${shown}</ul>${andMore(problems.length, shown.length, 'in report.json')}</div>`;
  return section(
    'problems',
    'Problems',
    list,
    outcome === 'refused' ? 'Each of them forbids it; nothing was written.' : 'Why it did not go on.',
  );
}

/** What plan and verify saw, by what it means: differences first. */
export function findingsSections(report: RunReport): readonly Markup[] {
  return findingGroups(report).map(({ id, title, intro, tone, findings }) => {
    const shown = findings.slice(0, MOST_OF_A_GROUP).map((finding) => findingItem(finding, tone));
    const list = html`<div class="panel"><ul>${shown}</ul>${andMore(findings.length, shown.length, 'in report.json')}</div>`;
    return section(id, title, list, intro);
  });
}

function findingItem(finding: Finding, tone: 'bad' | 'warn' | 'plain'): Markup {
  const { stage, kind, message, where, samples = [], fix } = finding;
  const names = samples.slice(0, MOST_SAMPLES).map((sample) => html`<li><code>${name(sample)}</code></li>`);
  return html`<li class="finding"><div>${tag({ tone, words: titleOf(stage) })}<br><span class="kind">${kind}</span></div><div class="body"><p>${clipped(message, LONGEST_MESSAGE)}</p>
${where === undefined || message.includes(where) ? undefined : html`<p class="soft">in ${name(where)}</p>`}
${names.length === 0 ? undefined : html`<ul class="samples" aria-label="For example">${names}</ul>`}${andMore(samples.length, names.length, '')}
${fix === undefined ? undefined : fixOf(fix)}</div></li>`;
}

function fixOf(fix: string): Markup {
  return html`<p class="fix"><span class="kind">To do:</span> <code>${clipped(fix, LONGEST_MESSAGE)}</code></p>`;
}

function titleOf(stage: Finding['stage'] | 'run'): string {
  return stage === 'run' ? 'Run' : (STAGE_TITLES[stage]?.short ?? stage);
}

const MOST_SHAPES = 40;

/** What was renamed to what, with counts. */
export function shapesSection({ stages, outcome }: RunReport): Markup | undefined {
  const rows = stages.filter(({ status, shapes }) => status !== 'skipped' && shapes.length > 0);
  if (rows.length === 0 || outcome === 'refused') return undefined;
  const tables = rows.map((row) => {
    const title = STAGE_TITLES[row.name].short;
    const sorted = [...row.shapes].sort((a, b) => b.count - a.count);
    const lines = sorted
      .slice(0, MOST_SHAPES)
      .map(
        ({ from, to, count: number }) =>
          html`<tr><th scope="row">${name(from)}</th><td>${name(to)}</td><td class="n">${count(number)}</td></tr>`,
      );
    const caption = `${title}: ${row.unit} by the shape of their names`;
    const body = html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table class="shapes"><caption>${caption}</caption><thead><tr><th scope="col">from</th><th scope="col">to</th><th scope="col" class="n">${row.unit}</th></tr></thead><tbody>${lines}</tbody></table></div>`;
    return html`${body}${andMore(sorted.length, lines.length, 'in report.json')}`;
  });
  return section(
    'shapes',
    'Renames',
    html`<div class="stack">${tables}</div>`,
    '… stands for the rest of a name. Counts are those of the plan.',
  );
}

import type { ChalkInstance } from 'chalk';
import { byteSize } from '../model/byte-size.ts';
import { movesText } from '../model/move.ts';
import { recordSize } from '../model/record-size.ts';
import type { Finding, Problem, StagePlan } from '../stages/stage.ts';
import { clean, count, duration, STAGE_TITLES, units } from './format.ts';
import type { RunPlan } from './report.ts';

const MOST_SHAPES = 25;
const MOST_ALIKE = 12;

/** The plan for people: what would move, what would not, and why it might be refused. */
export function planText(
  plan: RunPlan,
  {
    problems = [],
    freeBytes,
    statements = false,
  }: {
    readonly problems?: readonly Problem[];
    readonly freeBytes: number;
    /** Lists what the run would send where a stage speaks in statements. */
    readonly statements?: boolean;
  },
  paint: ChalkInstance,
): string {
  const lines = [
    paint.bold(`Plan: ${clean(movesText(plan.moves))}`),
    '  This moves what is listed here: afterwards it is the target’s alone (the guide’s script copied keys).',
    '  The config is copied, and stays at the source unless --delete-source-config is given.',
    '  It claims only what belongs to the tenant, not every name that contains the id,',
    '  and it refuses to merge into a target that has data of its own.',
    '',
    ...plan.stages.flatMap((stage) => [...stageLines(stage, paint), '']),
    ...(statements ? plan.stages.flatMap((stage) => statementLines(stage, paint)) : []),
    ...recordLines(plan, freeBytes),
    ...problems.flatMap((problem) => problemLines(problem, paint)),
  ];
  return lines.join('\n').trimEnd();
}

function statementLines({ stage, statements = [] }: StagePlan, paint: ChalkInstance): readonly string[] {
  if (statements.length === 0) return [];
  return [
    paint.bold(`Statements for ${STAGE_TITLES[stage].short} ($… stands for ids and values)`),
    ...statements.map((text) => `  ${clean(text)};`),
    '',
  ];
}

function recordLines({ stages }: RunPlan, freeBytes: number): readonly string[] {
  if (stages.every(({ undoBytes = 0 }) => undoBytes === 0)) return [];
  const needed = byteSize(recordSize(stages));
  return [`The record of this run takes at most ${needed} in the state folder; ${byteSize(freeBytes)} are free.`, ''];
}

function stageLines(plan: StagePlan, paint: ChalkInstance): readonly string[] {
  const found = plan.moves.reduce((sum, move) => sum + move.found, 0);
  const atTarget = plan.moves.reduce((sum, move) => sum + move.atTarget, 0);
  const shapes = plan.shapes.slice(0, MOST_SHAPES);
  const width = Math.max(0, ...shapes.map((shape) => shapeText(shape).length));
  return [
    paint.bold(STAGE_TITLES[plan.stage].short),
    `  found ${units(found, plan.unit)}, at the target ${count(atTarget)}, conflicts ${count(plan.conflicts)}, about ${duration(plan.estimateMs)}`,
    ...shapes.map((shape) => `    ${shapeText(shape).padEnd(width)}  ${count(shape.count).padStart(9)}`),
    ...(plan.shapes.length > MOST_SHAPES ? [`    and ${count(plan.shapes.length - MOST_SHAPES)} more shapes`] : []),
    ...noticeLines(plan.notices, paint),
  ];
}

/** Many tenants of a list say the same of each: after some of a kind the others are only counted. */
function noticeLines(notices: readonly Finding[], paint: ChalkInstance): readonly string[] {
  return [...new Set(notices.map(({ kind }) => kind))].flatMap((kind) => {
    const alike = notices.filter((notice) => notice.kind === kind);
    const more = alike.length - MOST_ALIKE;
    const lines = alike.slice(0, MOST_ALIKE).flatMap((notice) => findingLines(notice, paint));
    return more > 0 ? [...lines, `      and ${count(more)} more such notices (--json lists all)`] : lines;
  });
}

function shapeText({ from, to }: { from: string; to: string }): string {
  return clean(`${from} → ${to}`);
}

/** A finding in one or two lines. */
export function findingLines(finding: Finding, paint: ChalkInstance): readonly string[] {
  const mark = finding.severity === 'difference' ? paint.red('✗') : paint.yellow('!');
  const unsaid = (finding.samples ?? []).filter((sample) => !finding.message.includes(sample));
  const samples = unsaid.slice(0, 5).map(clean).join(', ');
  return [
    `  ${mark} ${clean(`${STAGE_TITLES[finding.stage].short}: ${finding.message}`)}${samples === '' ? '' : paint.dim(` (${samples})`)}`,
    ...(finding.fix === undefined ? [] : [`      ${paint.cyan(clean(finding.fix))}`]),
  ];
}

/** A problem with what to do about it. */
export function problemLines(problem: Problem, paint: ChalkInstance): readonly string[] {
  const title = problem.stage === 'run' ? '' : STAGE_TITLES[problem.stage].short;
  const where = title === '' || problem.message.startsWith(title) ? '' : `${title}: `;
  return [`${paint.red('✗')} ${clean(`${where}${problem.message}`)}`, `    ${paint.cyan(clean(problem.fix))}`];
}

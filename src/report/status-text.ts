import type { ChalkInstance } from 'chalk';
import { type Move, movesText } from '../model/move.ts';
import type { StageName } from '../stages/stage.ts';
import { clean, count, duration, STAGE_TITLES } from './format.ts';

/** A run as `status` and `runs` print it, and as their `--json` documents hold it. */
export interface ListedRun {
  readonly id: string;
  readonly moves: readonly Move[];
  /** The list of several waves that it is one of. */
  readonly map?: { readonly id: string; readonly wave: number; readonly of: number } | undefined;
  readonly state: string;
  readonly unfinished: boolean;
  readonly phase: string | undefined;
  readonly stage: StageName | undefined;
  readonly stages: readonly {
    readonly name: StageName;
    readonly moved: number;
    readonly total: number;
    readonly takenBack: number;
    readonly failed: number;
    readonly openBatches: number;
  }[];
  readonly perSecond: number | undefined;
  readonly etaMs: number | undefined;
  readonly checkpointAgeMs: number | undefined;
  readonly lastError: string | undefined;
  /** What holds it back now, where its process says so: `slowed: …`, `paused: …`. */
  readonly heldBack?: string | undefined;
  readonly process: { readonly pid: number; readonly host: string; readonly command: string } | undefined;
  /** Stages that are moved and verified. */
  readonly settled: readonly StageName[];
  /** Stages that were taken back. */
  readonly undone: readonly StageName[];
  /** `whole`, `gone`, or what is wrong with it. */
  readonly journal: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly updatedAt: string;
  readonly path: string;
  /** Commands that can be typed now, the likelier first; none where nothing is left to do. */
  readonly next: readonly string[];
}

/** One line, and for a run that wants a command one more. */
export function runLine(run: ListedRun, paint: ChalkInstance): string {
  const line = `${run.id}  ${run.startedAt}  ${clean(movesText(run.moves))}${waveText(run)}  ${stateText(run, paint)}`;
  return [line, ...nextLines(run, paint)].join('\n');
}

/** Everything about one run. */
export function statusText(run: ListedRun, paint: ChalkInstance): string {
  const { process, phase, stage, perSecond, etaMs, checkpointAgeMs, lastError, heldBack, journal, unfinished } = run;
  const pace = perSecond === undefined ? '' : `, ${count(perSecond)}/s`;
  const eta = etaMs === undefined ? '' : `, ETA ${duration(etaMs)}`;
  // Where nothing is left to do, neither where it was last nor what once went wrong is news.
  const isOver = !unfinished && (run.state === 'done' || run.state === 'rolled-back');
  const at = [phase, stage].filter((part) => part !== undefined).join(' ');
  return [
    `Run ${run.id}: ${clean(movesText(run.moves))}${waveText(run)}  ${stateText(run, paint)}`,
    `  started ${run.startedAt}, last changed ${run.updatedAt}`,
    ...(process ? [`  process ${process.pid} on ${clean(process.host)} (${process.command})`] : []),
    ...(at === '' || isOver ? [] : [`  at: ${at}${pace}${eta}`]),
    ...(heldBack === undefined ? [] : [paint.yellow(`  ${clean(heldBack)}`)]),
    ...(journal === 'gone' && unfinished ? ['  what was moved is not known'] : stageLines(run)),
    ...(checkpointAgeMs === undefined || isOver ? [] : [`  last checkpoint ${duration(checkpointAgeMs)} ago`]),
    ...(journal === 'whole' ? [] : [paint.yellow(`  journal: ${clean(journal)}`)]),
    ...(lastError === undefined || isOver ? [] : [paint.red(`  last error: ${clean(lastError)}`)]),
    ...nextLines(run, paint),
  ].join('\n');
}

function waveText({ map }: ListedRun): string {
  return map === undefined ? '' : `  (wave ${map.wave} of ${map.of} of ${map.id})`;
}

/** Stages of which the run came to know something. */
function stageLines(run: ListedRun): readonly string[] {
  const known = run.stages.filter(({ moved, total, takenBack, failed }) => moved + total + takenBack + failed > 0);
  return known.map((row) => `  ${stageText(row, run)}`);
}

function stageText(row: ListedRun['stages'][number], { settled, undone }: ListedRun): string {
  const extras = [
    ...(row.takenBack > 0 ? [`${count(row.takenBack)} taken back`] : []),
    ...(row.failed > 0 ? [`${count(row.failed)} failed`] : []),
    ...(row.openBatches > 0 && !settled.includes(row.name)
      ? [`${count(row.openBatches)} ${row.openBatches === 1 ? 'batch' : 'batches'} without a known end`]
      : []),
    ...(settled.includes(row.name) ? ['verified'] : []),
    ...(undone.includes(row.name) ? ['undone'] : []),
  ];
  const more = extras.length > 0 ? ` (${extras.join(', ')})` : '';
  return `${STAGE_TITLES[row.name].short}: ${count(row.moved)} of ${count(row.total)} moved${more}`;
}

function stateText({ state, unfinished }: ListedRun, paint: ChalkInstance): string {
  return unfinished ? paint.yellow(`${state}, unfinished`) : state;
}

function nextLines({ next }: ListedRun, paint: ChalkInstance): readonly string[] {
  const [first, ...others] = next;
  if (first === undefined) return [];
  return [`   next: ${paint.cyan(clean(first))}`, ...others.map((command) => `     or: ${paint.cyan(clean(command))}`)];
}

import type { ChalkInstance } from 'chalk';
import { clean, count, duration } from './format.ts';

/** A run that is under way, as it tells of itself. */
export interface LiveRun {
  readonly run: string;
  readonly command: string;
  readonly pid: number;
  readonly phase: string | null;
  readonly stage: string | null;
  readonly stages: readonly LiveStage[];
  /** What holds it back now. */
  readonly throttle: {
    readonly level: 'go' | 'slow' | 'pause' | 'abort';
    readonly reason: string;
    /** How long it has been so, ms. */
    readonly ms: number;
  };
  /** As `--rate` has it; null where it cannot be set. */
  readonly rate: string | null;
}

/** One stage of the phase that is going on. */
export interface LiveStage {
  readonly name: string;
  readonly done: number;
  /** Null where it is not known yet. */
  readonly total: number | null;
  readonly unit: string;
  /** Records a second; null where nothing was done lately. */
  readonly perSecond: number | null;
  /** Time that is left at that rate, ms. */
  readonly etaMs: number | null;
}

/** What `control status` prints. */
export function liveText(live: LiveRun, paint: ChalkInstance): string {
  const { run, command, pid, phase, stage, stages, rate } = live;
  const at = [phase, stage].filter((part) => part !== null).join(' ');
  return [
    `Run ${clean(run)}: ${throttleText(live, paint)}`,
    `  process ${pid} (${clean(command)})${at === '' ? '' : `, at: ${clean(at)}`}`,
    ...stages.map((row) => `  ${stageText(row)}`),
    ...(rate === null || rate === 'none' ? [] : [`  rate: ${clean(rate)} a second at most`]),
  ].join('\n');
}

/** How it is restrained, in a few words. */
export function throttleText({ throttle }: Pick<LiveRun, 'throttle'>, paint: ChalkInstance): string {
  const { level, reason, ms } = throttle;
  if (level === 'go') return 'running';
  const word = { slow: 'slowed', pause: 'paused', abort: 'ends' }[level];
  return paint.yellow(`${word} for ${duration(ms)}: ${clean(reason)}`);
}

function stageText({ name, done, total, unit, perSecond, etaMs }: LiveStage): string {
  const of = total === null ? '' : ` of ${count(total)}`;
  const pace = perSecond === null ? '' : `, ${count(Math.round(perSecond))}/s`;
  const eta = etaMs === null ? '' : `, ETA ${duration(etaMs)}`;
  return `${clean(name)}: ${count(done)}${of} ${clean(unit)}${pace}${eta}`;
}

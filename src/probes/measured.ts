import { type Levels, type MeasuredSpec, measureText, type Restraint } from '../model/probe-spec.ts';
import type { ThrottleLevel } from '../model/throttle-level.ts';
import type { Reading } from './probe.ts';

/** A level is left once the value is this far below its threshold. */
const MARGIN = 0.1;

const STRONGEST_FIRST: readonly Restraint[] = ['abort', 'pause', 'slow'];

/** What a measured value means under the probe's thresholds. A value equal to its threshold is within it. */
export function measured({ kind, levels }: MeasuredSpec, what: string, value: number): Reading {
  const level = levelOver(levels, value, 0);
  const calm = levelOver(levels, value, MARGIN);
  const limit = level === 'go' ? undefined : levels[level];
  const near = calm === 'go' ? undefined : levels[calm];
  const told = `${what} ${measureText(kind, value)}`;
  if (limit !== undefined) return { level, calm, reason: `${told} > ${measureText(kind, limit)}` };
  return { level, calm, reason: near === undefined ? '' : `${told}, hardly below ${measureText(kind, near)}` };
}

function levelOver(levels: Levels<number>, value: number, margin: number): ThrottleLevel {
  for (const level of STRONGEST_FIRST) {
    const limit = levels[level];
    if (limit !== undefined && value > limit * (1 - margin)) return level;
  }
  return 'go';
}

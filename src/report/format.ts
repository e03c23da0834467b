import { amount } from '../model/amount.ts';
import { grouped } from '../model/grouped.ts';
import type { StageName } from '../stages/stage.ts';

export { clean } from '../model/clean.ts';

/** Stages as people read them, in the guide's words. */
export const STAGE_TITLES: Readonly<Record<StageName, { readonly short: string; readonly long: string }>> = {
  config: { short: 'Tenant Config', long: 'tenant config' },
  redis: { short: 'Redis', long: 'Redis keys' },
  qdrant: { short: 'Qdrant', long: 'Qdrant points' },
  graph: { short: 'Graph', long: 'graph nodes' },
};

/** 38491 → `38,491`. */
export function count(value: number): string {
  return grouped(value);
}

/** `1 key`, `2 keys`: units are given in the plural. */
export function units(value: number, unit: string): string {
  return amount(value, unit);
}

/** 950 → `950 ms`, 12345 → `12.3 s`, 125000 → `2 m 05 s`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, '0')} s`;
}

/** 950 → `1s`, 44200 → `45s`, 125000 → `2m05s`, 3725000 → `1h02m`: rounded up, for what is still to come. */
export function shortDuration(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1_000 - 0.1));
  const two = (value: number) => String(value).padStart(2, '0');
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  if (seconds < 360_000) return `${Math.floor(seconds / 3_600)}h${two(Math.floor((seconds % 3_600) / 60))}m`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** 0.4 → `0.4/s`, 812 → `812/s`, 8100 → `8.1k/s`, 1240000 → `1.2M/s`. */
export function compactRate(perSecond: number): string {
  if (perSecond < 10) return `${perSecond.toFixed(1)}/s`;
  if (perSecond < 999.5) return `${Math.round(perSecond)}/s`;
  if (perSecond < 999_950) return `${(perSecond / 1_000).toFixed(1)}k/s`;
  return `${(perSecond / 1_000_000).toFixed(1)}M/s`;
}

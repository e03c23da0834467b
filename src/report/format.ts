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

/** 1234567 → `1.2 MB`. */
export function bytes(value: number): string {
  if (value < 1_000_000) return `${Math.ceil(value / 1_000)} kB`;
  const megabytes = value / 1_000_000;
  return megabytes < 1_000 ? `${megabytes.toFixed(1)} MB` : `${(megabytes / 1_000).toFixed(1)} GB`;
}

/** 950 → `950 ms`, 12345 → `12.3 s`, 125000 → `2 m 05 s`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, '0')} s`;
}

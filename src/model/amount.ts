import { grouped } from './grouped.ts';

/** `1 key`, `2,000 keys`: units are given in the plural. */
export function amount(value: number, unit: string): string {
  return `${grouped(value)} ${value === 1 ? unit.replace(/s$/, '') : unit}`;
}

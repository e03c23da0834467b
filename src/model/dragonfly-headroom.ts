/**
 * Least share of a Dragonfly's memory that is free where keys are renamed in it. A rename takes the source away before it
 * makes the target, and splitting a table for that may find no memory at up to 30 % free (1.39.0: `generic_family.cc`,
 * `dash.h`): then the key is lost.
 */
export const DRAGONFLY_HEADROOM = 0.35;

/** Bytes; a limit of 0 is none that is told, and counts as too little. */
export interface MemoryUse {
  readonly usedMemory: number;
  readonly maxMemory: number;
}

/** Whether a Dragonfly has less free than a rename needs. */
export function isShortForRenames({ usedMemory, maxMemory }: MemoryUse): boolean {
  return maxMemory - usedMemory < maxMemory * DRAGONFLY_HEADROOM || maxMemory === 0;
}

import type { ThrottleLevel } from '../model/throttle-level.ts';

/** Something that is looked at again and again while a run writes. */
export interface Probe {
  /** In messages; the same for as long as it lives. */
  readonly name: string;
  /** Somebody says it, by a file or a hook. */
  readonly spoken: boolean;
  /** Looks in a row that must be calmer until a level is left. */
  readonly calmLooks: number;
  /** Looks in a row at which it must want the run's end until that is believed; until then it pauses. */
  readonly abortLooks: number;
  /** Looks once. Rejects where there is no answer; `signal` ends it then. */
  look(signal: AbortSignal): Promise<Reading>;
  /** Ends its connections. Never rejects. */
  close(): Promise<void>;
}

/** What one look has seen. */
export interface Reading {
  /** What is wanted by that. */
  readonly level: ThrottleLevel;
  /** The same with a margin below each threshold: what a level must fall to before it is left. Never below `level`. */
  readonly calm: ThrottleLevel;
  /** Empty where there is nothing to say. */
  readonly reason: string;
  /** Why nothing can be measured here; then nothing is wanted. */
  readonly blind?: string;
}

/** Looks of what a store measures: a few in a row are needed to be sure. */
export const CALM_LOOKS = 3;
export const ABORT_LOOKS = 3;

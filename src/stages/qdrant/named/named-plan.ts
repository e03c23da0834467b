import type { Move } from '../../../model/move.ts';
import type { SampledPoint } from '../qdrant-plan.ts';

/** Collections and aliases that are named after a source. */
export interface NamedPlan {
  readonly collections: readonly NamedCollection[];
  readonly aliases: readonly NamedAlias[];
}

/** A whole collection that gets the target's name. */
export interface NamedCollection {
  readonly move: Move;
  readonly from: string;
  readonly to: string;
  /** `copy` makes a collection of the new name; `alias` gives the old one a second name. */
  readonly mode: CollectionMode;
  /** Points of the old collection. */
  readonly points: number;
  /** Points that stand in the new collection already and not in the old. */
  readonly others: number;
  /** Aliases of the old collection, which follow to the new one. */
  readonly aliases: readonly string[];
  /** A seeded sample of its points; empty where only counts are compared. */
  readonly sample: readonly SampledPoint[];
  /** Sum over the content of all points that the new collection shall hold, in hex; only with the deepest verify. */
  readonly sum?: string;
}

export type CollectionMode = 'copy' | 'alias';

/** An alias that gets the target's name. */
export interface NamedAlias {
  readonly move: Move;
  readonly from: string;
  readonly to: string;
  /** The collection it shall stand for in the end. */
  readonly collection: string;
}

/** The name that a collection has after the move, where it gets another. */
export function laterName({ collections }: NamedPlan, name: string): string | undefined {
  return collections.find(({ from, mode }) => from === name && mode === 'copy')?.to;
}

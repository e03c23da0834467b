import type { Move } from '../../model/move.ts';
import type { StagePlan } from '../stage.ts';

/** The plan of the Qdrant stage: which collections hold points of which source. */
export interface QdrantPlan extends StagePlan {
  readonly stage: 'qdrant';
  /** Top-level payload field that holds the tenant. */
  readonly field: string;
  /** One entry for each move and collection with points of the source. */
  readonly collections: readonly CollectionPlan[];
}

export interface CollectionPlan {
  readonly move: Move;
  readonly collection: string;
  /** Points of the source: the ones to move. */
  readonly source: number;
  /** Points that stood under the target before. */
  readonly target: number;
  /** A seeded sample of the points to move; empty where only counts are compared. */
  readonly sample: readonly SampledPoint[];
  /** Sums over the content of all points at either end, in hex; only with the deepest verify. */
  readonly sums?: { readonly source: string; readonly target: string };
}

/** Digests of one point, without the tenant field. No content. */
export interface SampledPoint {
  readonly id: string;
  readonly payload: string;
  /** Digest of all vectors, for the few points whose vectors were read. */
  readonly vectors?: string;
}

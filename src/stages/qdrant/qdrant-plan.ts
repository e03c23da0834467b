import type { Move } from '../../model/move.ts';
import type { StageOptions, StagePlan } from '../stage.ts';
import type { Arrays } from './arrays.ts';
import type { Form } from './field-forms.ts';
import type { NamedPlan } from './named/named-plan.ts';
import type { ShardCopy } from './shards/shard-copy.ts';

/** The plan of the Qdrant stage: which collections hold points of which source. */
export interface QdrantPlan extends StagePlan {
  readonly stage: 'qdrant';
  /** Path of the payload field that holds the tenant. */
  readonly field: string;
  /** How points are moved; absent in a plan of a version that knew no new ids. */
  readonly mode?: StageOptions['qdrantMode'];
  /** One entry for each move, collection and form of the id with points of the source, or with points that were moved without new ids. */
  readonly collections: readonly CollectionPlan[];
  /** Collections and aliases named after a source. */
  readonly named: NamedPlan;
  /** Shards named after a source; absent in a plan of a version that copied none. */
  readonly shards?: readonly ShardCopy[];
}

export interface CollectionPlan extends Form {
  readonly move: Move;
  readonly collection: string;
  /** Points of the source: the ones to move. */
  readonly source: number;
  /** Points that stood under the target before. */
  readonly target: number;
  /** Those of them that hold the source in an array; absent where none does. */
  readonly arrays?: Arrays;
  /** A seeded sample of the points to move; empty where only counts are compared. */
  readonly sample: readonly SampledPoint[];
  /** Sums over the content of all points at either end, in hex; only with the deepest verify. */
  readonly sums?: { readonly source: string; readonly target: string };
  /** What gets new ids; absent where no id that was looked at derives from the source. */
  readonly reId?: ReIdPlan;
  /** Digests of pages of ids that need not be judged again: none of them derives from the source. Absent where not all were. */
  readonly judged?: readonly string[];
}

/** Points of one collection whose ids derive from the source. */
export interface ReIdPlan {
  /** Of the source. */
  readonly points: number;
  /** Under the target already: they were moved without new ids. */
  readonly repair: number;
  /** Those of both whose new ids are taken already. */
  readonly copied: number;
  /** Bytes of one of them as text, with its vectors, measured. */
  readonly textBytes: number;
  /** Bytes of one of them on the server's disk, about. */
  readonly diskBytes: number;
}

/** Digests of one point, without the tenant field. No content. */
export interface SampledPoint {
  readonly id: string;
  readonly payload: string;
  /** The id that it gets, where its own derives from the source. */
  readonly newId?: string;
  /** Digest of all vectors, for the few points whose vectors were read. */
  readonly vectors?: string;
}

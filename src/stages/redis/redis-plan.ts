import type { Json } from '../../model/json.ts';
import type { StagePlan } from '../stage.ts';

/** The redis stage's plan. Keys are written as `byte-string`'s toJson does; no value's content is in it. */
export interface RedisPlan extends StagePlan {
  readonly stage: 'redis';
  /** The templates that decided, the config stage's own excluded. */
  readonly templates: readonly string[];
  /** Other tenants whose keys are left to them where they could be ours; plans of older versions have none. */
  readonly left?: readonly Json[];
  /** Sampled source keys, empty where only counts are compared. */
  readonly samples: readonly KeySample[];
  /** One for each shape, in full verification only. */
  readonly sums: readonly ShapeSum[];
  /** Source keys whose target exists already (equal or not), one number for each move. */
  readonly occupied: readonly number[];
  /**
   * The most keys under the target id (source keys and its own) that can expire, one number for each move: counted in
   * full verification, else from the samples. Null where only counts are compared.
   */
  readonly expiring: readonly number[] | null;
  /** Which keys are copied instead of renamed; absent where none are. */
  readonly copies?: 'cross-slot' | 'when-short' | 'all';
  /** How many source keys are copied; absent as `copies`. */
  readonly copied?: number;
  /** Values that will be rewritten, by shape of their keys. */
  readonly values: readonly ValueCount[];
  /** The server's counters when the plan was made: a later shortfall may be explained by them. */
  readonly server: { readonly runId: string; readonly expiredKeys: number; readonly evictedKeys: number };
}

export interface ValueCount {
  readonly shape: string;
  readonly field: string;
  /** Estimated from a sample where it is not `exact`. */
  readonly count: number;
  readonly exact: boolean;
}

export interface KeySample {
  readonly key: Json;
  readonly target: Json;
  readonly type: string;
  readonly expiresAt: number;
  readonly digest: string;
}

/** A commutative sum over (target key, type, expiry, content digest) of all keys of one shape under the target's name. */
export interface ShapeSum {
  readonly shape: string;
  /** Keys without expiry. */
  readonly persistent: string;
  /** Keys with an expiry, by the minute since the epoch in which they expire: minutes that are over are not compared. */
  readonly volatile: Readonly<Record<string, string>>;
}

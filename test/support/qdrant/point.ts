import type { JsonObject } from './exact-json.ts';
import type { PointId } from './point-id.ts';
import type { Vectors } from './vectors.ts';

export type ShardKey = string | number;

/** One stored point. Payloads are replaced, never altered in place. */
export interface Point {
  readonly id: PointId;
  vectors: Vectors;
  payload: JsonObject;
  /** Whether the payload may hold numbers that `JSON.stringify` would alter. */
  exact: boolean;
  /** Where the collection is sharded by key. */
  readonly shard: ShardKey | undefined;
}

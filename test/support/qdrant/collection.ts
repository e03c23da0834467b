import { changedConfig, collectionConfig } from './collection-config.ts';
import { type Json, type JsonObject, jsonText } from './exact-json.ts';
import { FieldIndex, type Scalar } from './field-index.ts';
import type { Filter, Test } from './filter.ts';
import { OrderedPoints } from './ordered-points.ts';
import type { Point, ShardKey } from './point.ts';
import type { PointId } from './point-id.ts';
import { wrongInput } from './qdrant-error.ts';
import { StrictMode } from './strict-mode.ts';
import { UpdateQueue } from './update-queue.ts';
import { type VectorSchema, type Vectors, vectorSchema } from './vectors.ts';

/** The shard keys that a request is about; every shard where absent. */
export type Scope = ReadonlySet<ShardKey> | undefined;

export interface StoredContent {
  readonly id: PointId;
  readonly vectors: Vectors;
  readonly payload: JsonObject;
  readonly exact: boolean;
}

export interface ScrollRequest {
  readonly filter: Filter | undefined;
  readonly offset: PointId | undefined;
  readonly limit: number;
  readonly scope: Scope;
}

/** How a simulated server differs from 1.17.1 as it is. */
export interface ServerWays {
  /** Before 1.17 a server passes over `update_mode`, and does not tell of its update queue. */
  readonly isBefore117?: boolean;
  /** Normalises Cosine vectors also where they have length 1 already. */
  readonly renormalises?: boolean;
  /** The clock of its rate limits, ms. */
  readonly now?: () => number;
}

/**
 * One collection in memory: its points by shard and id, in order, and by the values of its payload indexes. As in the
 * real server an id is free or taken within its shard key: in two of them it names two points. What reads points by page
 * or by id shows such an id once, what counts counts both.
 */
export class Collection {
  readonly schema: VectorSchema;
  readonly indexes = new Map<string, FieldIndex>();
  /** Where the collection is sharded by keys that the user names. */
  readonly shardKeys: Set<ShardKey> | undefined;
  readonly queue = new UpdateQueue();
  /** Upserts know `insert_only` and `update_only`. */
  readonly knowsUpdateMode: boolean;
  config: JsonObject;
  strict: StrictMode;
  private readonly byShard = new Map<ShardKey | undefined, Map<PointId, Point>>();
  private readonly all = new OrderedPoints();
  private operations = 0;

  private readonly now: () => number;

  constructor(given: JsonObject, { isBefore117, renormalises, now }: ServerWays = {}) {
    this.now = now ?? (() => performance.now());
    this.knowsUpdateMode = isBefore117 !== true;
    this.schema = { ...vectorSchema(given.vectors, given.sparse_vectors), renormalises: renormalises === true };
    this.config = collectionConfig(given);
    this.strict = new StrictMode(given.strict_mode_config, this.now);
    this.shardKeys = given.sharding_method === 'custom' ? new Set() : undefined;
  }

  get size(): number {
    let size = 0;
    for (const points of this.byShard.values()) size += points.size;
    return size;
  }

  /** About what the payloads take; the real server's own estimate is another. */
  get payloadBytes(): number {
    let bytes = 0;
    for (const { payload } of this.all) bytes += jsonText(payload, true).length;
    return bytes;
  }

  nextOperation(): number {
    this.operations += 1;
    return this.operations;
  }

  change(given: JsonObject): void {
    this.config = changedConfig(this.config, given);
    this.strict = new StrictMode(this.config.strict_mode_config, this.now);
  }

  addIndex(field: string, schema: Json | undefined): void {
    const index = new FieldIndex(field, schema);
    for (const point of this.all) index.add(point);
    this.indexes.set(field, index);
  }

  /** The points with these ids, in the order of the ids; in each shard. */
  held(ids: readonly PointId[], scope: Scope): readonly Point[] {
    const shards = scope === undefined ? [...this.byShard.values()] : [...scope].map((key) => this.byShard.get(key));
    return [...new Set(ids)].flatMap((id) => shards.flatMap((points) => points?.get(id) ?? []));
  }

  /** The same with each id once. */
  retrieve(ids: readonly PointId[], scope: Scope): readonly Point[] {
    const seen = new Set<PointId>();
    return this.held(ids, scope).filter(({ id }) => !seen.has(id) && seen.add(id));
  }

  /** Every point that matches, in no particular order. */
  matching(filter: Filter | undefined, scope: Scope): readonly Point[] {
    const inScope = scopeTest(scope);
    if (filter?.ids !== undefined) {
      const { ids, testOfNamed = filter.test } = filter;
      return this.held(ids, scope).filter(testOfNamed);
    }
    const test = testOf(filter);
    const found: Point[] = [];
    for (const point of filter?.candidates ?? this.all) if (test(point) && inScope(point)) found.push(point);
    return found;
  }

  count(filter: Filter | undefined, scope: Scope): number {
    if (scope === undefined && filter === undefined) return this.size;
    if (scope === undefined && filter?.settled === true && filter.candidates !== undefined)
      return filter.candidates.size;
    return this.matching(filter, scope).length;
  }

  /** A page by ascending id, and the id with which the next one starts. */
  scroll({ filter, offset, limit, scope }: ScrollRequest): { readonly points: readonly Point[]; next?: PointId } {
    const inScope = scopeTest(scope);
    const source = filter?.ids === undefined ? (filter?.candidates ?? this.all) : this.gathered(filter, scope);
    const test = testOf(filter);
    const points: Point[] = [];
    for (const point of source.from(offset)) {
      if (!test(point) || !inScope(point) || points.at(-1)?.id === point.id) continue;
      if (points.length === limit) return { points, next: point.id };
      points.push(point);
    }
    return { points };
  }

  /** How many points hold each value of an indexed field; without a filter also the values that none holds any more. */
  facet(key: string, filter: Filter | undefined, scope: Scope): readonly (readonly [Scalar, number])[] {
    const index = this.indexes.get(key);
    if (index === undefined || !index.matches) {
      throw wrongInput(
        `No appropriate index for faceting: \`${key}\`. Please create one to facet on this field. Check https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which payload schemas support Match conditions`,
      );
    }
    if (filter === undefined && scope === undefined)
      return [...index.values].map(([value, held]) => [value, held.size]);
    const matching = this.matching(filter, scope);
    return [...index.values]
      .map(([value, held]) => [value, matching.filter((point) => held.has(point)).length] as const)
      .filter(([, count]) => count > 0);
  }

  /** Stores a point, over the one of the same id in its shard where there is one. */
  put({ id, vectors, payload, exact }: StoredContent, shard: ShardKey | undefined): void {
    const points = this.byShard.get(shard) ?? new Map<PointId, Point>();
    this.byShard.set(shard, points);
    const old = points.get(id);
    if (old !== undefined) {
      old.vectors = vectors;
      this.setPayload(old, payload, exact);
      return;
    }
    const point: Point = { id, vectors, payload, exact, shard };
    points.set(id, point);
    this.all.add(point);
    for (const index of this.indexes.values()) index.add(point);
  }

  delete(point: Point): void {
    this.byShard.get(point.shard)?.delete(point.id);
    this.all.delete(point);
    for (const index of this.indexes.values()) index.remove(point);
  }

  /** Gives a point another payload. `heads` names the top-level keys that differ, where that is known. */
  setPayload(point: Point, payload: JsonObject, exact: boolean, heads?: ReadonlySet<string>): void {
    const touched: FieldIndex[] = [];
    for (const index of this.indexes.values()) {
      if (heads === undefined || heads.has(String(index.path[0]))) touched.push(index);
    }
    for (const index of touched) index.remove(point);
    point.payload = payload;
    point.exact = exact;
    for (const index of touched) index.add(point);
  }

  private gathered(filter: Filter, scope: Scope): OrderedPoints {
    const gathered = new OrderedPoints();
    for (const point of this.matching(filter, scope)) gathered.add(point);
    return gathered;
  }
}

const every: Test = () => true;

/** What a filter has to ask of a point that comes from its own candidates. */
function testOf(filter: Filter | undefined): Test {
  return filter === undefined || filter.settled === true ? every : filter.test;
}

function scopeTest(scope: Scope): Test {
  return scope === undefined ? every : ({ shard }) => shard !== undefined && scope.has(shard);
}

import type { Json } from '../../model/json.ts';
import type { CollectionHealth, ShardKey } from './qdrant-reader.ts';

/** What a collection's settings mean for a move. */
export interface CollectionFacts {
  readonly name: string;
  /** About how many points it holds; never used as a count. */
  readonly roughPoints: number;
  /** The server's configuration as it is, for the plan's basis. */
  readonly config: Json;
  /** Payload indexes: the field's type and parameters, without counts. */
  readonly indexes: ReadonlyMap<string, PayloadIndex>;
  /** Points are placed by shard keys that the application chose. */
  readonly customSharding: boolean;
  /** Those keys; none where the server chose the shards. */
  readonly shardKeys: readonly ShardKey[];
  /** How each of them is laid out; empty where the server chose the shards. */
  readonly shards: ReadonlyMap<ShardKey, ShardLayout>;
  readonly replicas: number;
  /** Moved points stay hidden until the optimizer has indexed them. */
  readonly preventUnoptimized: boolean;
  readonly limits: StrictLimits;
  /** Updates that were taken and wait for their turn, over all shards; undefined where the server does not tell. */
  readonly updateQueue: number | undefined;
}

/** What a shard key needs to be made again alike. */
export type ShardLayout = {
  readonly shards: number;
  readonly replicas: number;
  /** The peers that hold it. */
  readonly peers: readonly number[];
};

export interface PayloadIndex {
  readonly type: string;
  readonly params: Json;
}

/** Limits of strict mode; undefined and false where it is off. */
export interface StrictLimits {
  readonly maxQueryLimit: number | undefined;
  readonly conditionMaxSize: number | undefined;
  /** Points a minute that writes may touch. */
  readonly writeRateLimit: number | undefined;
  readonly filterMaxConditions: number | undefined;
  /** Points in one upsert. */
  readonly upsertMaxBatch: number | undefined;
  /** Points in the collection. */
  readonly maxPoints: number | undefined;
  /** Bytes of all vectors in the collection. */
  readonly maxVectorBytes: number | undefined;
  /** Bytes of all payloads in the collection. */
  readonly maxPayloadBytes: number | undefined;
  /** Payload indexes in the collection. */
  readonly maxIndexes: number | undefined;
  /** Reads a minute. */
  readonly readRateLimit: number | undefined;
  /** Exact counts and facets are refused. */
  readonly refusesExact: boolean;
  /** Reading by a field without an index is refused. */
  readonly readNeedsIndex: boolean;
  /** Writing by a field without an index is refused. */
  readonly writeNeedsIndex: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

/** Reads `GET /collections/{name}`; members that a version does not have count as absent. */
export function collectionFacts(name: string, info: unknown): CollectionFacts {
  const { config, payload_schema, points_count, update_queue } = fields(info);
  const { length } = fields(update_queue);
  const { params, optimizer_config, strict_mode_config } = fields(config);
  const { sharding_method, replication_factor } = fields(params);
  return {
    name,
    roughPoints: typeof points_count === 'number' ? points_count : 0,
    config: (config ?? null) as Json,
    indexes: new Map(Object.entries(fields(payload_schema)).map(([field, index]) => [field, payloadIndex(index)])),
    customSharding: sharding_method === 'custom',
    shardKeys: [],
    shards: new Map(),
    replicas: positive(replication_factor) ?? 1,
    preventUnoptimized: fields(optimizer_config).prevent_unoptimized === true,
    limits: strictLimits(fields(strict_mode_config)),
    updateQueue: typeof length === 'number' ? length : undefined,
  };
}

/** Reads the same for how the collection is doing; a state that is not known counts as the worst. */
export function collectionHealth(name: string, info: unknown): CollectionHealth {
  const { status, optimizer_status, update_queue } = fields(info);
  const { length } = fields(update_queue);
  const { error } = fields(optimizer_status);
  return {
    name,
    status: status === 'green' || status === 'grey' || status === 'yellow' ? status : 'red',
    optimizerError: typeof error === 'string' ? error : undefined,
    updateQueue: typeof length === 'number' ? length : undefined,
  };
}

interface ShardInfo {
  readonly shard_id?: unknown;
  readonly shard_key?: unknown;
  readonly peer_id?: unknown;
}

/** Reads `GET /collections/{name}/cluster`: the named shards, wherever they are. */
export function shardLayouts(info: unknown): ReadonlyMap<ShardKey, ShardLayout> {
  const { peer_id, local_shards, remote_shards } = fields(info);
  const local = ((local_shards ?? []) as readonly ShardInfo[]).map((shard) => ({ ...shard, peer_id }));
  const all = [...local, ...((remote_shards ?? []) as readonly ShardInfo[])];
  const byKey = new Map<ShardKey, ShardInfo[]>();
  for (const shard of all) {
    const { shard_key: key } = shard;
    if (typeof key === 'string' || typeof key === 'number') byKey.set(key, [...(byKey.get(key) ?? []), shard]);
  }
  return new Map([...byKey].map(([key, held]) => [key, layoutOf(held)]));
}

function layoutOf(held: readonly ShardInfo[]): ShardLayout {
  const replicas = new Map<unknown, number>();
  for (const { shard_id } of held) replicas.set(shard_id, (replicas.get(shard_id) ?? 0) + 1);
  const peers = [...new Set(held.map(({ peer_id }) => peer_id))].filter((peer) => typeof peer === 'number');
  return { shards: replicas.size, replicas: Math.max(...replicas.values()), peers };
}

function payloadIndex(index: unknown): PayloadIndex {
  const { data_type, params } = fields(index);
  return { type: String(data_type), params: (params ?? null) as Json };
}

function strictLimits(strict: Fields): StrictLimits {
  const on = strict.enabled === true;
  return {
    maxQueryLimit: on ? positive(strict.max_query_limit) : undefined,
    conditionMaxSize: on ? atLeastZero(strict.condition_max_size) : undefined,
    writeRateLimit: on ? positive(strict.write_rate_limit) : undefined,
    filterMaxConditions: on ? atLeastZero(strict.filter_max_conditions) : undefined,
    upsertMaxBatch: on ? atLeastZero(strict.upsert_max_batchsize) : undefined,
    maxPoints: on ? positive(strict.max_points_count) : undefined,
    maxVectorBytes: on ? atLeastZero(strict.max_collection_vector_size_bytes) : undefined,
    maxPayloadBytes: on ? atLeastZero(strict.max_collection_payload_size_bytes) : undefined,
    maxIndexes: on ? atLeastZero(strict.max_payload_index_count) : undefined,
    readRateLimit: on ? positive(strict.read_rate_limit) : undefined,
    refusesExact: on && strict.search_allow_exact === false,
    readNeedsIndex: on && strict.unindexed_filtering_retrieve === false,
    writeNeedsIndex: on && strict.unindexed_filtering_update === false,
  };
}

/** These limits can be 0, which forbids everything. */
function atLeastZero(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function positive(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? value : undefined;
}

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

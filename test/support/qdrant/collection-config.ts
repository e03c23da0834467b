import { isObject, type Json, type JsonObject } from './exact-json.ts';

const HNSW = { m: 16, ef_construct: 100, full_scan_threshold: 10000, max_indexing_threads: 0, on_disk: false };
const OPTIMIZER = {
  deleted_threshold: 0.2,
  vacuum_min_vector_number: 1000,
  default_segment_number: 0,
  max_segment_size: null,
  memmap_threshold: null,
  indexing_threshold: 10000,
  flush_interval_sec: 5,
  max_optimization_threads: null,
  prevent_unoptimized: null,
};
const WAL = { wal_capacity_mb: 32, wal_segments_ahead: 0, wal_retain_closed: 1 };

/** The configuration of a new collection, as `GET /collections/{name}` shows it: what was asked for over the defaults. */
export function collectionConfig(given: JsonObject): JsonObject {
  return {
    params: {
      ...(given.vectors === undefined ? {} : { vectors: given.vectors }),
      shard_number: given.shard_number ?? 1,
      ...(given.sharding_method === 'custom' ? { sharding_method: 'custom' } : {}),
      replication_factor: given.replication_factor ?? 1,
      write_consistency_factor: given.write_consistency_factor ?? 1,
      on_disk_payload: given.on_disk_payload ?? true,
      ...(isObject(given.sparse_vectors) ? { sparse_vectors: given.sparse_vectors } : {}),
    },
    hnsw_config: over(HNSW, given.hnsw_config),
    optimizer_config: over(OPTIMIZER, given.optimizers_config),
    wal_config: over(WAL, given.wal_config),
    quantization_config: given.quantization_config ?? null,
    ...(isObject(given.strict_mode_config) ? { strict_mode_config: given.strict_mode_config } : {}),
    ...(isObject(given.metadata) ? { metadata: given.metadata } : {}),
  };
}

/** The configuration after `PATCH /collections/{name}`. */
export function changedConfig(config: JsonObject, given: JsonObject): JsonObject {
  const strict = isObject(given.strict_mode_config)
    ? { strict_mode_config: over(config.strict_mode_config ?? {}, given.strict_mode_config) }
    : {};
  return {
    ...config,
    params: over(config.params, given.params),
    hnsw_config: over(config.hnsw_config, given.hnsw_config),
    optimizer_config: over(config.optimizer_config, given.optimizers_config),
    ...strict,
  };
}

function over(base: Json | undefined, given: Json | undefined): JsonObject {
  const kept = isObject(base) ? base : {};
  return isObject(given) ? { ...kept, ...given } : kept;
}

import { asDouble, isObject, type Json, type JsonObject } from './exact-json.ts';
import type { Filter, Indexes } from './filter.ts';
import { QdrantError } from './qdrant-error.ts';
import { RateLimiter } from './rate-limiter.ts';

/** A collection's limits; none where strict mode is off. */
export class StrictMode {
  private readonly config: JsonObject;
  private readonly reads: RateLimiter | undefined;
  private readonly writes: RateLimiter | undefined;

  constructor(config: Json | undefined, now: () => number) {
    this.config = isObject(config) && config.enabled === true ? config : {};
    const [reads, writes] = [this.limit('read_rate_limit'), this.limit('write_rate_limit')];
    this.reads = reads === undefined ? undefined : new RateLimiter('Read', reads, now);
    this.writes = writes === undefined ? undefined : new RateLimiter('Write', writes, now);
  }

  takeRead(): void {
    this.reads?.take(1);
  }

  /** `cost` is asked for only where writes are limited: an estimate of the points that the operation touches. */
  takeWrite(cost: () => number): void {
    this.writes?.take(Math.max(1, cost()));
  }

  checkLimit(value: number | undefined): void {
    this.atMost(value, 'max_query_limit', 'limit');
  }

  checkTimeout(seconds: number | undefined): void {
    this.atMost(seconds, 'max_timeout', 'timeout');
  }

  checkUpsert(points: number, held: number): void {
    this.atMost(points, 'upsert_max_batchsize', 'upsert limit');
    const most = this.limit('max_points_count');
    if (most !== undefined && held >= most) {
      const help = `Max points count limit of ${most} reached!`;
      throw refused(help, 'Delete some points to stay within the limit.');
    }
  }

  /** Counts and facets that ask for exact numbers. */
  checkExact(exact: boolean): void {
    if (exact && this.config.search_allow_exact === false) throw refused('Exact search disabled!', 'Set exact=false.');
  }

  /** Only ever judged by what is there: the limit of a body's own payload is none of it. */
  checkPayloadSize(bytes: () => number): void {
    const most = this.limit('max_collection_payload_size_bytes');
    if (most === undefined || bytes() < most) return;
    throw new QdrantError(400, `Bad request: Max payload storage size limit of ${most / (1024 * 1024)}MB reached!`);
  }

  checkIndexes(held: number): void {
    const most = this.limit('max_payload_index_count');
    if (most === undefined || held < most) return;
    throw refused(
      `Collection already has the maximum number of payload indices (${most})`,
      'Please delete an existing index before creating a new one.',
    );
  }

  checkFilter(filter: Filter, use: 'retrieve' | 'update', indexes: Indexes): void {
    const most = this.limit('filter_max_conditions');
    if (most !== undefined && filter.conditions > most) {
      const text = `Filter condition limit reached (${filter.conditions} > ${most})`;
      throw refused(text, 'Reduce the amount of conditions of your filter.');
    }
    const largest = this.limit('condition_max_size');
    if (largest !== undefined && filter.largest > largest) {
      const text = `Condition size limit reached (${filter.largest} > ${largest})`;
      throw refused(text, 'Reduce the size of your condition.');
    }
    if (this.config[`unindexed_filtering_${use}`] !== false) return;
    for (const { key, types } of filter.fields) {
      if (types.some((type) => type === indexes.get(key)?.type)) continue;
      throw refused(
        `Index required but not found for "${key}" of one of the following types: [${types.join(', ')}]`,
        'Create an index for this key or use a different filter.',
      );
    }
  }

  private limit(name: string): number | undefined {
    return asDouble(this.config[name]);
  }

  private atMost(value: number | undefined, name: string, shown: string): void {
    const most = this.limit(name);
    if (most === undefined || value === undefined || value <= most) return;
    throw refused(
      `Limit exceeded ${value} > ${most} for "${shown}"`,
      `Reduce the "${shown}" parameter to or below ${most}.`,
    );
  }
}

function refused(text: string, help: string): QdrantError {
  return new QdrantError(400, `Bad request: ${text}. Help: ${help}`);
}

import type { RetryRule } from '../retry-rule.ts';
import type { QdrantBackupReading, QdrantBackupWriting } from './backup-calls.ts';
import type { CollectionFacts, ShardLayout } from './collection-facts.ts';
import type { QdrantPointReading, QdrantPointWriting } from './point-calls.ts';
import type { PointId } from './point-json.ts';
import type { ArrayMatch } from './request-body.ts';

/** Where Qdrant is and how to speak to it. */
export interface QdrantSettings {
  /** Base address, with a path where a proxy adds one; never with credentials. */
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** Where it is connected to, where not at its own address: the origin of a tunnel's near end. */
  readonly through?: string | undefined;
  /** Longest time for one try of one request, in ms. */
  readonly timeoutMs: number;
  /** Told before each wait for another try. */
  /** Two repetitions, soon, where absent. */
  readonly retry?: RetryRule | undefined;
  readonly onRetry?: ((info: RetryInfo) => void) | undefined;
}

export interface RetryInfo {
  /** 1 for the first repetition. */
  readonly attempt: number;
  readonly delayMs: number;
  readonly reason: string;
}

/** Points whose payload field holds exactly this, or an array with it among its elements. */
export interface FieldMatch {
  /** A payload path (model/payload-path.ts). */
  readonly field: string;
  readonly value: string;
  /** The value is a whole number, of which `value` is the text. */
  readonly number?: true | undefined;
}

/** A shard that the application named. */
export type ShardKey = string | number;

/** What the reading steps ask of Qdrant. Every call retries what is worth it and fails with a MigrateError. */
export interface QdrantReader extends QdrantBackupReading, QdrantPointReading {
  /** The address without credentials, for messages. */
  readonly url: string;
  /** The server's version, such as `1.17.1`. Needs no key. */
  version(): Promise<string>;
  /** Names of all collections, without aliases, sorted. */
  collections(): Promise<readonly string[]>;
  /** Second names of collections, sorted by name. */
  aliases(): Promise<readonly Alias[]>;
  /** One collection's settings and indexes. Fails as `missing` where it is gone. */
  collection(name: string): Promise<CollectionFacts>;
  /** How all collections are doing now, sorted by name. */
  health(): Promise<readonly CollectionHealth[]>;
  /** Exact number of points; without `match` of all points. */
  count(request: CountRequest): Promise<number>;
  /** Exact counts for each value of a field, largest first, without zeros; undefined where no index allows it. */
  facet(request: FacetRequest): Promise<readonly FacetHit[] | undefined>;
  /** Ids in ascending order, page by page. Changing the points of earlier pages skips none of the later. */
  scrollIds(request: ScrollRequest): AsyncIterable<readonly PointId[]>;
  /** Ids with one payload field; without `match` of all points. */
  scrollField(request: FieldScrollRequest): AsyncIterable<readonly FieldPoint[]>;
  /** Whole points with all vectors, in pages of a few megabytes. */
  scrollPoints(request: ScrollRequest): AsyncIterable<readonly PointContent[]>;
  /** The points that are there, in any order. */
  retrieve(request: RetrieveRequest): Promise<readonly PointContent[]>;
  /** Tenants with their points over all collections that index the field, largest first; at most `limit` a collection. */
  tenants(field: string, limit: number): Promise<readonly FacetHit[]>;
  /**
   * The same store on the same connections, for a run that `signal` stops: a wait between tries ends at once with the
   * signal's reason, and nothing is sent again. A request under way is finished.
   */
  stoppedBy(signal: AbortSignal): QdrantReader;
  /** The same store on the same connections, for which these collections have no other shards than the named ones. */
  within(shards: ShardScopes): QdrantReader;
  /** Closes the connections. */
  close(): Promise<void>;
}

/** Shards by collection; one that is not named is seen as a whole. */
export type ShardScopes = ReadonlyMap<string, readonly ShardKey[]>;

/** How a collection is doing. */
export interface CollectionHealth {
  readonly name: string;
  /** `yellow`: being optimized · `grey`: to be, with the next write · `red`: updates have failed and were not recovered. */
  readonly status: 'green' | 'grey' | 'yellow' | 'red';
  /** What the optimizer failed with; undefined where it did not. */
  readonly optimizerError: string | undefined;
  /** Updates that were taken and wait for their turn, over all shards; undefined where the server does not tell. */
  readonly updateQueue: number | undefined;
}

/** A second name of a collection. */
export interface Alias {
  readonly alias: string;
  readonly collection: string;
}

export interface CountRequest {
  readonly collection: string;
  /** Only in these shards. */
  readonly shardKeys?: readonly ShardKey[] | undefined;
  readonly match?: FieldMatch | undefined;
  /** Only these points. */
  readonly ids?: readonly PointId[] | undefined;
  /** Only points whose field is an array of two or more. */
  readonly severalValues?: boolean | undefined;
  /** Points that match this too. */
  readonly also?: FieldMatch | undefined;
  /** Only points whose field is an array. Where strict mode wants an index for every filter it refuses this. */
  readonly inArrays?: boolean | undefined;
  /** Only points whose field is no array. */
  readonly notInArrays?: boolean | undefined;
  /** Only points whose field is an array of exactly these elements. */
  readonly array?: ArrayMatch | undefined;
  /** Ask every replica and take what all agree on. */
  readonly allReplicas?: boolean | undefined;
}

export interface FacetRequest {
  readonly collection: string;
  readonly field: string;
  /** Most values. */
  readonly limit: number;
}

export interface FacetHit {
  readonly value: string;
  readonly count: number;
}

export interface ScrollRequest {
  readonly collection: string;
  /** Only in these shards. */
  readonly shardKeys?: readonly ShardKey[] | undefined;
  readonly match?: FieldMatch | undefined;
  /** Points that match this too. */
  readonly also?: FieldMatch | undefined;
  /** Most points in a page. */
  readonly pageSize: number;
}

export interface FieldScrollRequest extends ScrollRequest {
  readonly field: string;
  readonly ids?: readonly PointId[] | undefined;
  /** Only points whose field is an array. */
  readonly inArrays?: boolean | undefined;
  /** Every number as a NumberToken, as the server wrote it. */
  readonly exact?: boolean | undefined;
}

/** A point with one payload field; `value` is undefined where the point has none. */
export interface FieldPoint {
  readonly id: PointId;
  readonly value: unknown;
}

export interface RetrieveRequest {
  readonly collection: string;
  readonly ids: readonly PointId[];
  readonly vectors: boolean;
}

/** A point's content as canonical JSON text: equal content is equal text, number for number. */
export interface PointContent {
  readonly id: PointId;
  /** Text of each top-level payload field. */
  readonly payload: ReadonlyMap<string, string>;
  /** Text of all vectors; undefined where they were not asked for. */
  readonly vectors: string | undefined;
}

/** What the writing steps ask beside. Every write waits until it is applied and visible, and may be repeated. */
export interface QdrantWriter extends QdrantReader, QdrantBackupWriting, QdrantPointWriting {
  /** A write for which no point can match: it fails as `denied` for a key that may not write here. Needs no index. */
  tryToWrite(collection: string, shardKeys: readonly ShardKey[]): Promise<void>;
  /** Sets the field from `match.value` to `to` on those of the ids that still match; no other field, no vector. */
  setField(request: SetFieldRequest): Promise<void>;
  /** Gives the field of those of the ids whose array still is `from` the array `to`; elements as JSON tokens. */
  setArray(request: SetArrayRequest): Promise<void>;
  /** Makes a keyword index with `is_tenant` on the field (for numbers one on integers) and waits until it answers. */
  createTenantIndex(collection: string, field: string, number?: true): Promise<void>;
  /** Removes and then makes aliases, all at once: nobody sees a name without a collection in between. */
  changeAliases(change: { readonly remove: readonly string[]; readonly make: readonly Alias[] }): Promise<void>;
  /** Deletes a whole collection; none is no error. */
  deleteCollection(name: string): Promise<void>;
  /** Makes a shard key, laid out like another; one that is there stays as it is. */
  createShardKey(collection: string, key: ShardKey, layout: ShardLayout): Promise<void>;
  /** Deletes a shard key with all points in it; none is no error. */
  deleteShardKey(collection: string, key: ShardKey): Promise<void>;
  /** Removes the field's index; none is no error. */
  deleteIndex(collection: string, field: string): Promise<void>;
  /**
   * Returns once every update that the server has taken for the collection is applied, whoever sent it. False where it
   * does not tell how many wait. Fails as `store` where that takes longer than the time for a request.
   */
  settled(collection: string): Promise<boolean>;
  /** Waits so many ms; the signal of `stoppedBy` ends it with its reason. */
  wait(ms: number): Promise<void>;
  stoppedBy(signal: AbortSignal): QdrantWriter;
  within(shards: ShardScopes): QdrantWriter;
}

export interface SetFieldRequest {
  readonly collection: string;
  readonly ids: readonly PointId[];
  readonly match: FieldMatch;
  /** Of the same type as the value that is matched. */
  readonly to: string;
  /** Leave alone points whose field is an array. */
  readonly notInArrays?: boolean | undefined;
  /** The shards to write to, where the application names shards. */
  readonly shardKeys?: readonly ShardKey[] | undefined;
}

export interface SetArrayRequest {
  readonly collection: string;
  readonly ids: readonly PointId[];
  readonly field: string;
  readonly from: readonly string[];
  readonly to: readonly string[];
  /** Compare without the order of the elements: where strict mode wants an index for every filter. */
  readonly unordered?: boolean | undefined;
  readonly shardKeys?: readonly ShardKey[] | undefined;
}

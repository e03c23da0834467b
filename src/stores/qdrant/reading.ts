import pMap from 'p-map';
import { MigrateError } from '../../model/errors.ts';
import { knownPath, valueAt } from '../../model/payload-path.ts';
import { backupReading } from './backup-calls.ts';
import { collectionFacts, collectionHealth, shardLayouts } from './collection-facts.ts';
import type { ControlCalls } from './control-calls.ts';
import { answerFailure, notQdrant } from './failure.ts';
import { pointReading } from './point-calls.ts';
import { exactText, type PointJson, pointId } from './point-json.ts';
import type {
  CollectionHealth,
  FacetHit,
  FacetRequest,
  FieldPoint,
  PointContent,
  QdrantReader,
  ShardScopes,
} from './qdrant-reader.ts';
import type { RawCall, RawCalls } from './raw-calls.ts';
import { collectionPath, filterText, objectText, scopeText } from './request-body.ts';
import { type RawPoint, resultOf, scroll } from './scroll.ts';

/** What reader and writer work with. */
export interface Connection {
  readonly url: string;
  readonly raw: RawCalls;
  readonly control: ControlCalls;
  readonly json: PointJson;
  /** Undefined where nothing but the end of the process stops the calls. */
  readonly signal: AbortSignal | undefined;
  /** The only shards of these collections that it sees. */
  readonly scopes: ShardScopes;
  /** The same connection for a run that the signal stops. */
  stoppedBy(signal: AbortSignal): Connection;
}

const COLLECTIONS_AT_ONCE = 8;

/** The reading calls over an open connection. */
export function readingCalls(connection: Connection): QdrantReader {
  const { url, raw, control, json } = connection;
  const points = pointReading(connection);
  const reader: QdrantReader = {
    ...points,
    ...backupReading(connection, points),
    url,
    async version() {
      const call: RawCall = { method: 'GET', path: '/', task: 'tell its version' };
      const version = versionOf(await raw.send(call));
      if (version === undefined) throw notQdrant(raw.purpose(call), 200);
      return version;
    },
    async collections() {
      const purpose = { url, task: 'list its collections', write: false };
      const { collections } = await control(purpose, (client) => client.getCollections());
      return collections.map(({ name }) => name).sort();
    },
    async aliases() {
      const purpose = { url, task: 'list its aliases', write: false };
      const { aliases } = await control(purpose, (client) => client.getAliases());
      return aliases
        .map(({ alias_name, collection_name }) => ({ alias: alias_name, collection: collection_name }))
        .sort((a, b) => (a.alias < b.alias ? -1 : 1));
    },
    async collection(name) {
      const purpose = { url, task: `describe ${name}`, collection: name, write: false };
      const facts = collectionFacts(name, await control(purpose, (client) => client.getCollection(name)));
      if (!facts.customSharding) return facts;
      const shards = shardLayouts(await control(purpose, (client) => client.collectionClusterInfo(name)));
      const seen = connection.scopes.get(name);
      return { ...facts, shards, shardKeys: [...shards.keys()].filter((key) => seen?.includes(key) ?? true) };
    },
    async health() {
      const all = await pMap(await reader.collections(), (name) => healthOf(connection, name), {
        concurrency: COLLECTIONS_AT_ONCE,
      });
      return all.filter((health) => health !== undefined);
    },
    async count({ collection, shardKeys, allReplicas, ...filter }) {
      const { count } = (await resultOf(
        raw,
        {
          method: 'POST',
          path: `${collectionPath(collection)}/points/count${allReplicas ? '?consistency=all' : ''}`,
          body: objectText({
            filter: filterText(filter),
            exact: 'true',
            shard_key: scopeText(connection, { collection, shardKeys }),
          }),
          task: `count points of ${collection}`,
          collection,
        },
        json.parse,
      )) as { readonly count: number };
      return count;
    },
    async facet(request) {
      const call = facetCall(request, scopeText(connection, request));
      const answer = await raw.ask(call);
      // No index on the field, strict mode without exact counts, or a server from before facets.
      if (answer.status === 400 && /index|exact search disabled/i.test(answer.text)) return undefined;
      if (answer.status === 404 && !/collection/i.test(answer.text)) return undefined;
      if (answer.status !== 200) throw answerFailure(answer, raw.purpose(call));
      if (!answer.json) throw notQdrant(raw.purpose(call), 200);
      return facetHits(json.parse(answer.text));
    },
    async *scrollIds({ collection, shardKeys, match, pageSize }) {
      const shard_key = scopeText(connection, { collection, shardKeys });
      const members = { with_payload: 'false', with_vector: 'false', filter: filterText({ match }), shard_key };
      for await (const points of scroll({ raw, json, collection, members, pageSize }))
        yield points.map(({ id }) => pointId(id));
    },
    async *scrollField({ collection, shardKeys, field, pageSize, exact, ...filter }) {
      const path = knownPath(field);
      const members = {
        with_payload: JSON.stringify([field]),
        with_vector: 'false',
        filter: filterText(filter),
        shard_key: scopeText(connection, { collection, shardKeys }),
      };
      for await (const points of scroll({ raw, json, collection, members, pageSize, exact })) {
        yield points.map(({ id, payload }): FieldPoint => ({ id: pointId(id), value: valueAt(payload, path) }));
      }
    },
    async *scrollPoints({ collection, shardKeys, pageSize, ...filter }) {
      const shard_key = scopeText(connection, { collection, shardKeys });
      const members = { with_payload: 'true', with_vector: 'true', filter: filterText(filter), shard_key };
      for await (const points of scroll({ raw, json, collection, members, pageSize, byBytes: true })) {
        yield points.map((point) => content(point, true));
      }
    },
    async retrieve({ collection, ids, vectors }) {
      const points = (await resultOf(
        raw,
        {
          method: 'POST',
          path: `${collectionPath(collection)}/points`,
          body: objectText({
            ids: `[${ids.join(',')}]`,
            with_payload: 'true',
            with_vector: String(vectors),
            shard_key: scopeText(connection, { collection }),
          }),
          task: `read points of ${collection}`,
          collection,
        },
        json.parseExact,
      )) as readonly RawPoint[];
      return points.map((point) => content(point, vectors));
    },
    async tenants(field, limit) {
      const sums = new Map<string, number>();
      const names = await reader.collections();
      const facets = await pMap(names, (collection) => tenantsOf(reader, { collection, field, limit }), {
        concurrency: COLLECTIONS_AT_ONCE,
      });
      for (const { value, count } of facets.flat()) sums.set(value, (sums.get(value) ?? 0) + count);
      return [...sums].map(([value, count]) => ({ value, count })).sort((a, b) => b.count - a.count);
    },
    stoppedBy: (signal) => readingCalls({ ...connection.stoppedBy(signal), scopes: connection.scopes }),
    within: (scopes) => readingCalls({ ...connection, scopes }),
    close: () => raw.close(),
  };
  return reader;
}

/** Undefined where the collection was deleted meanwhile. */
async function healthOf({ url, control }: Connection, name: string): Promise<CollectionHealth | undefined> {
  const purpose = { url, task: `describe ${name}`, collection: name, write: false };
  try {
    return collectionHealth(name, await control(purpose, (client) => client.getCollection(name)));
  } catch (error) {
    if (error instanceof MigrateError && error.code === 'missing') return undefined;
    throw error;
  }
}

/** None where the field has no index, or the collection was deleted meanwhile. */
async function tenantsOf(reader: QdrantReader, request: FacetRequest): Promise<readonly FacetHit[]> {
  try {
    const { indexes, limits } = await reader.collection(request.collection);
    if (!indexes.has(request.field)) return [];
    const limit = Math.min(request.limit, limits.maxQueryLimit ?? request.limit);
    return (await reader.facet({ ...request, limit })) ?? [];
  } catch (error) {
    if (error instanceof MigrateError && error.code === 'missing') return [];
    throw error;
  }
}

function content({ id, payload, vector }: RawPoint, vectors: boolean): PointContent {
  return {
    id: pointId(id),
    payload: new Map(Object.entries(payload ?? {}).map(([field, value]) => [field, exactText(value)])),
    vectors: vectors ? exactText(vector ?? null) : undefined,
  };
}

function versionOf(text: string): string | undefined {
  try {
    const { title, version } = JSON.parse(text) as { readonly title?: unknown; readonly version?: unknown };
    return /qdrant/i.test(String(title)) && typeof version === 'string' ? version : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function facetCall({ collection, field, limit }: FacetRequest, shard_key: string | undefined): RawCall {
  return {
    method: 'POST',
    path: `${collectionPath(collection)}/facet`,
    body: objectText({ key: JSON.stringify(field), exact: 'true', limit: String(limit), shard_key }),
    task: `count points by ${field} in ${collection}`,
    collection,
  };
}

function facetHits(answer: unknown): readonly FacetHit[] {
  const { result } = answer as { readonly result: { readonly hits: readonly { value: unknown; count: number }[] } };
  // A value that has lost its last point stays in the list with 0.
  return result.hits.flatMap(({ value, count }) => (typeof value === 'string' && count > 0 ? [{ value, count }] : []));
}

import pMap from 'p-map';
import { collectionFacts } from './collection-facts.ts';
import type { ControlCalls } from './control-calls.ts';
import { answerFailure, notQdrant } from './failure.ts';
import { exactText, type PointId, type PointJson, pointId } from './point-json.ts';
import type { FacetHit, FacetRequest, FieldPoint, PointContent, QdrantReader } from './qdrant-reader.ts';
import type { RawCall, RawCalls } from './raw-calls.ts';
import { collectionPath, filterText, objectText } from './request-body.ts';

/** What reader and writer work with. */
export interface Connection {
  readonly url: string;
  readonly raw: RawCalls;
  readonly control: ControlCalls;
  readonly json: PointJson;
}

/** Aim for the text of one page with vectors. */
const PAGE_BYTES = 4 << 20;
const FIRST_CONTENT_PAGE = 32;
const COLLECTIONS_AT_ONCE = 8;

/** The reading calls over an open connection. */
export function readingCalls({ url, raw, control, json }: Connection): QdrantReader {
  async function result(call: RawCall, parse: (text: string) => unknown): Promise<unknown> {
    const text = await raw.send(call);
    try {
      const { result } = parse(text) as { readonly result?: unknown };
      if (result !== undefined && result !== null) return result;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
    throw notQdrant(raw.purpose(call), 200);
  }

  async function* pages(collection: string, request: PageRequest): AsyncGenerator<readonly RawPoint[]> {
    const path = `${collectionPath(collection)}/points/scroll`;
    const task = `read points of ${collection}`;
    let limit = request.byBytes ? Math.min(FIRST_CONTENT_PAGE, request.pageSize) : request.pageSize;
    for (let offset: string | undefined; ; ) {
      const body = objectText({ ...request.members, limit: String(limit), offset });
      let bytes = 0;
      const page = (await result({ method: 'POST', path, body, task, collection }, (text) => {
        bytes = text.length;
        return request.byBytes ? json.parseExact(text) : json.parse(text);
      })) as { readonly points: readonly RawPoint[]; readonly next_page_offset?: unknown };
      if (page.points.length > 0) yield page.points;
      if (page.next_page_offset === undefined || page.next_page_offset === null) return;
      offset = pointId(page.next_page_offset);
      if (request.byBytes) {
        const fitting = Math.floor((PAGE_BYTES * page.points.length) / bytes);
        limit = Math.max(1, Math.min(fitting, limit * 4, request.pageSize));
      }
    }
  }

  const reader: QdrantReader = {
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
    async collection(name) {
      const purpose = { url, task: `describe ${name}`, collection: name, write: false };
      return collectionFacts(name, await control(purpose, (client) => client.getCollection(name)));
    },
    async count({ collection, match, ids, severalValues, allReplicas }) {
      const { count } = (await result(
        {
          method: 'POST',
          path: `${collectionPath(collection)}/points/count${allReplicas ? '?consistency=all' : ''}`,
          body: objectText({ filter: filterText({ match, ids, severalValues }), exact: 'true' }),
          task: `count points of ${collection}`,
          collection,
        },
        json.parse,
      )) as { readonly count: number };
      return count;
    },
    async facet(request) {
      const call = facetCall(request);
      const answer = await raw.ask(call);
      // No index on the field, or a server from before facets.
      if (answer.status === 400 && /index/i.test(answer.text)) return undefined;
      if (answer.status === 404 && !/collection/i.test(answer.text)) return undefined;
      if (answer.status !== 200) throw answerFailure(answer, raw.purpose(call));
      if (!answer.json) throw notQdrant(raw.purpose(call), 200);
      return facetHits(json.parse(answer.text));
    },
    async *scrollIds({ collection, match, pageSize }) {
      const members = { with_payload: 'false', with_vector: 'false', filter: filterText({ match }) };
      for await (const points of pages(collection, { members, pageSize })) yield points.map(({ id }) => pointId(id));
    },
    async *scrollField({ collection, match, field, pageSize }) {
      const members = { with_payload: JSON.stringify([field]), with_vector: 'false', filter: filterText({ match }) };
      for await (const points of pages(collection, { members, pageSize })) {
        yield points.map(({ id, payload }): FieldPoint => ({ id: pointId(id), value: payload?.[field] }));
      }
    },
    async *scrollPoints({ collection, match, pageSize }) {
      const members = { with_payload: 'true', with_vector: 'true', filter: filterText({ match }) };
      for await (const points of pages(collection, { members, pageSize, byBytes: true })) {
        yield points.map((point) => content(point, true));
      }
    },
    async retrieve({ collection, ids, vectors }) {
      const points = (await result(
        {
          method: 'POST',
          path: `${collectionPath(collection)}/points`,
          body: objectText({ ids: `[${ids.join(',')}]`, with_payload: 'true', with_vector: String(vectors) }),
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
      const facets = await pMap(
        names,
        async (collection) => {
          const { indexes, limits } = await reader.collection(collection);
          if (!indexes.has(field)) return [];
          return (
            (await reader.facet({ collection, field, limit: Math.min(limit, limits.maxQueryLimit ?? limit) })) ?? []
          );
        },
        { concurrency: COLLECTIONS_AT_ONCE },
      );
      for (const { value, count } of facets.flat()) sums.set(value, (sums.get(value) ?? 0) + count);
      return [...sums].map(([value, count]) => ({ value, count })).sort((a, b) => b.count - a.count);
    },
    close: () => raw.close(),
  };
  return reader;
}

interface PageRequest {
  /** Members of the body as JSON text. */
  readonly members: Readonly<Record<string, string | undefined>>;
  readonly pageSize: number;
  /** Fit the pages to their bytes and keep every number as it is written. */
  readonly byBytes?: boolean;
}

interface RawPoint {
  readonly id: unknown;
  readonly payload?: Readonly<Record<string, unknown>> | null;
  readonly vector?: unknown;
}

function content({ id, payload, vector }: RawPoint, vectors: boolean): PointContent {
  return {
    id: pointId(id) satisfies PointId,
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

function facetCall({ collection, field, limit }: FacetRequest): RawCall {
  return {
    method: 'POST',
    path: `${collectionPath(collection)}/facet`,
    body: JSON.stringify({ key: field, exact: true, limit }),
    task: `count points by ${field} in ${collection}`,
    collection,
  };
}

function facetHits(answer: unknown): readonly FacetHit[] {
  const { result } = answer as { readonly result: { readonly hits: readonly { value: unknown; count: number }[] } };
  // A value that has lost its last point stays in the list with 0.
  return result.hits.flatMap(({ value, count }) => (typeof value === 'string' && count > 0 ? [{ value, count }] : []));
}

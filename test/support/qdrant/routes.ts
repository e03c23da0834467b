import type { SimulatedRequest } from '../fault-http.ts';
import { isObject, type Json, type JsonObject, jsonText, type ParsedJson, parseJson, placeOf } from './exact-json.ts';
import type { Node } from './node.ts';
import type { ShardKey } from './point.ts';
import * as points from './point-routes.ts';
import { badFormat, notSimulated, QdrantError } from './qdrant-error.ts';
import { query } from './search.ts';

/** The JSON text of `result`; nothing where the server has no such route. */
export type Result = string | Promise<string> | undefined;

const PEER_ID = 8276222500285383;
const READING_POSTS =
  /^\/collections\/[^/]+\/(facet|points|points\/(count|scroll|query|search|recommend|discover)(\/.*)?)$/;

export function isWrite(method: string, pathname: string): boolean {
  if (method === 'GET' || method === 'HEAD') return false;
  return method !== 'POST' || !READING_POSTS.test(pathname);
}

/** Answers a request from what the node holds. */
export function route(node: Node, request: SimulatedRequest): Result {
  const { method, pathname } = request;
  const [root, ...rest] = pathname.slice(1).split('/').map(decodeURIComponent);
  const call = `${method} ${[root, ...rest.map((part, at) => (at === 0 && part !== 'aliases' ? '*' : part))].join('/')}`;
  switch (call) {
    case 'GET collections':
      return `{"collections":[${[...node.collections.keys()].map((name) => `{"name":${JSON.stringify(name)}}`).join(',')}]}`;
    case 'GET aliases':
      return aliasesText(node);
    case 'GET cluster':
      return '{"status":"disabled"}';
    case 'POST collections/aliases':
      node.changeAliases(objectOf(bodyOf(request)).actions);
      return 'true';
  }
  const [name, ...tail] = rest;
  if (root !== 'collections' || name === undefined) return undefined;
  return tail[0] === undefined || tail[0] === 'exists'
    ? collectionRoute(node, request, name, tail[0])
    : partRoute(node, request, name, tail);
}

function collectionRoute(node: Node, request: SimulatedRequest, name: string, tail: string | undefined): Result {
  const call = tail === undefined ? request.method : `${request.method} ${tail}`;
  switch (call) {
    case 'GET exists':
      return `{"exists":${node.find(name) !== undefined}}`;
    case 'GET':
      return infoText(node, name);
    case 'PUT':
      node.create(name, objectOf(bodyOf(request)));
      return 'true';
    case 'PATCH':
      node.collection(name).change(objectOf(bodyOf(request)));
      return 'true';
    case 'DELETE':
      return String(node.delete(name));
    default:
      return undefined;
  }
}

function partRoute(node: Node, request: SimulatedRequest, name: string, tail: readonly string[]): Result {
  const [part, inner] = tail;
  const call = `${request.method} ${tail.join('/')}`;
  if (call === 'GET aliases') {
    node.collection(name);
    return aliasesText(node, name);
  }
  if (part === 'cluster' || part === 'shards') return shardRoute(node, request, name, call);
  if (part === 'index') return indexRoute(node, request, name, inner);
  const work = POINT_CALLS[call];
  if (work !== undefined) return work(pointRequest(node, request, name));
  if (request.method === 'GET' && part === 'points' && inner !== undefined && tail.length === 2) {
    return points.retrieveOne(pointRequest(node, request, name), inner);
  }
  if (
    request.method !== 'PATCH' &&
    /^(snapshots|points\/(vectors|search|recommend|discover|query\/.))/.test(tail.join('/'))
  ) {
    throw notSimulated(call);
  }
  return undefined;
}

const POINT_CALLS: Readonly<Record<string, (request: points.PointRequest) => string | Promise<string>>> = {
  'PUT points': (request) => points.update(request, 'upsert'),
  'POST points': points.retrieve,
  'POST points/scroll': points.scroll,
  'POST points/count': points.count,
  'POST points/delete': (request) => points.update(request, 'delete'),
  'POST points/payload': (request) => points.update(request, 'set_payload'),
  'PUT points/payload': (request) => points.update(request, 'overwrite_payload'),
  'POST points/payload/delete': (request) => points.update(request, 'delete_payload'),
  'POST points/payload/clear': (request) => points.update(request, 'clear_payload'),
  'POST points/batch': points.updateBatch,
  'POST facet': points.facet,
  'POST points/query': query,
};

function pointRequest(node: Node, request: SimulatedRequest, name: string): points.PointRequest {
  const { query } = request;
  if (request.method === 'GET') return { collection: node.collection(name), body: {}, exact: false, end: '', query };
  const parsed = bodyOf(request);
  const body = objectOf(parsed);
  const { trouble } = request;
  const collection = node.collection(name);
  return {
    collection,
    body,
    exact: parsed.exact,
    end: parsed.end,
    query,
    ...(trouble === undefined ? {} : { trouble }),
  };
}

/** Shards that the user names. They exist here without a cluster, so that clients of such collections can be tried. */
function shardRoute(node: Node, request: SimulatedRequest, name: string, call: string): Result {
  const collection = node.collection(name);
  const keys = collection.shardKeys;
  switch (call) {
    case 'GET cluster':
      return `{"peer_id":${PEER_ID},"shard_count":${keys?.size ?? 1},"local_shards":[${shardsText(node, name)}],"remote_shards":[],"shard_transfers":[]}`;
    case 'GET shards':
      return keys === undefined
        ? '{}'
        : `{"shard_keys":[${[...keys].map((key) => `{"key":${JSON.stringify(key)}}`).join(',')}]}`;
    case 'PUT shards':
    case 'POST shards/delete': {
      const key = objectOf(bodyOf(request)).shard_key as ShardKey;
      if (keys === undefined) throw new QdrantError(400, 'Bad request: Distributed mode disabled');
      if (request.method === 'PUT') {
        if (keys.has(key)) throw new QdrantError(400, `Bad request: Shard key ${String(key)} already exists`);
        keys.add(key);
        return 'true';
      }
      for (const point of collection.matching(undefined, new Set([key]))) collection.delete(point);
      return String(keys.delete(key));
    }
    case 'POST cluster':
      throw new QdrantError(400, 'Bad request: Distributed mode disabled');
    default:
      return undefined;
  }
}

function shardsText(node: Node, name: string): string {
  const collection = node.collection(name);
  if (collection.shardKeys === undefined) return `{"shard_id":0,"points_count":${collection.size},"state":"Active"}`;
  return [...collection.shardKeys]
    .map((key, at) => {
      const held = collection.count(undefined, new Set([key]));
      return `{"shard_id":${at},"shard_key":${JSON.stringify(key)},"points_count":${held},"state":"Active"}`;
    })
    .join(',');
}

function indexRoute(node: Node, request: SimulatedRequest, name: string, field: string | undefined): Result {
  const { query, method, trouble } = request;
  if (!(method === 'PUT' && field === undefined) && !(method === 'DELETE' && field !== undefined)) return undefined;
  const parsed = method === 'PUT' ? bodyOf(request) : undefined;
  const collection = node.collection(name);
  const wait = points.writeMode({ query, collection });
  let work = (): void => void collection.indexes.delete(String(field));
  if (parsed !== undefined) {
    const { field_name: key, field_schema: schema } = objectOf(parsed);
    if (typeof key !== 'string') throw badFormat(`missing field \`field_name\` at ${parsed.end}`);
    // As the server does, also where the index is there already.
    collection.strict.checkIndexes(collection.indexes.size);
    collection.strict.takeWrite(() => 2);
    work = () => collection.addIndex(key, schema);
  }
  // The real server logs two operations for each index.
  collection.nextOperation();
  return points.queued({ collection, query, ...(trouble === undefined ? {} : { trouble }) }, work, wait);
}

function infoText(node: Node, name: string): string {
  const collection = node.collection(name);
  const schema: Record<string, Json> = {};
  for (const [field, { type, params, points: held }] of collection.indexes) {
    schema[field] = { data_type: type, ...(params === undefined ? {} : { params }), points: held.size };
  }
  return jsonText(
    {
      status: node.health.status,
      optimizer_status: node.health.optimizer,
      indexed_vectors_count: 0,
      points_count: collection.size,
      segments_count: 2,
      config: collection.config,
      payload_schema: schema,
      ...(node.isBefore117 ? {} : { update_queue: { length: collection.queue.length } }),
    },
    true,
  );
}

function aliasesText(node: Node, collection?: string): string {
  const aliases = [...node.aliases].filter(([, of]) => collection === undefined || of === collection);
  return JSON.stringify({ aliases: aliases.map(([alias, of]) => ({ alias_name: alias, collection_name: of })) });
}

interface Body extends ParsedJson {
  readonly end: string;
}

function bodyOf({ body }: SimulatedRequest): Body {
  const text = body.toString('utf8');
  return { ...parseJson(text), end: text.length < 4096 ? placeOf(text, text.length) : `line 1 column ${text.length}` };
}

function objectOf({ value }: Body): JsonObject {
  if (!isObject(value)) throw badFormat('invalid type: expected a map');
  return value;
}

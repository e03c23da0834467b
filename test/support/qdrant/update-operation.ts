import type { Collection, Scope, StoredContent } from './collection.ts';
import { isObject, type Json, type JsonObject } from './exact-json.ts';
import { type Filter, filterOf } from './filter.ts';
import { mergedAt, parsePath, withoutPath } from './json-path.ts';
import type { Point, ShardKey } from './point.ts';
import { type PointId, pointIdOf } from './point-id.ts';
import { badFormat, notFound, wrongInput } from './qdrant-error.ts';
import { vectorsOf } from './vectors.ts';

/** Points are changed in groups of this size: the group with a missing id is applied, later ones are not. */
const GROUP = 32;

/** One change to points, read and checked, not yet made. */
export interface UpdateOperation {
  /** Refuses with what strict mode forbids. */
  check(): void;
  /** An estimate of the points that it touches. */
  cost(): number;
  /** `half`: as if the points lay on two shards of which one failed. */
  apply(part?: 'half'): void;
}

export interface OperationRequest {
  readonly collection: Collection;
  readonly body: JsonObject;
  readonly exact: boolean;
  /** Where the body ends, for the error that a missing field gets. */
  readonly end: string;
}

export type OperationKind =
  | 'upsert'
  | 'delete'
  | 'set_payload'
  | 'overwrite_payload'
  | 'delete_payload'
  | 'clear_payload';

/** Reads the body of an update. Wrong forms are refused here, before anything is applied. */
export function updateOperation(kind: OperationKind, request: OperationRequest): UpdateOperation {
  switch (kind) {
    case 'upsert':
      return upsert(request);
    case 'delete':
      return onSelected(request, 'PointsSelector', { missing: 'ignored' }, (collection, point) =>
        collection.delete(point),
      );
    case 'set_payload':
      return setPayload(request);
    case 'overwrite_payload': {
      const payload = payloadOf(request);
      return onSelected(request, undefined, {}, (collection, point) =>
        collection.setPayload(point, payload, request.exact),
      );
    }
    case 'delete_payload':
      return deletePayload(request);
    case 'clear_payload':
      return onSelected(request, 'PointsSelector', {}, (collection, point) => collection.setPayload(point, {}, false));
  }
}

/** The shard keys that `shard_key` names. */
export function scopeOf(collection: Collection, given: Json | undefined): Scope {
  if (given === undefined || given === null) return undefined;
  const wanted = isObject(given) ? (given.target ?? given.fallback) : given;
  const keys = (Array.isArray(wanted) ? wanted : [wanted]) as readonly ShardKey[];
  for (const key of keys) {
    if (collection.shardKeys?.has(key) !== true) throw wrongInput(`Shard key ${JSON.stringify(key)} not found`);
  }
  return new Set(keys);
}

function writeScope({ collection, body }: OperationRequest): Scope {
  const scope = scopeOf(collection, body.shard_key);
  if (collection.shardKeys !== undefined && scope === undefined) throw wrongInput('Shard key not specified');
  return scope;
}

function upsert(request: OperationRequest): UpdateOperation {
  const { collection, body, exact } = request;
  const scope = writeScope(request);
  const given = pointsOf(body);
  const mode = (collection.knowsUpdateMode ? body.update_mode : undefined) ?? 'upsert';
  if (mode !== 'upsert' && mode !== 'insert_only' && mode !== 'update_only') {
    throw badFormat(
      `unknown variant \`${String(mode)}\`, expected one of \`upsert\`, \`insert_only\`, \`update_only\``,
    );
  }
  const condition = isObject(body.update_filter)
    ? filterOf(body.update_filter, collection.indexes, 'update_filter')
    : undefined;
  const shards = scope === undefined ? [undefined] : [...scope];
  const stored = ({ id, vector, payload }: GivenPoint): StoredContent => {
    const vectors = vectorsOf(vector, collection.schema);
    return { id, vectors, payload: isObject(payload) ? payload : {}, exact };
  };
  return {
    check: () => {
      collection.strict.checkUpsert(given.length, collection.size);
      collection.strict.checkPayloadSize(() => collection.payloadBytes);
    },
    cost: () => given.length,
    apply: () => {
      const contents = given.map(stored);
      for (const content of contents) {
        // Each shard judges by the ids that it holds itself.
        for (const shard of shards) {
          const [old] = collection.held([content.id], shard === undefined ? undefined : new Set([shard]));
          if (old === undefined ? mode === 'update_only' : mode === 'insert_only') continue;
          if (old !== undefined && condition?.test(old) === false) continue;
          collection.put(content, shard);
        }
      }
    },
  };
}

interface GivenPoint {
  readonly id: PointId;
  readonly vector: Json | undefined;
  readonly payload: Json | undefined;
}

function pointsOf(body: JsonObject): readonly GivenPoint[] {
  if (Array.isArray(body.points)) {
    return body.points.map((point: JsonObject) => {
      return { id: pointIdOf(point.id), vector: point.vector ?? point.vectors, payload: point.payload };
    });
  }
  if (!isObject(body.batch) || !Array.isArray(body.batch.ids)) {
    throw badFormat('data did not match any variant of untagged enum PointInsertOperations');
  }
  const { ids, vectors, payloads } = body.batch as { ids: readonly Json[]; vectors: Json; payloads?: readonly Json[] };
  return ids.map((id, at) => {
    const vector = Array.isArray(vectors)
      ? (vectors as readonly Json[])[at]
      : Object.fromEntries(
          Object.entries(vectors as JsonObject).map(([name, list]) => [name, (list as Json[])[at] as Json]),
        );
    return { id: pointIdOf(id), vector, payload: payloads?.[at] };
  });
}

function setPayload(request: OperationRequest): UpdateOperation {
  const { body, exact } = request;
  const patch = payloadOf(request);
  const path = typeof body.key === 'string' ? parsePath(body.key) : [];
  const heads = new Set(path.length === 0 ? Object.keys(patch) : [String(path[0])]);
  const operation = onSelected(request, undefined, {}, (collection, point) => {
    collection.setPayload(point, mergedAt(point.payload, path, patch), point.exact || exact, heads);
  });
  const check = () => {
    request.collection.strict.checkPayloadSize(() => request.collection.payloadBytes);
    operation.check();
  };
  return { ...operation, check };
}

function deletePayload(request: OperationRequest): UpdateOperation {
  const { body, end } = request;
  if (!Array.isArray(body.keys)) throw badFormat(`missing field \`keys\` at ${end}`);
  const paths = body.keys.map((key: Json) => parsePath(String(key)));
  const heads = new Set(paths.map(([head]) => String(head)));
  return onSelected(request, undefined, {}, (collection, point) => {
    const payload = paths.reduce((kept, path) => withoutPath(kept, path), point.payload);
    collection.setPayload(point, payload, point.exact, heads);
  });
}

function payloadOf({ body, end }: OperationRequest): JsonObject {
  if (body.payload === undefined) throw badFormat(`missing field \`payload\` at ${end}`);
  if (!isObject(body.payload)) throw badFormat(`invalid type: expected a map at ${end}`);
  return body.payload;
}

/** A change to each of the points that `points` or else `filter` selects. With `points`, `filter` is ignored. */
function onSelected(
  request: OperationRequest,
  selector: string | undefined,
  { missing }: { readonly missing?: 'ignored' },
  change: (collection: Collection, point: Point) => void,
): UpdateOperation {
  const { collection, body } = request;
  const scope = writeScope(request);
  if (Array.isArray(body.points)) {
    const ids = body.points.map((id: Json) => pointIdOf(id));
    const group = (from: number) => collection.held(ids.slice(from, from + GROUP), scope);
    return {
      check: () => undefined,
      cost: () => ids.length,
      apply: (part) => {
        const end = part === 'half' ? ids.length / 2 : ids.length;
        for (let from = 0; from < end; from += GROUP) {
          const points = group(from);
          for (const point of points) change(collection, point);
          if (missing !== 'ignored') refuseMissing(ids.slice(from, from + GROUP), points);
        }
      },
    };
  }
  if (!isObject(body.filter)) {
    throw badFormat(
      selector === undefined
        ? 'Either list of point ids or filter must be provided'
        : `data did not match any variant of untagged enum ${selector}`,
    );
  }
  return onFiltered(collection, filterOf(body.filter, collection.indexes, 'filter'), scope, change);
}

function onFiltered(
  collection: Collection,
  filter: Filter,
  scope: Scope,
  change: (collection: Collection, point: Point) => void,
): UpdateOperation {
  return {
    check: () => collection.strict.checkFilter(filter, 'update', collection.indexes),
    cost: () => collection.count(filter, scope),
    apply: (part) => {
      for (const [at, point] of collection.matching(filter, scope).entries()) {
        if (part === undefined || at % 2 === 0) change(collection, point);
      }
    },
  };
}

function refuseMissing(ids: readonly PointId[], points: readonly Point[]): void {
  const found = new Set(points.map(({ id }) => id));
  const absent = ids.find((id) => !found.has(id));
  if (absent !== undefined) throw notFound(`No point with id ${absent} found`);
}

import type { SimulatedRequest } from '../fault-http.ts';
import type { Collection, Scope } from './collection.ts';
import { asDouble, isObject, type Json, type JsonObject } from './exact-json.ts';
import { type Filter, filterOf } from './filter.ts';
import { idText, pointIdFromPath, pointIdOf } from './point-id.ts';
import { pointText } from './point-text.ts';
import { badFormat, invalid, notFound, QdrantError, wrongInput } from './qdrant-error.ts';
import { type OperationKind, scopeOf, type UpdateOperation, updateOperation } from './update-operation.ts';

/** A request about one collection's points; each answer is the JSON text of `result`. */
export interface PointRequest {
  readonly collection: Collection;
  readonly body: JsonObject;
  readonly exact: boolean;
  /** Where the body ends, as error texts name it. */
  readonly end: string;
  readonly query: URLSearchParams;
  /** What shall go wrong with an update. */
  readonly trouble?: SimulatedRequest['trouble'];
}

const BATCH: readonly OperationKind[] = [
  'upsert',
  'delete',
  'set_payload',
  'overwrite_payload',
  'delete_payload',
  'clear_payload',
];

export function scroll(request: PointRequest): string {
  const { collection, body } = request;
  const limit = limitOf(body.limit, 10, 'scroll_request');
  if (body.order_by !== undefined && body.order_by !== null) refuseOrder(body.order_by);
  const filter = readFilter(request, 'scroll_request');
  const scope = readScope(request, limit);
  const offset = body.offset === undefined || body.offset === null ? undefined : pointIdOf(body.offset);
  const show = pointText(body.with_payload, body.with_vector, collection.schema);
  const { points, next } = collection.scroll({ filter, offset, limit, scope });
  return `{"points":[${points.map(show).join(',')}],"next_page_offset":${next === undefined ? 'null' : idText(next)}}`;
}

export function count(request: PointRequest): string {
  const filter = readFilter(request, 'count_request');
  request.collection.strict.checkExact(request.body.exact !== false);
  const scope = readScope(request);
  return `{"count":${request.collection.count(filter, scope)}}`;
}

export function facet(request: PointRequest): string {
  const { body, collection, end } = request;
  if (typeof body.key !== 'string') throw badFormat(`missing field \`key\` at ${end}`);
  const limit = limitOf(body.limit, 10, 'facet_request');
  const filter = readFilter(request, 'facet_request');
  collection.strict.checkExact(body.exact === true);
  const scope = readScope(request, limit);
  const hits = [...collection.facet(body.key, filter, scope)]
    .sort(([a, counted], [b, other]) => other - counted || (a < b ? -1 : 1))
    .slice(0, limit)
    .map(([value, held]) => `{"value":${typeof value === 'bigint' ? value : JSON.stringify(value)},"count":${held}}`);
  return `{"hits":[${hits.join(',')}]}`;
}

export function retrieve(request: PointRequest): string {
  const { body, collection, end } = request;
  if (!Array.isArray(body.ids)) throw badFormat(`missing field \`ids\` at ${end}`);
  const ids = body.ids.map((id: Json) => pointIdOf(id));
  const scope = readScope(request);
  const show = pointText(body.with_payload, body.with_vector, collection.schema);
  return `[${collection.retrieve(ids, scope).map(show).join(',')}]`;
}

export function retrieveOne({ collection }: PointRequest, segment: string): string {
  const id = pointIdFromPath(segment);
  collection.strict.takeRead();
  const [point] = collection.retrieve([id], undefined);
  if (point === undefined) throw notFound(`Point with id ${id} does not exists!`);
  return pointText(true, true, collection.schema)(point);
}

/** One update. Without `wait=true` it is acknowledged, and its errors stay unseen. */
export async function update(request: PointRequest, kind: OperationKind): Promise<string> {
  const wait = writeMode(request);
  const operation = updateOperation(kind, request);
  operation.check();
  return perform(request, operation, wait);
}

/** Checks every operation first, then performs one after the other: it stops at the first that fails. */
export async function updateBatch(request: PointRequest): Promise<string> {
  const { body, end } = request;
  const wait = writeMode(request);
  if (!Array.isArray(body.operations)) throw badFormat(`missing field \`operations\` at ${end}`);
  const operations = body.operations.map((given: JsonObject) => {
    const kind = BATCH.find((name) => given[name] !== undefined);
    const inner = kind === undefined ? undefined : given[kind];
    if (kind === undefined || !isObject(inner)) {
      throw badFormat('data did not match any variant of untagged enum UpdateOperation');
    }
    return updateOperation(kind, { ...request, body: inner });
  });
  for (const operation of operations) operation.check();
  const done: string[] = [];
  for (const operation of operations) done.push(await perform(request, operation, wait));
  return `[${done.join(',')}]`;
}

/** Reads `wait`, `ordering` and `timeout` of a write: whether it is to be waited for. */
export function writeMode({ query, collection }: Pick<PointRequest, 'query' | 'collection'>): boolean {
  const ordering = query.get('ordering') ?? 'weak';
  if (!['weak', 'medium', 'strong'].includes(ordering)) {
    throw badQuery(`unknown variant \`${ordering}\`, expected one of \`weak\`, \`medium\`, \`strong\``);
  }
  checkTimeout(query, collection);
  const wait = query.get('wait') ?? 'false';
  if (wait !== 'true' && wait !== 'false') throw badQuery('provided string was not `true` or `false`');
  return wait === 'true';
}

type Update = Pick<PointRequest, 'collection' | 'query' | 'trouble'>;

/** Hands an update to the collection's queue and answers as `wait` and the trouble with it say. */
export async function queued(update: Update, work: () => void, wait: boolean): Promise<string> {
  const { collection, query, trouble } = update;
  const operation = collection.nextOperation();
  const status = (text: string) => `{"operation_id":${operation},"status":"${text}"}`;
  const late = trouble?.name === 'late';
  const done = appliedIn(collection, work, late ? trouble.ms : 0);
  if (late && wait) {
    done.catch(unseen);
    if (query.has('timeout')) return status('wait_timeout');
    throw new QdrantError(408, 'Timeout error: Update operation timed out after 60 seconds on 1 of 1 shards');
  }
  if (wait) await done;
  else done.catch(unseen);
  return status(wait ? 'completed' : 'acknowledged');
}

/** What is applied at once is applied before this returns: the next request sees it. */
async function appliedIn(collection: Collection, work: () => void, ms: number): Promise<void> {
  await collection.queue.add(work, ms);
}

/** A fault that nobody waits for stays unseen; one of this simulation does not. */
function unseen(error: unknown): void {
  if (!(error instanceof QdrantError)) throw error;
}

function perform(request: PointRequest, operation: UpdateOperation, wait: boolean): Promise<string> {
  request.collection.strict.takeWrite(operation.cost);
  if (request.trouble?.name !== 'half') return queued(request, () => operation.apply(), wait);
  const failing = (): never => {
    operation.apply('half');
    throw new QdrantError(
      500,
      'Service internal error: 1 out of 2 shards failed to apply operation. First error captured: Service internal error: broken',
    );
  };
  return queued(request, failing, wait);
}

/** Reads `filter`, as strict mode allows. */
export function readFilter({ body, collection }: PointRequest, name: string): Filter | undefined {
  if (body.filter === undefined || body.filter === null) return undefined;
  const filter = filterOf(body.filter, collection.indexes, `${name}.filter`);
  collection.strict.checkFilter(filter, 'retrieve', collection.indexes);
  return filter;
}

/** Reads which shards are meant, as strict mode allows, and takes the request from the rate. */
export function readScope({ body, collection, query }: PointRequest, limit?: number): Scope {
  collection.strict.checkLimit(limit);
  checkTimeout(query, collection);
  const scope = scopeOf(collection, body.shard_key);
  collection.strict.takeRead();
  return scope;
}

function checkTimeout(query: URLSearchParams, collection: Collection): void {
  const given = query.get('timeout');
  if (given === null) return;
  if (!/^\d+$/.test(given)) throw badQuery('invalid digit found in string');
  if (Number(given) < 1) {
    throw new QdrantError(422, 'Validation error in query parameters: [timeout: value 0 invalid, must be 1 or larger]');
  }
  collection.strict.checkTimeout(Number(given));
}

function badQuery(text: string): QdrantError {
  return new QdrantError(400, `Deserialize error in query parameters: ${text}`);
}

/** Reads a number of points. */
export function limitOf(given: Json | undefined, otherwise: number, name: string): number {
  if (given === undefined || given === null) return otherwise;
  const limit = asDouble(given);
  if (limit === undefined || !Number.isInteger(limit) || limit < 0) throw badFormat('invalid value, expected usize');
  if (limit < 1) throw invalid(`${name}.limit`, `value ${limit} invalid, must be 1 or larger`);
  return limit;
}

function refuseOrder(given: Json): never {
  const key = isObject(given) ? String(given.key) : String(given);
  throw wrongInput(
    `No range index for \`order_by\` key: \`${key}\`. Please create one to use \`order_by\`. Check https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which payload schemas support Range conditions`,
  );
}

import { MigrateError } from '../../model/errors.ts';
import { largeBodyFix } from '../../model/large-body-fix.ts';
import { idAt, idOfPoint, type PointText, shardKeyOf } from '../../model/point-text.ts';
import { onOneLine, rawItems, rawList, rawMember, rawMembers } from '../../model/raw-json.ts';
import { isOverBudget } from './answer.ts';
import { notQdrant, type Purpose } from './failure.ts';
import { type PointId, pointId } from './point-json.ts';
import type { FieldMatch, QdrantReader, ShardKey } from './qdrant-reader.ts';
import { type RawCall, textOf } from './raw-calls.ts';
import type { Connection } from './reading.ts';
import { collectionPath, filterText, objectText, scopeText } from './request-body.ts';
import type { RawPoint } from './scroll.ts';
import type { SettledWrites } from './settled-writes.ts';

/** Reading points as the server's own text: no number, member order or repeated name passes through a value. */
export interface QdrantPointReading {
  /** The points that are there with payload and all vectors, in any order. Ask for what fits a few megabytes. */
  retrieveTexts(collection: string, ids: readonly PointId[]): Promise<readonly PointText[]>;
  /** Those of the ids that are taken. */
  presentIds(collection: string, ids: readonly PointId[]): Promise<ReadonlySet<PointId>>;
  /**
   * The points as they stand now with all of their content, in order: each by its id in its own shard, since an id that
   * stands in two shards names two points. Undefined where there is none, or the shard is no more.
   */
  textsOf(collection: string, points: readonly PointText[]): Promise<readonly (PointText | undefined)[]>;
  /** Whether the id of each of the points is taken in its shard, in order. */
  takenOf(collection: string, points: readonly PointText[]): Promise<readonly boolean[]>;
  /**
   * Whether the server, and what stands before it, take a request of so many bytes: tried with one that asks for nothing.
   * Below a few megabytes nobody is asked.
   */
  takesBody(collection: string, bytes: number): Promise<boolean>;
  /** Ids in ascending order with some payload fields, page by page; without vectors. */
  scrollRecords(request: RecordScrollRequest): AsyncIterable<readonly PointRecord[]>;
}

export interface RecordScrollRequest {
  readonly collection: string;
  readonly match?: FieldMatch | undefined;
  /** Paths of the payload that are wanted. */
  readonly fields: readonly string[];
  readonly pageSize: number;
  /** The first id to read from. */
  readonly from?: PointId | undefined;
}

/** A point with a part of its payload. */
export interface PointRecord {
  readonly id: PointId;
  /** JSON text of an object with those of the fields that the point has. */
  readonly payload: string;
}

/** Writing whole points. Each call waits until it is applied and visible. */
export interface QdrantPointWriting {
  /**
   * Inserts points whose ids are free; one that exists by now stays as it is from Qdrant 1.17 on. It is sent once: where
   * the outcome is unknown this returns when the server has worked off what it took, and a look tells what is there.
   */
  insertPoints(collection: string, points: readonly PointText[]): Promise<void>;
  /** Puts points in place of those with the same ids. */
  replacePoints(collection: string, points: readonly PointText[]): Promise<void>;
  /** Deletes exactly these points; one that is gone is no error. */
  deletePoints(collection: string, points: readonly PointPlace[]): Promise<void>;
}

/** A point's id, and its shard key where the application places points. */
export interface PointPlace {
  readonly id: PointId;
  readonly shardKey?: string | undefined;
}

/** Requests up to this are taken for granted: twice what batches of points aim at. */
const SURELY_TAKEN = 8 << 20;

/** How an answer begins whose result is a list. */
const RESULT_LIST = /^\s*\{\s*"result"\s*:\s*(?=\[)/;

export function pointReading({ raw, json, scopes }: Connection): QdrantPointReading {
  let known = SURELY_TAKEN;
  /** Without parsing what is inside. */
  function resultOf(text: string, call: RawCall): string {
    const result = memberOf(text, 'result');
    if (result === undefined) throw notQdrant(raw.purpose(call), 200);
    return result;
  }
  const readCall = (collection: string, path: string, body: Readonly<Record<string, string | undefined>>): RawCall => ({
    method: 'POST',
    path: `${collectionPath(collection)}${path}`,
    body: objectText(body),
    task: `read points of ${collection}`,
    collection,
  });
  /** What stands as it is expected byte for byte is not looked at any closer: the expected text itself is given. */
  async function retrieveTexts(
    place: Shard,
    ids: readonly PointId[],
    expected?: ReadonlyMap<PointId, PointText>,
  ): Promise<readonly PointText[]> {
    if (ids.length === 0) return [];
    const call = byIdCall(place, ids, 'true');
    const text = await askShard(place, call);
    if (text === undefined) return [];
    // The items end where the array does: what follows in the answer need not be looked for first.
    const before = RESULT_LIST.exec(text)?.[0].length;
    const list = before === undefined ? resultOf(text, call) : text;
    const items = rawItems(list, before, (at) => {
      const point = expected?.get(idAt(list, at) ?? '');
      return point !== undefined && list.startsWith(point, at) ? point : undefined;
    });
    return text.includes('\n') || text.includes('\r') ? items.map(onOneLine) : items;
  }
  async function presentIds(place: Shard, ids: readonly PointId[]): Promise<ReadonlySet<PointId>> {
    if (ids.length === 0) return new Set();
    const call = byIdCall(place, ids, 'false');
    const text = await askShard(place, call);
    if (text === undefined) return new Set();
    const points = json.parse(resultOf(text, call)) as readonly RawPoint[];
    return new Set(points.map(({ id }) => pointId(id)));
  }
  function byIdCall({ collection, shardKey }: Shard, ids: readonly PointId[], whole: 'true' | 'false'): RawCall {
    return readCall(collection, '/points', {
      ids: `[${ids.join(',')}]`,
      with_payload: whole,
      with_vector: whole,
      shard_key: shardKey ?? scopeText({ scopes }, { collection }),
    });
  }
  /** Undefined where the shard that is asked is no more. */
  async function askShard({ shardKey }: Shard, call: RawCall): Promise<string | undefined> {
    if (shardKey === undefined) return raw.send(call);
    const answer = await raw.ask(call);
    if (answer.status >= 400 && answer.status < 500 && /shard key .*not found/i.test(answer.text)) return undefined;
    return textOf(answer, raw.purpose(call));
  }
  /** What `read` finds for each of the points, asked for shard by shard. */
  async function inShards<T>(
    collection: string,
    points: readonly PointText[],
    read: (
      place: Shard,
      ids: readonly PointId[],
      group: ReadonlyMap<PointId, PointText>,
    ) => Promise<(id: PointId) => T>,
  ): Promise<readonly T[]> {
    const places = points.map((text, at) => ({ at, id: idOfPoint(text), text, shardKey: shardKeyOf(text) }));
    const found: T[] = [];
    for (const [shardKey, group] of byShardKey(places)) {
      const of = await read(
        { collection, shardKey },
        group.map(({ id }) => id),
        new Map(group.map(({ id, text }) => [id, text])),
      );
      for (const { at, id } of group) found[at] = of(id);
    }
    return found;
  }
  return {
    async takesBody(collection, bytes) {
      if (bytes <= known) return true;
      const asked = readCall(collection, '/points', { ids: '[]' });
      // One that is too long may get an answer or a closed connection: only then is it asked whether the server is there.
      const isTaken = await raw.ask({ ...asked, body: asked.body?.padEnd(bytes) }).then(
        ({ status }) => status === 200,
        (error: unknown) => {
          if (error instanceof MigrateError && error.code === 'unreachable') return false;
          throw error;
        },
      );
      if (isTaken) known = bytes;
      else await raw.send(asked);
      return isTaken;
    },
    retrieveTexts: (collection, ids) => retrieveTexts({ collection }, ids),
    presentIds: (collection, ids) => presentIds({ collection }, ids),
    textsOf: (collection, points) =>
      inShards(collection, points, async (place, ids, group) => {
        const texts = await retrieveTexts(place, ids, group);
        const found = new Map(texts.map((text) => [idOfPoint(text), text]));
        return (id) => found.get(id);
      }),
    takenOf: (collection, points) =>
      inShards(collection, points, async (place, ids) => {
        const taken = await presentIds(place, ids);
        return (id) => taken.has(id);
      }),
    async *scrollRecords({ collection, match, fields, pageSize, from }) {
      for (let offset = from; ; ) {
        const call = readCall(collection, '/points/scroll', {
          with_payload: JSON.stringify(fields),
          with_vector: 'false',
          filter: filterText({ match }),
          limit: String(pageSize),
          offset,
          shard_key: scopeText({ scopes }, { collection }),
        });
        const text = await raw.send(call);
        const { records, next } = quickPage(text) ?? wholePage(resultOf(text, call));
        if (records.length > 0) yield records;
        if (next === 'null') return;
        offset = next;
      }
    },
  };
}

/** A collection, or one shard of it by its key's token. */
interface Shard {
  readonly collection: string;
  readonly shardKey?: string | undefined;
}

export function pointWriting(
  { raw }: Connection,
  {
    reader,
    write,
  }: { readonly reader: Pick<QdrantReader, 'count' | 'takesBody'>; readonly write: SettledWrites['write'] },
): QdrantPointWriting {
  const upsert = async (collection: string, points: readonly PointText[], mode: string | undefined): Promise<void> => {
    for (const [shardKey, group] of byShardKey(points.map((text) => ({ text, shardKey: shardKeyOf(text) })))) {
      const call: RawCall = {
        method: 'PUT',
        path: `${collectionPath(collection)}/points?wait=true&ordering=medium`,
        body: objectText({
          points: `[${group.map(({ text }) => upsertText(text)).join(',')}]`,
          // From 1.17 on; earlier servers pass over it.
          update_mode: mode,
          shard_key: shardKey,
        }),
        task: `insert points into ${collection}`,
        collection,
        write: true,
      };
      const bytes = Buffer.byteLength(call.body ?? '');
      if (!(await reader.takesBody(collection, bytes))) throw tooLarge(raw.purpose(call), group, bytes);
      // A second insert could overwrite what came meanwhile, where the server knows no insert-only; a second replacement
      // changes nothing.
      const answer = await write(collection, call, async () => mode !== undefined);
      if (isOverBudget(answer) && group.length > 1) {
        const half = Math.ceil(group.length / 2);
        const texts = group.map(({ text }) => text);
        await upsert(collection, texts.slice(0, half), mode);
        await upsert(collection, texts.slice(half), mode);
      } else textOf(answer, raw.purpose(call));
    }
  };
  return {
    insertPoints: (collection, points) => upsert(collection, points, '"insert_only"'),
    replacePoints: (collection, points) => upsert(collection, points, undefined),
    async deletePoints(collection, points) {
      for (const [shardKey, group] of byShardKey(points)) {
        const ids = group.map(({ id }) => id);
        const call: RawCall = {
          method: 'POST',
          path: `${collectionPath(collection)}/points/delete?wait=true&ordering=medium`,
          body: objectText({ points: `[${ids.join(',')}]`, shard_key: shardKey }),
          task: `delete points of ${collection}`,
          collection,
          write: true,
        };
        const shardKeys = shardKey === undefined ? undefined : [JSON.parse(shardKey) as ShardKey];
        const isGone = async () => (await reader.count({ collection, ids, shardKeys })) === 0;
        textOf(await write(collection, call, isGone), raw.purpose(call));
      }
    },
  };
}

/** A point grows by `set_payload` past what one request may have, and then cannot be inserted as a whole. */
function tooLarge({ url, task }: Purpose, [first]: readonly { readonly text: PointText }[], bytes: number) {
  const megabytes = Math.ceil(bytes / (1 << 20));
  const point = first === undefined ? '' : ` (point ${idOfPoint(first.text)})`;
  return new MigrateError(
    'store',
    `Qdrant at ${url} could not ${task}${point}: it takes no request of ${megabytes} MB`,
    {
      stage: 'qdrant',
      store: url,
      next: `${largeBodyFix(megabytes)}, then type the same command again; or roll back, and copy nothing: --qdrant-mode payload`,
    },
  );
}

interface RecordPage {
  readonly records: readonly PointRecord[];
  /** The id at which the next page begins, or `null`. */
  readonly next: string;
}

/** How a page begins, and how a point stands in it whose payload holds neither objects nor escapes. */
const PAGE_START = /^\{"result":\{"points":(?=\[)/;
const FLAT_POINT = /\{"id":("[^"\\]*"|\d+),"payload":(\{[^{}"\\]*(?:"[^"\\]*"[^{}"\\]*)*\})\}/y;

/** A page as servers write it, scanned once; undefined where it is written in another way, or broken off. */
function quickPage(text: string): RecordPage | undefined {
  const start = PAGE_START.exec(text)?.[0].length;
  if (start === undefined) return undefined;
  const flat: (PointRecord | undefined)[] = [];
  try {
    const { items, end } = rawList(text, start, (at) => {
      FLAT_POINT.lastIndex = at;
      const [whole, id = 'null', payload = '{}'] = FLAT_POINT.exec(text) ?? [];
      flat.push(whole === undefined ? undefined : { id, payload });
      return whole;
    });
    if (!text.startsWith(',', end)) return undefined;
    const next = rawMember(`{${text.slice(end + 1)}`, 'next_page_offset');
    return next === undefined ? undefined : { records: items.map((item, at) => flat[at] ?? recordOf(item)), next };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function wholePage(result: string): RecordPage {
  const page = rawMembers(result);
  return {
    records: rawItems(page.get('points') ?? '[]').map(recordOf),
    next: page.get('next_page_offset') ?? 'null',
  };
}

function recordOf(text: string): PointRecord {
  const members = rawMembers(text);
  const payload = members.get('payload') ?? 'null';
  return { id: tokenOf(members.get('id') ?? 'null'), payload: payload === 'null' ? '{}' : payload };
}

/** The id as {@link pointId} writes it. */
function tokenOf(text: string): PointId {
  return text.startsWith('"') && text.includes('\\') ? JSON.stringify(JSON.parse(text)) : text;
}

function memberOf(text: string, name: string): string | undefined {
  try {
    return rawMembers(text).get(name);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function byShardKey<T extends { readonly shardKey?: string | undefined }>(
  items: readonly T[],
): ReadonlyMap<string | undefined, readonly T[]> {
  const groups = new Map<string | undefined, T[]>();
  for (const item of items) {
    const group = groups.get(item.shardKey);
    if (group === undefined) groups.set(item.shardKey, [item]);
    else group.push(item);
  }
  return groups;
}

/** Only what an upsert takes; the values are the server's own text. */
function upsertText(point: PointText): string {
  const members = rawMembers(point);
  const [id, payload, vector] = ['id', 'payload', 'vector'].map((name) => members.get(name));
  const whole = vector !== undefined && vector !== 'null';
  // As it came, where it holds nothing else.
  if (whole && members.size === (payload === undefined ? 2 : 3)) return point;
  return objectText({ id, payload, vector: whole ? vector : '{}' });
}

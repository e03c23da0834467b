import { type PointText, shardKeyOf } from '../../model/point-text.ts';
import { onOneLine, rawItems, rawMembers } from '../../model/raw-json.ts';
import { isOverBudget } from './answer.ts';
import { notQdrant } from './failure.ts';
import { type PointId, pointId } from './point-json.ts';
import type { FieldMatch, QdrantReader } from './qdrant-reader.ts';
import { type RawCall, textOf } from './raw-calls.ts';
import type { Connection } from './reading.ts';
import { collectionPath, filterText, objectText } from './request-body.ts';
import type { RawPoint } from './scroll.ts';
import type { SettledWrites } from './settled-writes.ts';

/** Reading points as the server's own text: no number, member order or repeated name passes through a value. */
export interface QdrantPointReading {
  /** The points that are there with payload and all vectors, in any order. Ask for what fits a few megabytes. */
  retrieveTexts(collection: string, ids: readonly PointId[]): Promise<readonly PointText[]>;
  /** Those of the ids that are taken. */
  presentIds(collection: string, ids: readonly PointId[]): Promise<ReadonlySet<PointId>>;
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

/** How an answer begins whose result is a list. */
const RESULT_LIST = /^\s*\{\s*"result"\s*:\s*(?=\[)/;

export function pointReading({ raw, json }: Connection): QdrantPointReading {
  /** Without parsing what is inside. */
  const resultText = async (call: RawCall): Promise<string> => resultOf(await raw.send(call), call);
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
  return {
    async retrieveTexts(collection, ids) {
      if (ids.length === 0) return [];
      const body = { ids: `[${ids.join(',')}]`, with_payload: 'true', with_vector: 'true' };
      const call = readCall(collection, '/points', body);
      const text = await raw.send(call);
      // The items end where the array does: what follows in the answer need not be looked for first.
      const before = RESULT_LIST.exec(text)?.[0].length;
      const items = before === undefined ? rawItems(resultOf(text, call)) : rawItems(text.slice(before));
      return items.map(onOneLine);
    },
    async presentIds(collection, ids) {
      if (ids.length === 0) return new Set();
      const body = { ids: `[${ids.join(',')}]`, with_payload: 'false', with_vector: 'false' };
      const points = json.parse(await resultText(readCall(collection, '/points', body))) as readonly RawPoint[];
      return new Set(points.map(({ id }) => pointId(id)));
    },
    async *scrollRecords({ collection, match, fields, pageSize, from }) {
      for (let offset = from; ; ) {
        const call = readCall(collection, '/points/scroll', {
          with_payload: JSON.stringify(fields),
          with_vector: 'false',
          filter: filterText({ match }),
          limit: String(pageSize),
          offset,
        });
        const page = rawMembers(await resultText(call));
        const points = rawItems(page.get('points') ?? '[]').map(recordOf);
        if (points.length > 0) yield points;
        const next = page.get('next_page_offset') ?? 'null';
        if (next === 'null') return;
        offset = next;
      }
    },
  };
}

export function pointWriting(
  { raw }: Connection,
  { reader, write }: { readonly reader: Pick<QdrantReader, 'count'>; readonly write: SettledWrites['write'] },
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
        const isGone = async () => (await reader.count({ collection, ids })) === 0;
        textOf(await write(collection, call, isGone), raw.purpose(call));
      }
    },
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
  const { id, payload, vector, ...more } = Object.fromEntries(rawMembers(point));
  const whole = vector !== undefined && vector !== 'null';
  // As it came, where it holds nothing else.
  if (whole && Object.keys(more).length === 0) return point;
  return objectText({ id, payload, vector: whole ? vector : '{}' });
}

import type { Json } from '../../model/json.ts';
import { contentOfPoint, type PointText } from '../../model/point-text.ts';
import { onOneLine, rawItems, rawMembers } from '../../model/raw-json.ts';
import type { Answer } from './answer.ts';
import { answerFailure, notQdrant } from './failure.ts';
import type { QdrantPointReading } from './point-calls.ts';
import type { QdrantReader, ScrollRequest } from './qdrant-reader.ts';
import type { RawCall } from './raw-calls.ts';
import type { Connection } from './reading.ts';
import { collectionPath, filterText, objectText, scopeText } from './request-body.ts';

/** Reading whole points for a backup, and comparing them with what is there. */
export interface QdrantBackupReading {
  /** Points with payload and all vectors, every number as the server wrote it, in pages of a few megabytes. */
  scrollTexts(request: ScrollRequest): AsyncIterable<readonly PointText[]>;
  /** How each of the points stands in the collection, in its own shard: content is compared number for number. */
  standings(collection: string, points: readonly PointText[]): Promise<readonly PointStanding[]>;
}

/** Writing what a backup holds. Nothing that exists is changed. */
export interface QdrantBackupWriting {
  /** Makes a collection from the configuration that the server tells of one. */
  createCollection(name: string, config: Json): Promise<void>;
  /** Makes a payload index and waits until it is there. */
  createIndex(collection: string, field: string, schema: Json): Promise<void>;
}

export type PointStanding = 'absent' | 'equal' | 'different';

/** Aim for the text of one page, and of one request. The server takes bodies of up to 32 MB. */
const PAGE_BYTES = 4 << 20;
const FIRST_PAGE = 32;
const COMPARED_AT_ONCE = 200;

export function backupReading(
  { raw, scopes }: Connection,
  { textsOf }: Pick<QdrantPointReading, 'textsOf'>,
): QdrantBackupReading {
  return {
    async *scrollTexts({ collection, shardKeys, match, pageSize }) {
      let limit = Math.min(FIRST_PAGE, pageSize);
      for (let offset: string | undefined; ; ) {
        const call: RawCall = {
          method: 'POST',
          path: `${collectionPath(collection)}/points/scroll`,
          body: objectText({
            with_payload: 'true',
            with_vector: 'true',
            filter: filterText({ match }),
            limit: String(limit),
            offset,
            shard_key: scopeText({ scopes }, { collection, shardKeys }),
          }),
          task: `read points of ${collection}`,
          collection,
        };
        const text = await raw.send(call);
        const result = resultText(text);
        if (result === undefined) throw notQdrant(raw.purpose(call), 200);
        const page = rawMembers(result);
        const points = rawItems(page.get('points') ?? '[]').map(onOneLine);
        if (points.length > 0) yield points;
        const next = page.get('next_page_offset') ?? 'null';
        if (next === 'null') return;
        offset = next;
        const fitting = Math.floor((PAGE_BYTES * points.length) / text.length);
        limit = Math.max(1, Math.min(fitting, limit * 4, pageSize));
      }
    },

    async standings(collection, points) {
      const standings: PointStanding[] = [];
      for (let at = 0; at < points.length; at += COMPARED_AT_ONCE) {
        const some = points.slice(at, at + COMPARED_AT_ONCE);
        const found = await textsOf(collection, some);
        for (const [index, point] of some.entries()) {
          const there = found[index];
          standings.push(there === undefined ? 'absent' : isEqual(there, point) ? 'equal' : 'different');
        }
      }
      return standings;
    },
  };
}

function isEqual(a: PointText, b: PointText): boolean {
  return contentOfPoint(a) === contentOfPoint(b);
}

export function backupWriting(reader: QdrantReader, { raw, control, url }: Connection): QdrantBackupWriting {
  return {
    async createCollection(name, config) {
      const call: RawCall = {
        method: 'PUT',
        path: collectionPath(name),
        body: JSON.stringify(creationOf(config)),
        task: `make the collection ${name}`,
        collection: name,
        write: true,
      };
      const answer: Answer = await raw.ask(call);
      // After a lost reply the second try finds the collection there.
      if (answer.status === 409 || (answer.status === 400 && /already exists/i.test(answer.text))) return;
      if (answer.status !== 200) throw answerFailure(answer, raw.purpose(call));
    },

    async createIndex(collection, field, schema) {
      const task = `index ${field} in ${collection}`;
      await control({ url, task, collection, write: true }, (client) =>
        client.createPayloadIndex(collection, {
          wait: true,
          ordering: 'medium',
          field_name: field,
          field_schema: schema as 'keyword',
        }),
      );
      for (let tries = 0; tries < 50 && !(await reader.collection(collection)).indexes.has(field); tries += 1) {
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    },
  };
}

/** Without parsing what is inside: an answer without a result does not come from Qdrant. */
function resultText(text: string): string | undefined {
  try {
    return rawMembers(text).get('result');
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** What the server tells of a collection, in the words in which it is asked for one. */
function creationOf(config: Json): Json {
  const { params, optimizer_config, ...rest } = config as Record<string, Record<string, Json> | undefined>;
  const all = { ...params, ...rest, optimizers_config: optimizer_config };
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => (value === null || value === undefined ? [] : [[name, value]])),
  ) as Json;
}

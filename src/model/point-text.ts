import { hash } from 'node:crypto';
import { canonicalMembers, canonicalRaw, memberSpans, rawMember, rawMembers } from './raw-json.ts';

/** A vector store's point as its own JSON text: `id`, `payload`, `vector`, and `shard_key` where it has one. */
export type PointText = string;

/** How a server writes a point: the id comes first. */
const ID_FIRST = /\{"id":("[^"\\]*"|\d+)[,}]/y;

/** The id as its JSON token: `"uuid"` or `123`. */
export function idOfPoint(point: PointText): string {
  return idAt(point, 0) ?? rawMember(point, 'id') ?? 'null';
}

/** The id of the point that begins at a place in a text, where it comes first there; else undefined. */
export function idAt(text: string, start: number): string | undefined {
  ID_FIRST.lastIndex = start;
  // Without the result's array: `{"id":` before the token, one character behind it.
  return ID_FIRST.test(text) ? text.slice(start + 6, ID_FIRST.lastIndex - 1) : undefined;
}

/** The shard key as its JSON token; undefined where the server places points itself. */
export function shardKeyOf(point: PointText): string | undefined {
  return point.includes('"shard_key"') ? filled(rawMember(point, 'shard_key')) : undefined;
}

/** The payload's text; an absent one is an empty one. */
export function payloadOf(point: PointText): string {
  return filled(rawMember(point, 'payload')) ?? '{}';
}

/** The same point under another id, with another payload. Not a digit of the rest is touched. */
export function pointUnder(point: PointText, id: string, payload: string): PointText {
  return partsOf(point).under(id, payload);
}

/** A point in pieces, for those who look at several of them. */
export interface PointParts {
  readonly id: string;
  /** The payload's text; an absent one is an empty one. */
  readonly payload: string;
  /** The vectors' text; of a point without any an empty object's. */
  readonly vector: string;
  /** The same point with another id and payload. Not a digit of the rest is touched. */
  under(id: string, payload: string): PointText;
}

/** Takes a point to pieces in one pass. */
export function partsOf(point: PointText): PointParts {
  const spans = memberSpans(point);
  const textOf = (wanted: string): string | undefined => {
    const span = spans.findLast(({ name }) => name === wanted);
    return span === undefined ? undefined : filled(point.slice(span.start, span.end));
  };
  return {
    id: textOf('id') ?? 'null',
    payload: textOf('payload') ?? '{}',
    vector: textOf('vector') ?? '{}',
    under: (id, payload) => {
      let changed = '';
      let kept = 0;
      for (const { name, start, end } of spans) {
        const value = name === 'id' ? id : name === 'payload' ? payload : undefined;
        if (value === undefined) continue;
        changed += point.slice(kept, start) + value;
        kept = end;
      }
      return changed + point.slice(kept);
    },
  };
}

/**
 * Payload and vectors in a form in which equal content is equal text, number for number. The id, the place and, where one
 * is named, a top-level payload field do not count.
 */
export function contentOfPoint(point: PointText, butFor?: string): string {
  const { payload, vector } = partsOf(point);
  return contentOf(rawMembers(payload), vector, butFor);
}

/** 128 bits of the SHA-256 of {@link contentOfPoint}, in base64url. */
export function contentDigest(point: PointText, butFor?: string): string {
  return digestOf(contentOfPoint(point, butFor));
}

/** The same of a point in pieces, its payload in pieces too. */
export function partsDigest(payload: ReadonlyMap<string, string>, vector: string, butFor: string): string {
  return digestOf(contentOf(payload, vector, butFor));
}

function contentOf(payload: ReadonlyMap<string, string>, vector: string, butFor?: string): string {
  return `${canonicalMembers(payload, butFor)} ${canonicalRaw(vector)}`;
}

function digestOf(content: string): string {
  return hash('sha256', content, 'buffer').subarray(0, 16).toString('base64url');
}

function filled(text: string | undefined): string | undefined {
  return text === 'null' ? undefined : text;
}

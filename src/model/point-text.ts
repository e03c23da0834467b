import { createHash } from 'node:crypto';
import { canonicalRaw, rawMembers, withRawMember, withRawMembers } from './raw-json.ts';

/** A vector store's point as its own JSON text: `id`, `payload`, `vector`, and `shard_key` where it has one. */
export type PointText = string;

/** The id as its JSON token: `"uuid"` or `123`. */
export function idOfPoint(point: PointText): string {
  return rawMembers(point).get('id') ?? 'null';
}

/** The shard key as its JSON token; undefined where the server places points itself. */
export function shardKeyOf(point: PointText): string | undefined {
  return filled(rawMembers(point).get('shard_key'));
}

/** The payload's text; an absent one is an empty one. */
export function payloadOf(point: PointText): string {
  return filled(rawMembers(point).get('payload')) ?? '{}';
}

/** The same point under another id, with another value in a top-level payload field. Not a digit of the rest is touched. */
export function pointUnder(point: PointText, id: string, payload: string): PointText {
  return withRawMembers(point, (name) => (name === 'id' ? id : name === 'payload' ? payload : undefined));
}

/**
 * Payload and vectors in a form in which equal content is equal text, number for number. The id, the place and, where one
 * is named, a top-level payload field do not count.
 */
export function contentOfPoint(point: PointText, butFor?: string): string {
  const members = rawMembers(point);
  const payload = filled(members.get('payload')) ?? '{}';
  const vector = filled(members.get('vector')) ?? '{}';
  const kept = butFor === undefined ? payload : withRawMember(payload, butFor, 'null');
  return `${canonicalRaw(kept)} ${canonicalRaw(vector)}`;
}

/** 128 bits of the SHA-256 of {@link contentOfPoint}, in base64url. */
export function contentDigest(point: PointText, butFor?: string): string {
  return createHash('sha256').update(contentOfPoint(point, butFor)).digest().subarray(0, 16).toString('base64url');
}

function filled(text: string | undefined): string | undefined {
  return text === 'null' ? undefined : text;
}

import { isObject, type Json, type JsonObject, jsonText } from './exact-json.ts';
import { type JsonPath, onlyPaths, parsePath, withoutPath } from './json-path.ts';
import type { Point } from './point.ts';
import { idText } from './point-id.ts';
import { badFormat } from './qdrant-error.ts';
import { type VectorSchema, vectorsText } from './vectors.ts';

/** How a reply shows points. */
export type PointText = (point: Point) => string;

/** Reads `with_payload` and `with_vector`. */
export function pointText(payload: Json | undefined, vector: Json | undefined, schema: VectorSchema): PointText {
  const payloadPart = payloadSelector(payload ?? true);
  const names = Array.isArray(vector) ? new Set(vector as readonly string[]) : undefined;
  const withVector = names !== undefined || vector === true;
  if (payloadPart === undefined && !withVector) return (point) => `{"id":${idText(point.id)}${shardText(point)}}`;
  return (point) => {
    const shown = payloadPart === undefined ? '' : `,"payload":${jsonText(payloadPart(point.payload), point.exact)}`;
    const vectors = withVector ? `,"vector":${vectorsText(point.vectors, schema, names)}` : '';
    return `{"id":${idText(point.id)}${shown}${vectors}${shardText(point)}}`;
  };
}

function shardText({ shard }: Point): string {
  return shard === undefined ? '' : `,"shard_key":${JSON.stringify(shard)}`;
}

function payloadSelector(given: Json): ((payload: JsonObject) => JsonObject) | undefined {
  if (given === false) return undefined;
  if (given === true) return (payload) => payload;
  if (Array.isArray(given)) return including(given);
  if (isObject(given) && Array.isArray(given.include)) return including(given.include);
  if (isObject(given) && Array.isArray(given.exclude)) {
    const paths = pathsOf(given.exclude);
    return (payload) => paths.reduce((kept, path) => withoutPath(kept, path), payload);
  }
  throw badFormat('data did not match any variant of untagged enum WithPayloadInterface');
}

function including(given: readonly Json[]): (payload: JsonObject) => JsonObject {
  const paths = pathsOf(given);
  return (payload) => onlyPaths(payload, paths);
}

function pathsOf(given: readonly Json[]): readonly JsonPath[] {
  return given.map((path) => parsePath(String(path)));
}

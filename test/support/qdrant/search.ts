import { isObject, type Json } from './exact-json.ts';
import { singleText } from './float-text.ts';
import type { Point } from './point.ts';
import { idText } from './point-id.ts';
import { limitOf, type PointRequest, readFilter, readScope } from './point-routes.ts';
import { pointText } from './point-text.ts';
import { notSimulated, wrongInput } from './qdrant-error.ts';
import { vectorsOf } from './vectors.ts';

/** The nearest points to a dense vector, found by looking at all: what an index finds, at its best. */
export function query(request: PointRequest): string {
  const { collection, body } = request;
  const name = body.using === undefined || body.using === null ? '' : String(body.using);
  const vector = vectorsOf({ [name]: nearestOf(body.query) }, collection.schema)[name];
  const params = collection.schema.dense.get(name);
  if (!(vector instanceof Float32Array) || params === undefined || body.prefetch) throw notSimulated('this query');
  const limit = limitOf(body.limit, 10, 'query_request');
  const filter = readFilter(request, 'query_request');
  const score = SCORES[params.distance];
  if (score === undefined) throw notSimulated(`the distance ${params.distance}`);
  const far = params.distance === 'Euclid' || params.distance === 'Manhattan';
  const least = typeof body.score_threshold === 'number' ? body.score_threshold : undefined;
  const scored = collection
    .matching(filter, readScope(request, limit))
    .flatMap((point) => {
      const own = point.vectors[name];
      return own instanceof Float32Array ? [{ point, score: score(vector, own) }] : [];
    })
    .filter((one) => least === undefined || (far ? one.score <= least : one.score >= least))
    .sort((a, b) => (far ? a.score - b.score : b.score - a.score) || (a.point.id < b.point.id ? -1 : 1))
    .slice(Number(body.offset ?? 0), Number(body.offset ?? 0) + limit);
  const show = pointText(body.with_payload ?? false, body.with_vector, collection.schema);
  return `{"points":[${scored.map((one) => scoredText(one.point, one.score, show)).join(',')}]}`;
}

/** Versions are not kept here, so all have the same. */
function scoredText(point: Point, score: number, show: (point: Point) => string): string {
  const rest = show(point).slice(`{"id":${idText(point.id)}`.length);
  return `{"id":${idText(point.id)},"version":0,"score":${singleText(score)}${rest}`;
}

function nearestOf(given: Json | undefined): Json {
  const vector = isObject(given) ? given.nearest : given;
  if (!Array.isArray(vector)) throw notSimulated('a query that is no vector');
  if (vector.length === 0) throw wrongInput('Vector dimension error: expected dim: 1, got 0');
  return vector;
}

type Score = (a: Float32Array, b: Float32Array) => number;

const sum = (a: Float32Array, of: (x: number, at: number) => number): number => {
  let total = 0;
  for (let at = 0; at < a.length; at += 1) total = Math.fround(total + Math.fround(of(a[at] as number, at)));
  return total;
};
const dot: Score = (a, b) => sum(a, (x, at) => x * (b[at] as number));

/** Cosine vectors are stored with length 1. */
const SCORES: Readonly<Record<string, Score>> = {
  Cosine: dot,
  Dot: dot,
  Euclid: (a, b) => Math.fround(Math.sqrt(sum(a, (x, at) => (x - (b[at] as number)) ** 2))),
  Manhattan: (a, b) => sum(a, (x, at) => Math.abs(x - (b[at] as number))),
};

import { MigrateError } from '../../model/errors.ts';
import { grouped } from '../../model/grouped.ts';
import { contentOfPoint, idOfPoint, type PointText, payloadOf, shardKeyOf } from '../../model/point-text.ts';
import { canonicalRaw, rawMembers } from '../../model/raw-json.ts';
import type { QdrantWriter } from '../../stores/qdrant/qdrant-reader.ts';

/** Aim for the text of one request. The server takes bodies of up to 32 MB. */
const BODY_BYTES = 4 << 20;
/** Inserts of the same points, where the server loses some. */
const TRIES = 5;

export interface CopyRequest {
  readonly collection: string;
  /** The points as they shall stand, each with an id of its own in its shard, as the server's own text. */
  readonly points: readonly PointText[];
  /** Most points in one request, where strict mode or the operator says so. */
  readonly mostAtOnce?: number | undefined;
  /** The server leaves alone what exists (Qdrant 1.17 and later). Without that it is looked once more before each insert. */
  readonly insertOnly: boolean;
  /** Awaited before the first insert with the points that will be inserted: the undo log's turn. */
  readonly before: (absent: readonly PointText[]) => Promise<void>;
  /** Told of each inserted point that the server keeps with other last digits, as it stands. */
  readonly onAltered?: ((point: PointText) => void) | undefined;
}

/**
 * How a point stands now: `inserted` by us; `equal`, there before with the same content; `taken`, there before with other
 * content; `overtaken`, somebody wrote that id while we inserted it.
 */
export type CopyStanding = 'inserted' | 'equal' | 'taken' | 'overtaken';

/**
 * Inserts points whose ids are free, in requests bounded by bytes, reads every one back and compares it number for
 * number. Nothing that exists is changed. One standing for each point, in order. Throws `store` where the server does not
 * keep what it was given.
 */
export async function copyPoints(store: QdrantWriter, request: CopyRequest): Promise<readonly CopyStanding[]> {
  const { collection, points } = request;
  const taken = await store.takenOf(collection, points);
  const [there, absent]: [PointText[], PointText[]] = [[], []];
  for (const [index, point] of points.entries()) (taken[index] === true ? there : absent).push(point);
  const standings = new Map<string, CopyStanding>();
  for (const some of bodies(there, request.mostAtOnce)) {
    for (const [index, standing] of (await store.standings(collection, some)).entries()) {
      // Deleted meanwhile is as good as taken: whoever works on that id is not us.
      standings.set(placeOf(some[index] ?? '{}'), standing === 'equal' ? 'equal' : 'taken');
    }
  }
  if (absent.length > 0) {
    await request.before(absent);
    for (const body of bodies(absent, request.mostAtOnce)) await insertAndCompare(store, request, body, standings);
  }
  return points.map((point) => standings.get(placeOf(point)) ?? 'overtaken');
}

/** Whether a server of this version leaves alone what exists where it is asked to insert only. */
export function knowsInsertOnly(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 1 || (major === 1 && minor >= 17);
}

async function insertAndCompare(
  store: QdrantWriter,
  { collection, insertOnly, onAltered }: CopyRequest,
  points: readonly PointText[],
  standings: Map<string, CopyStanding>,
): Promise<void> {
  let left = points;
  for (let tries = 0; left.length > 0; tries += 1) {
    if (tries === TRIES) throw notKept(store.url, collection, left.length);
    const late = insertOnly ? [] : await store.takenOf(collection, left);
    const free = left.filter((_, at) => late[at] !== true);
    if (free.length > 0) await store.insertPoints(collection, free);
    const unseen: PointText[] = [];
    const now = await store.textsOf(collection, left);
    for (const [at, point] of left.entries()) {
      const there = now[at];
      if (there === undefined) {
        unseen.push(point);
        continue;
      }
      const same = isSame(there, point);
      // What was there before the first insert is somebody else's, however equal.
      const ours = (same || isNear(there, point)) && !(tries === 0 && late[at] === true);
      if (ours && !same) onAltered?.(there);
      standings.set(placeOf(point), ours ? 'inserted' : 'overtaken');
    }
    left = unseen;
  }
}

/** What tells a point from every other one of its collection: an id may stand in several shards. */
function placeOf(point: PointText): string {
  return `${shardKeyOf(point) ?? ''} ${idOfPoint(point)}`;
}

/** Whether a point stands as it was given, but for what the server does to vectors. */
export function areAlike(there: PointText | undefined, point: PointText): boolean {
  return there !== undefined && (isSame(there, point) || isNear(there, point));
}

/** Equal text is equal content; only where it is not are the members put in order. */
function isSame(a: PointText, b: PointText): boolean {
  return a === b || contentOfPoint(a) === contentOfPoint(b);
}

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;
/** Of a number: many times what normalising a vector once more changes, and nothing that a model would give anew. */
const NEAR = 1e-5;

/** Whether the server may have made the one of the other by normalising its vectors once more. */
export function isNear(a: PointText, b: PointText): boolean {
  if (canonicalRaw(payloadOf(a)) !== canonicalRaw(payloadOf(b))) return false;
  const [one, other] = [a, b].map((text) => canonicalRaw(rawMembers(text).get('vector') ?? '{}')) as [string, string];
  if (one.replace(NUMBER, '0') !== other.replace(NUMBER, '0')) return false;
  const numbers = other.match(NUMBER) ?? [];
  return (one.match(NUMBER) ?? []).every((text, at) => {
    const [x, y] = [Number(text), Number(numbers[at])];
    return Math.abs(x - y) <= NEAR * Math.max(Math.abs(x), Math.abs(y));
  });
}

/** For people: what a server does that normalises vectors at every insert. */
export function alteredText(count: number, collection: string): string {
  return `${collection}: the server keeps the vectors of ${count} points of a copy with other last digits than it was given; verify takes them for different`;
}

/** Cuts a list of points into requests. */
export function* bodies(points: readonly PointText[], mostAtOnce = Number.POSITIVE_INFINITY): Generator<PointText[]> {
  let body: PointText[] = [];
  let bytes = 0;
  for (const point of points) {
    if (body.length > 0 && (bytes + point.length > BODY_BYTES || body.length >= mostAtOnce)) {
      yield body;
      body = [];
      bytes = 0;
    }
    body.push(point);
    // Characters: a body of nothing but the longest ones still fits.
    bytes += point.length;
  }
  if (body.length > 0) yield body;
}

function notKept(url: string, collection: string, count: number): MigrateError {
  return new MigrateError(
    'store',
    `Qdrant at ${url} did not keep ${grouped(count)} points that were inserted into ${collection}`,
    {
      stage: 'qdrant',
      store: url,
      retryable: true,
      next: "see the server's log, then type the same command again",
    },
  );
}

import { CommutativeSum, digest } from '../../model/fingerprint.ts';
import { Reservoir } from '../../model/reservoir.ts';
import type { FieldMatch, PointContent, QdrantReader, ShardKey } from '../../stores/qdrant/qdrant-reader.ts';
import type { PlanContext } from '../stage.ts';
import { AS_NUMBER, AS_TEXT, payloadWithout, scalarToken, type TenantField, tokenOf } from './field-forms.ts';
import { inEachShard } from './in-each-shard.ts';
import type { OtherSpellings } from './index-equality.ts';
import type { SampledPoint } from './qdrant-plan.ts';

/** Points whose payload is compared, a collection. */
export const SAMPLE_SIZE = 200;
/** How many of them are compared with their vectors: those are most of the bytes. */
const SAMPLE_WITH_VECTORS = 25;
const RETRIEVED_AT_ONCE = 100;
const CONTENT_PAGE = 1_000;

/** The digests of a point that a plan keeps and verify compares. */
export function sampledPoint(point: PointContent, field: TenantField): SampledPoint {
  const payload = digest(payloadWithout(point.payload, field));
  return point.vectors === undefined
    ? { id: point.id, payload }
    : { id: point.id, payload, vectors: digest(point.vectors) };
}

/** What one pass over a tenant's ids in a collection saw. */
export interface Enumerated {
  /** Points whose field is not exactly the id, but an array that holds it. */
  readonly arrays: readonly string[];
  readonly sampleIds: readonly string[];
  /** Points that hold another text than was asked for, which an index takes for the same. */
  readonly otherSpellings: OtherSpellings;
}

/** Reads the ids of a tenant with the field alone and draws the seeded sample. */
export async function enumerateTenant(
  ctx: PlanContext<QdrantReader>,
  request: {
    readonly collection: string;
    readonly shardKeys: readonly ShardKey[];
    readonly match: FieldMatch;
    readonly pageSize: number;
  },
): Promise<Enumerated> {
  const sample = new Reservoir<string>(SAMPLE_SIZE, ctx.options.seed);
  const wanted = tokenOf(request.match.value, request.match.number === true ? AS_NUMBER : AS_TEXT);
  const arrays: string[] = [];
  const others = { count: 0, example: undefined as string | undefined };
  const pages = inEachShard(request.shardKeys, (shardKeys) => {
    return ctx.store.scrollField({ ...request, shardKeys, field: request.match.field });
  });
  for await (const page of pages) {
    ctx.signal.throwIfAborted();
    for (const { id, value } of page) {
      sample.offer(id);
      if (scalarToken(value) === wanted) continue;
      if (typeof value === 'string') {
        others.count += 1;
        others.example ??= value;
      } else arrays.push(id);
    }
  }
  return { arrays, sampleIds: sample.items, otherSpellings: others };
}

/** Reads points by id: the first few with their vectors, the rest without. Points that are gone are left out. */
export async function readPoints(
  store: QdrantReader,
  collection: string,
  ids: { readonly withVectors: readonly string[]; readonly without: readonly string[] },
): Promise<readonly PointContent[]> {
  const points: PointContent[] = [];
  for (const [list, vectors] of [
    [ids.withVectors, true],
    [ids.without, false],
  ] as const) {
    for (let at = 0; at < list.length; at += RETRIEVED_AT_ONCE) {
      points.push(...(await store.retrieve({ collection, ids: list.slice(at, at + RETRIEVED_AT_ONCE), vectors })));
    }
  }
  return points;
}

/** Splits a sample into the points to read with vectors and the others. */
export function splitSample(ids: readonly string[]): {
  readonly withVectors: readonly string[];
  readonly without: readonly string[];
} {
  return { withVectors: ids.slice(0, SAMPLE_WITH_VECTORS), without: ids.slice(SAMPLE_WITH_VECTORS) };
}

export interface SumRequest {
  readonly collection: string;
  /** The shards to read, where the application named them. */
  readonly shardKeys?: readonly ShardKey[];
  readonly match?: FieldMatch;
  readonly also?: FieldMatch;
  readonly maxPage: number;
  /** The id under which a point counts; undefined leaves it out. Its own where absent. */
  readonly idOf?: (point: PointContent) => string | undefined;
}

/** The sum over the whole content of the points that match, all but the tenant field. */
export async function contentSum(
  ctx: PlanContext<QdrantReader>,
  { collection, shardKeys, match, also, maxPage, idOf = ({ id }) => id }: SumRequest,
  field: TenantField,
): Promise<CommutativeSum> {
  const sum = new CommutativeSum();
  const pageSize = Math.min(CONTENT_PAGE, maxPage);
  const pages = inEachShard(shardKeys, (keys) => {
    return ctx.store.scrollPoints({ collection, shardKeys: keys, match, also, pageSize });
  });
  for await (const page of pages) {
    ctx.signal.throwIfAborted();
    for (const point of page) {
      const id = idOf(point);
      if (id !== undefined) sum.add(id, payloadWithout(point.payload, field), point.vectors ?? '');
    }
  }
  return sum;
}

/** One sum without the records of another, in hex. */
export function sumWithout(whole: string, part: string): string {
  return BigInt.asUintN(128, BigInt(`0x${whole}`) - BigInt(`0x${part}`))
    .toString(16)
    .padStart(32, '0');
}

/** The sum over the records of several sums, all in hex as {@link CommutativeSum} gives them. */
export function addedSums(sums: readonly string[]): string {
  const total = sums.reduce((sum, hex) => sum + BigInt(`0x${hex}`), 0n);
  return BigInt.asUintN(128, total).toString(16).padStart(32, '0');
}

import { knownPath } from '../../../model/payload-path.ts';
import { rawMembers } from '../../../model/raw-json.ts';
import { Reservoir } from '../../../model/reservoir.ts';
import type { PointRecord } from '../../../stores/qdrant/point-calls.ts';
import type { QdrantReader } from '../../../stores/qdrant/qdrant-reader.ts';
import type { PlanContext } from '../../stage.ts';
import { type Enumerated, SAMPLE_SIZE } from '../content.ts';
import type { CollectionEnds } from '../inspect.ts';
import { tenantIn } from '../tenant-field.ts';
import { FoundPairs } from './found-pairs.ts';
import type { IdPair, NewIds } from './new-ids.ts';
import { type EndOf, pageDigest, recordPages } from './pairs.ts';

/** What one pass over all points of a source found. */
export interface SourcePass extends Enumerated {
  readonly found: FoundPairs;
  /** The first of them. */
  readonly pairs: readonly IdPair[];
  readonly looked: number;
  /** Digests of the pages of ids of which none derives from the source. */
  readonly judged: readonly string[];
}

/** Pairs that are kept to be measured. */
const KEPT = 16;

/** Whether a plan may judge all ids in the pass that it makes anyway: an id must name one point, and a path one member. */
export function mayJudgeAll({ facts }: CollectionEnds, field: string): boolean {
  return !facts.customSharding && knownPath(field)[0] === field;
}

/** Reads the ids of a source once, with its field and what tells the ids apart. */
export async function passOverSource(
  { facts, move }: CollectionEnds,
  newIds: NewIds,
  ctx: PlanContext<QdrantReader>,
): Promise<SourcePass> {
  const field = ctx.profile.qdrantField;
  const of: EndOf = { collection: facts.name, field, move, end: 'source', limits: facts.limits };
  const sample = new Reservoir<string>(SAMPLE_SIZE, ctx.options.seed);
  const found = new FoundPairs(newIds, ctx);
  const [arrays, first, judged]: [string[], IdPair[], string[]] = [[], [], []];
  const others = { count: 0, example: undefined as string | undefined };
  let looked = 0;
  const fields = [...new Set([field, ...newIds.fields])];
  for await (const page of recordPages(ctx.store, fields, of)) {
    ctx.signal.throwIfAborted();
    const pairs = page.flatMap((record) => {
      sample.offer(record.id);
      return pairOf(record) ?? [];
    });
    looked += page.length;
    first.push(...pairs.slice(0, KEPT - first.length));
    if (pairs.length === 0) judged.push(pageDigest(page.map(({ id }) => id)));
    else await found.add(of, pairs);
  }
  return { sampleIds: sample.items, arrays, otherSpellings: others, found, pairs: first, looked, judged };

  function pairOf({ id, payload }: PointRecord): IdPair | undefined {
    const members = rawMembers(payload);
    const tenant = tenantIn(members, field);
    if (tenant === move.source) return newIds.pairOfMembers(id, members, move);
    if (tenant === undefined) arrays.push(id);
    else {
      others.count += 1;
      others.example ??= tenant;
    }
    return undefined;
  }
}

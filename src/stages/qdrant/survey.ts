import pMap from 'p-map';
import { MigrateError } from '../../model/errors.ts';
import type { Move } from '../../model/move.ts';
import type { CollectionFacts } from '../../stores/qdrant/collection-facts.ts';
import type { FieldMatch, QdrantReader, ShardKey } from '../../stores/qdrant/qdrant-reader.ts';
import type { PlanContext } from '../stage.ts';
import {
  AS_NUMBER,
  AS_TEXT,
  couldBeNumber,
  type Form,
  matchOf,
  mayFilter,
  scalarToken,
  servesBoth,
  tokenOf,
} from './field-forms.ts';
import { inEachShard } from './in-each-shard.ts';
import { idPageSize } from './page-sizes.ts';

/** Collections that are described and counted at the same time. */
export const COLLECTIONS_AT_ONCE = 8;
/** A collection that may only be counted by reading all its points is read up to this size. */
const READABLE_POINTS = 100_000;

/** One collection with the exact number of points at both ends of every move. */
export interface Surveyed {
  readonly facts: CollectionFacts;
  /** In the order of the moves, text before number; undefined where the server lets nobody count. */
  readonly counts: readonly EndCounts[] | undefined;
}

/** What both ends of a move hold in one form: an id that could be a number is looked for as text and as number. */
export interface EndCounts extends Form {
  readonly move: Move;
  readonly source: number;
  readonly target: number;
}

/** Describes and counts every collection; one that is deleted meanwhile is left out. */
export async function survey(moves: readonly Move[], ctx: PlanContext<QdrantReader>): Promise<readonly Surveyed[]> {
  const names = await ctx.store.collections();
  const all = await pMap(names, (name) => surveyOne(name, moves, ctx), { concurrency: COLLECTIONS_AT_ONCE });
  return all.filter((one) => one !== undefined);
}

async function surveyOne(
  name: string,
  moves: readonly Move[],
  ctx: PlanContext<QdrantReader>,
): Promise<Surveyed | undefined> {
  ctx.signal.throwIfAborted();
  return ifThere(async () => {
    const facts = await ctx.store.collection(name);
    return { facts, counts: await countEnds(facts, moves, ctx) };
  });
}

/** The result, or undefined where the collection was deleted meanwhile. */
export async function ifThere<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof MigrateError && error.code === 'missing') return undefined;
    throw error;
  }
}

async function countEnds(
  facts: CollectionFacts,
  moves: readonly Move[],
  ctx: PlanContext<QdrantReader>,
): Promise<readonly EndCounts[] | undefined> {
  const field = ctx.profile.qdrantField;
  const { limits, indexes } = facts;
  const unserved = limits.readNeedsIndex && moves.some((move) => !servesBoth(indexes.get(field), move));
  if (unserved || limits.filterMaxConditions === 0) return countByReading(facts, moves, ctx);
  const count = async (value: string, form: Form): Promise<number> => {
    if (!fits(value, form) || !mayFilter(facts, field, { ...form, value })) return 0;
    const request = { collection: facts.name, match: matchOf(field, value, form) };
    // Such a collection is refused where it holds points of a source, and must not stop a run where it holds none.
    if (limits.refusesExact) return countByIds(request, facts, ctx);
    return ctx.store.count({ ...request, allReplicas: facts.replicas > 1 });
  };
  const countMove = async ({ move, form }: MoveForm): Promise<EndCounts> => {
    const [source, target] = await Promise.all([count(move.source, form), count(move.target, form)]);
    return { move, ...form, source, target };
  };
  return pMap(moveForms(moves), countMove, { concurrency: 2 });
}

/** For a collection where the server refuses to count exactly. */
async function countByIds(
  request: { readonly collection: string; readonly match: FieldMatch },
  { limits }: CollectionFacts,
  { store, signal }: PlanContext<QdrantReader>,
): Promise<number> {
  let count = 0;
  for await (const ids of store.scrollIds({ ...request, pageSize: idPageSize(limits) })) {
    signal.throwIfAborted();
    count += ids.length;
  }
  return count;
}

interface MoveForm {
  readonly move: Move;
  readonly form: Form;
}

/** Every move in each form that one of its ids can have. */
function moveForms(moves: readonly Move[]): readonly MoveForm[] {
  return moves.flatMap((move) => {
    const numbers = couldBeNumber(move.source) || couldBeNumber(move.target);
    return [{ move, form: AS_TEXT }, ...(numbers ? [{ move, form: AS_NUMBER }] : [])];
  });
}

function fits(id: string, { number }: Form): boolean {
  return number !== true || couldBeNumber(id);
}

/**
 * For a collection where the server refuses to filter: most such collections have nothing to do with tenants,
 * and must not stop a run. One with points of a source cannot be counted; nor can one too large to read.
 */
async function countByReading(
  { name, shardKeys, roughPoints, limits }: CollectionFacts,
  moves: readonly Move[],
  ctx: PlanContext<QdrantReader>,
): Promise<readonly EndCounts[] | undefined> {
  if (roughPoints > READABLE_POINTS) return undefined;
  const values = await countValues(ctx, { collection: name, shardKeys, pageSize: idPageSize(limits) });
  const counts = moveForms(moves).map(({ move, form }) => ({
    move,
    ...form,
    source: values.get(tokenOf(move.source, form)) ?? 0,
    target: values.get(tokenOf(move.target, form)) ?? 0,
  }));
  return counts.some(({ source }) => source > 0) ? undefined : counts;
}

/** Counts the values of the tenant field, as JSON tokens, by reading every point: what no index can get wrong. */
export async function countValues(
  ctx: PlanContext<QdrantReader>,
  request: { readonly collection: string; readonly shardKeys: readonly ShardKey[]; readonly pageSize: number },
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const pages = inEachShard(request.shardKeys, (shardKeys) => {
    return ctx.store.scrollField({ ...request, shardKeys, field: ctx.profile.qdrantField });
  });
  for await (const page of pages) {
    ctx.signal.throwIfAborted();
    for (const { value } of page) {
      for (const one of new Set(Array.isArray(value) ? value : [value])) {
        const token = scalarToken(one);
        if (token !== undefined) counts.set(token, (counts.get(token) ?? 0) + 1);
      }
    }
  }
  return counts;
}

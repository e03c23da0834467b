import pMap from 'p-map';
import type { Move } from '../../model/move.ts';
import type { CollectionFacts } from '../../stores/qdrant/collection-facts.ts';
import type { QdrantReader } from '../../stores/qdrant/qdrant-reader.ts';
import type { Finding, PlanContext } from '../stage.ts';
import { COLLECTIONS_AT_ONCE, ifThere } from './survey.ts';

/** Values that are looked through in a collection, the largest first. */
const MOST_VALUES = 1_000;
const NAMED = 10;

/** Tenants whose id contains a source, or differs from it by case only. They are left alone; the operator should know. */
export async function lookAlikes(
  moves: readonly Move[],
  collections: readonly CollectionFacts[],
  ctx: PlanContext<QdrantReader>,
): Promise<readonly Finding[]> {
  const counts = await tenantCounts(collections, ctx);
  return moves.flatMap((move) => {
    const similar = [...counts].filter(([value]) => isLookAlike(value, move)).sort(([, a], [, b]) => b - a);
    if (similar.length === 0) return [];
    const samples = similar.slice(0, NAMED).map(([value, count]) => `${value} (${count})`);
    return [
      {
        stage: 'qdrant',
        kind: 'look-alike',
        severity: 'notice',
        message: `other tenants look like "${move.source}" and are left alone: ${samples.join(', ')}`,
        count: similar.reduce((sum, [, count]) => sum + count, 0),
        samples,
      } satisfies Finding,
    ];
  });
}

function isLookAlike(value: string, { source, target }: Move): boolean {
  return value !== source && value !== target && value.toLowerCase().includes(source.toLowerCase());
}

async function tenantCounts(
  collections: readonly CollectionFacts[],
  ctx: PlanContext<QdrantReader>,
): Promise<ReadonlyMap<string, number>> {
  const field = ctx.profile.qdrantField;
  const indexed = collections.filter(({ indexes }) => indexes.get(field)?.type === 'keyword');
  const facets = await pMap(
    indexed,
    ({ name, limits }) => {
      const limit = Math.min(MOST_VALUES, limits.maxQueryLimit ?? MOST_VALUES);
      return ifThere(() => ctx.store.facet({ collection: name, field, limit }));
    },
    { concurrency: COLLECTIONS_AT_ONCE },
  );
  const counts = new Map<string, number>();
  for (const { value, count } of facets.flatMap((hits) => hits ?? [])) {
    counts.set(value, (counts.get(value) ?? 0) + count);
  }
  return counts;
}

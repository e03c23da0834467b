import { grouped } from '../../model/grouped.ts';
import type { CollectionFacts } from '../../stores/qdrant/collection-facts.ts';
import type { QdrantReader } from '../../stores/qdrant/qdrant-reader.ts';
import type { Finding, PlanContext } from '../stage.ts';
import { AS_TEXT, matchOf, mayFilter, tokenOf } from './field-forms.ts';
import { idPageSize } from './page-sizes.ts';
import type { QdrantPlan } from './qdrant-plan.ts';
import { countValues, type EndCounts, type Surveyed } from './survey.ts';

/** A collection up to this many times the tenant's size is read as a whole. */
const READ_UP_TO = 10;
const MOST_VALUES = 10_000;

/**
 * An index can lie, and a filtered count believes it. Where the field is indexed the facet must agree with the
 * count, and where it is affordable (or asked for) so must a pass over all points that uses no index at all.
 */
export async function indexDrift(
  { facts, counts }: Surveyed,
  plan: QdrantPlan,
  ctx: PlanContext<QdrantReader>,
): Promise<readonly Finding[]> {
  if (counts === undefined) return [];
  const findings: Finding[] = [];
  const others = [
    { by: 'the facet', values: await facetValues(facts, ctx) },
    { by: 'reading all points', values: await readValues(facts, plan, ctx) },
  ];
  for (const { by, values } of others) {
    // A facet on an index of texts knows nothing of numbers.
    const known = by === 'the facet' ? counts.filter(({ number }) => number !== true) : counts;
    if (values !== undefined) findings.push(...(await disagreements(facts, known, { by, values }, ctx)));
  }
  return findings;
}

async function facetValues(
  { name, indexes, limits }: CollectionFacts,
  ctx: PlanContext<QdrantReader>,
): Promise<ReadonlyMap<string, number> | undefined> {
  const field = ctx.profile.qdrantField;
  if (indexes.get(field)?.type !== 'keyword') return undefined;
  const limit = Math.min(MOST_VALUES, limits.maxQueryLimit ?? MOST_VALUES);
  const hits = await ctx.store.facet({ collection: name, field, limit });
  // A full list may have cut off exactly the values that we ask about.
  if (hits === undefined || hits.length >= limit) return undefined;
  return new Map(hits.map(({ value, count }) => [tokenOf(value, AS_TEXT), count]));
}

async function readValues(
  { name, shardKeys, limits }: CollectionFacts,
  plan: QdrantPlan,
  ctx: PlanContext<QdrantReader>,
): Promise<ReadonlyMap<string, number> | undefined> {
  if (ctx.options.verify === 'counts') return undefined;
  if (ctx.options.verify === 'sample') {
    const moved = plan.collections.filter(({ collection }) => collection === name);
    const tenants = moved.reduce((sum, { source }) => sum + source, 0);
    if ((await ctx.store.count({ collection: name })) > READ_UP_TO * tenants) return undefined;
  }
  return countValues(ctx, { collection: name, shardKeys, pageSize: idPageSize(limits) });
}

async function disagreements(
  facts: CollectionFacts,
  counts: readonly EndCounts[],
  { by, values }: { readonly by: string; readonly values: ReadonlyMap<string, number> },
  ctx: PlanContext<QdrantReader>,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const field = ctx.profile.qdrantField;
  const { name, replicas } = facts;
  const ends = counts.flatMap((form) => [
    { form, value: form.move.source, before: form.source },
    { form, value: form.move.target, before: form.target },
  ]);
  for (const { form, value, before } of ends) {
    if (!mayFilter(facts, field, { ...form, value })) continue;
    const seen = values.get(tokenOf(value, form)) ?? 0;
    if (seen === before) continue;
    // The application may have written between the two looks: only what no moment in between explains is drift.
    const after = await ctx.store.count({
      collection: name,
      match: matchOf(field, value, form),
      allReplicas: replicas > 1,
    });
    if (seen >= Math.min(before, after) && seen <= Math.max(before, after)) continue;
    findings.push({
      stage: 'qdrant',
      kind: 'index-drift',
      severity: 'difference',
      message: `${name}: ${by} finds ${grouped(seen)} points under "${value}", counting by ${field} finds ${grouped(after)}`,
      where: name,
      count: Math.abs(seen - after),
      fix: `rebuild the index on ${field} in ${name} (delete it and make it again), then verify`,
    });
  }
  return findings;
}

import { grouped } from '../../../model/grouped.ts';
import { canonicalJson } from '../../../model/json.ts';
import type { CollectionFacts } from '../../../stores/qdrant/collection-facts.ts';
import type { QdrantReader } from '../../../stores/qdrant/qdrant-reader.ts';
import type { Finding, PlanContext, VerifyPhase } from '../../stage.ts';
import { contentSum, readPoints, sampledPoint } from '../content.ts';
import { idPageSize } from '../page-sizes.ts';
import type { QdrantPlan } from '../qdrant-plan.ts';
import { blueprintOf } from './make-like.ts';
import type { NamedAlias, NamedCollection } from './named-plan.ts';
import { contentField } from './plan-named.ts';

const NAMED = 5;

interface Now {
  readonly facts: ReadonlyMap<string, CollectionFacts>;
  readonly aliases: ReadonlyMap<string, string>;
  readonly phase: VerifyPhase;
  readonly ctx: PlanContext<QdrantReader>;
}

/** Whether everything that was named after a source has the target's name, whole and alike. */
export async function verifyNamed(
  { named }: QdrantPlan,
  collections: readonly CollectionFacts[],
  phase: VerifyPhase,
  ctx: PlanContext<QdrantReader>,
): Promise<readonly Finding[]> {
  if (named.collections.length + named.aliases.length === 0) return [];
  const aliases = await ctx.store.aliases();
  const now: Now = {
    facts: new Map(collections.map((facts) => [facts.name, facts])),
    aliases: new Map(aliases.map(({ alias, collection }) => [alias, collection])),
    phase,
    ctx,
  };
  const findings: Finding[] = [];
  for (const one of named.collections) {
    findings.push(...(one.mode === 'copy' ? await verifyCopy(one, now) : await verifySecondName(one, now)));
  }
  return [...findings, ...named.aliases.flatMap((one) => verifyAlias(one, now))];
}

async function verifyCopy(one: NamedCollection, now: Now): Promise<readonly Finding[]> {
  const { from, to } = one;
  const [old, made] = [now.facts.get(from), now.facts.get(to)];
  if (made === undefined) return [difference(to, 'missing', `${to}, the copy of ${from}, is not there`)];
  const findings = [...(await contentFindings(one, made, now)), ...followed(one, now)];
  if (old !== undefined) findings.push(...(await standingBeside(one, { old, made }, now)));
  return findings;
}

/** What can be said while both stand. */
async function standingBeside(
  { from, to }: NamedCollection,
  { old, made }: { readonly old: CollectionFacts; readonly made: CollectionFacts },
  { phase, ctx }: Now,
): Promise<readonly Finding[]> {
  if (phase === 'finalized') return [difference(from, 'left-behind', `${from}, copied to ${to}, is still there`)];
  const findings: Finding[] = [];
  const left = await missingIn(from, to, ctx);
  if (left > 0) {
    const text = `${grouped(left)} points of ${from} are not in ${to}`;
    findings.push({ ...difference(from, 'left-behind', text), count: left, drainable: true });
  }
  if (canonicalJson(blueprintOf(old)) !== canonicalJson(blueprintOf(made))) {
    findings.push(difference(to, 'content', `configuration or indexes of ${to} differ from those of ${from}`));
  }
  return findings;
}

async function missingIn(from: string, to: string, { store, signal }: PlanContext<QdrantReader>): Promise<number> {
  const { limits } = await store.collection(from);
  let missing = 0;
  for await (const ids of store.scrollIds({ collection: from, pageSize: idPageSize(limits) })) {
    signal.throwIfAborted();
    const present = await store.presentIds(to, ids);
    missing += ids.filter((id) => !present.has(id)).length;
  }
  return missing;
}

async function contentFindings(
  { move, from, to, points, others, sample, sum }: NamedCollection,
  made: CollectionFacts,
  { ctx }: Now,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const count = await ctx.store.count({ collection: to, allReplicas: made.replicas > 1 });
  const expected = points + others;
  if (count < expected) {
    const text = `${grouped(count)} points in ${to}, ${grouped(expected)} expected (${grouped(others)} before and ${grouped(points)} of ${from})`;
    findings.push({ ...difference(to, 'count', text), count: expected - count });
  }
  if (count > expected) {
    const text = `${grouped(count - expected)} points more in ${to} than there were in ${from}: written meanwhile`;
    findings.push({ ...difference(to, 'grew', text), severity: 'notice', count: count - expected });
  }
  const field = contentField(move, ctx);
  const ids = {
    withVectors: sample.filter(({ vectors }) => vectors !== undefined).map(({ id }) => id),
    without: sample.filter(({ vectors }) => vectors === undefined).map(({ id }) => id),
  };
  const now = new Map((await readPoints(ctx.store, to, ids)).map((point) => [point.id, sampledPoint(point, field)]));
  const other = sample.filter(({ id, payload, vectors }) => {
    const point = now.get(id);
    return point?.payload !== payload || point.vectors !== vectors;
  });
  if (other.length > 0) {
    const text = `${grouped(other.length)} of ${grouped(sample.length)} sampled points of ${to} are gone or have another content than in ${from}`;
    const samples = other.slice(0, NAMED).map(({ id }) => id);
    findings.push({ ...difference(to, 'content', text), count: other.length, samples });
  }
  if (sum !== undefined && count === expected && ctx.options.verify === 'full') {
    const all = await contentSum(ctx, { collection: to, maxPage: idPageSize(made.limits) }, field);
    if (all.hex() !== sum)
      findings.push(difference(to, 'content', `the content of all points of ${to} differs from that of ${from}`));
  }
  return findings;
}

function followed({ aliases, from, to }: NamedCollection, now: Now): readonly Finding[] {
  return aliases
    .filter((alias) => now.aliases.has(alias) && now.aliases.get(alias) !== to)
    .map((alias) =>
      difference(to, 'alias', `the alias ${alias} of ${from} stands for ${now.aliases.get(alias)}, not for ${to}`),
    );
}

async function verifySecondName(
  { from, to, points }: NamedCollection,
  { aliases, ctx }: Now,
): Promise<readonly Finding[]> {
  if (aliases.get(to) !== from) return [difference(from, 'alias', `${to} is no alias of ${from}`)];
  const count = await ctx.store.count({ collection: to });
  if (count >= points) return [];
  return [
    {
      ...difference(to, 'count', `${grouped(count)} points by the name ${to}, ${grouped(points)} expected`),
      count: points - count,
    },
  ];
}

function verifyAlias({ from, to, collection }: NamedAlias, { aliases, phase }: Now): readonly Finding[] {
  const findings: Finding[] = [];
  if (aliases.get(to) !== collection) {
    findings.push(difference(to, 'alias', `${to} is no alias of ${collection}`));
  }
  if (phase === 'finalized' && aliases.has(from)) {
    findings.push(
      difference(from, 'left-behind', `the alias ${from} is still there, and stands for ${aliases.get(from)}`),
    );
  }
  return findings;
}

function difference(where: string, kind: string, message: string): Finding {
  return { stage: 'qdrant', kind, severity: 'difference', message, where };
}

import pMap from 'p-map';
import { grouped } from '../../model/grouped.ts';
import { knownPath } from '../../model/payload-path.ts';
import type { PointContent, QdrantReader } from '../../stores/qdrant/qdrant-reader.ts';
import type { Finding, PlanContext, VerifyPhase } from '../stage.ts';
import { addedSums, contentSum, readPoints, sampledPoint } from './content.ts';
import { fieldText, holds, matchOf, tenantField } from './field-forms.ts';
import { indexDrift } from './index-drift.ts';
import { laterName } from './named/named-plan.ts';
import { verifyNamed } from './named/verify-named.ts';
import { idPageSize } from './page-sizes.ts';
import type { CollectionPlan, QdrantPlan, SampledPoint } from './qdrant-plan.ts';
import { type NewIds, newIdsOf } from './re-id/new-ids.ts';
import { newIdsFor } from './re-id/new-ids-for.ts';
import { type Standing, standingFindings, standingOf } from './re-id/standing.ts';
import { besideCopies } from './shards/shard-copy.ts';
import { verifyShards } from './shards/verify-shards.ts';
import { type Surveyed, survey } from './survey.ts';

const VERIFIED_AT_ONCE = 4;
const NAMED = 5;

/**
 * Compares the collections with the plan by other calls than those that moved the points: exact counts in every
 * collection there is now, facets, points read by id, and where it is affordable a pass over all points.
 */
export async function verify(
  plan: QdrantPlan,
  phase: VerifyPhase,
  whole: PlanContext<QdrantReader>,
): Promise<readonly Finding[]> {
  const shards = plan.shards ?? [];
  const ctx = { ...whole, store: await besideCopies(shards, whole.store) };
  const newIds = newIdsOf(ctx.profile, plan.mode);
  const moves = plan.moves.map(({ source, target }) => ({ source, target }));
  const surveyed = await survey(moves, ctx);
  tellCounts(surveyed, plan, ctx);
  const byName = new Map(surveyed.map((one) => [one.facts.name, one]));
  const planned = await pMap(
    plan.collections,
    async (part) => {
      // A collection that was copied and then deleted has its points in the copy.
      const collection = byName.has(part.collection) ? part.collection : laterName(plan.named, part.collection);
      const now = byName.get(collection ?? part.collection);
      if (now === undefined) return [gone(part)];
      const own = newIdsFor(newIds, { ...part, facts: now.facts }, ctx.profile);
      const arrived = { ...arrival(part, plan), part: { ...part, collection: now.facts.name } };
      return verifyPart({ ...arrived, phase, newIds: own }, now, ctx);
    },
    { concurrency: VERIFIED_AT_ONCE },
  );
  const drift = await pMap(
    surveyed.filter(({ facts }) => plan.collections.some(({ collection }) => collection === facts.name)),
    (now) => indexDrift(now, plan, ctx),
    { concurrency: VERIFIED_AT_ONCE },
  );
  const others = await pMap(surveyed, (now) => unplanned(now, plan, { phase, newIds }, ctx), {
    concurrency: VERIFIED_AT_ONCE,
  });
  const facts = surveyed.map((one) => one.facts);
  const names = await verifyNamed(plan, facts, phase, ctx);
  const copied = await verifyShards(shards, phase, whole);
  return [...planned.flat(), ...drift.flat(), ...others.flat(), ...copied, ...names];
}

/** Points of named collections and shards are all the tenant's, whatever they hold: those are not counted here. */
function tellCounts(surveyed: readonly Surveyed[], plan: QdrantPlan, { emit }: PlanContext<QdrantReader>): void {
  if (plan.named.collections.length + (plan.shards ?? []).length > 0) return;
  const counts = surveyed.flatMap((one) => (one.counts === undefined ? [] : [one.counts]));
  if (counts.length < surveyed.length) return;
  const sum = (of: 'source' | 'target') => counts.flat().reduce((total, ends) => total + ends[of], 0);
  emit({ type: 'counted', stage: 'qdrant', source: sum('source'), target: sum('target') });
}

/** A part with what all moves into the same target and collection bring. */
interface Arrival {
  readonly part: CollectionPlan;
  /** What they bring: points whose new ids were taken before bring none. */
  readonly points: number;
  /** Sum of the content that should stand under the target now, in hex. */
  readonly sum: string | undefined;
}

function arrival(part: CollectionPlan, plan: QdrantPlan): Arrival {
  const sharing = plan.collections.filter(
    ({ collection, move, number }) =>
      collection === part.collection && move.target === part.move.target && number === part.number,
  );
  const sums = sharing.flatMap(({ sums }) => sums ?? []);
  // Two sources in one array become one entry: how many points that makes, and with what content, no plan knows.
  const apart = sharing.length === 1 || sharing.every(({ arrays }) => arrays === undefined);
  return {
    part,
    points: sharing.reduce(
      (sum, { source, reId, arrays }) => sum + source - (reId?.copied ?? 0) - (arrays?.both ?? 0),
      0,
    ),
    sum: apart ? sums[0] && addedSums([sums[0].target, ...sums.map(({ source }) => source)]) : undefined,
  };
}

/** How far a run is, and which ids get new ones. */
interface Moment {
  readonly phase: VerifyPhase;
  readonly newIds: NewIds | undefined;
}

async function verifyPart(
  { part, points, sum, phase, newIds }: Arrival & Moment,
  now: Surveyed,
  ctx: PlanContext<QdrantReader>,
): Promise<readonly Finding[]> {
  const { facts, counts } = now;
  const ends = counts?.find(({ move, number }) => move.source === part.move.source && number === part.number);
  if (ends === undefined)
    return [difference(part, 'count', 'its points can no longer be counted: an index is missing')];
  const standing = await standingOf(now, part.move, { newIds, repairs: (part.reId?.repair ?? 0) > 0 }, ctx);
  const expected = part.target + points;
  const kept = ctx.options.onConflict === 'skip';
  const { collection, move } = part;
  const findings = countFindings(part, { ...ends, expected, standing, leaves: phase === 'applied' || kept });
  findings.push(...standingFindings(standing, phase, { collection, target: move.target, kept }));
  findings.push(...(await sampleFindings(part, ctx)));
  if (sum !== undefined && ctx.options.verify === 'full') {
    const field = ctx.profile.qdrantField;
    const match = matchOf(field, move.target, part);
    // A point that was moved without its new id is not what should stand there.
    const idOf = (point: PointContent) => (newIds?.pairOfContent(point, move) === undefined ? point.id : undefined);
    const request = { collection, shardKeys: facts.shardKeys, match, maxPage: idPageSize(facts.limits), idOf };
    const sums = await contentSum(ctx, request, tenantField(knownPath(field), move, part));
    if (sums.hex() !== sum) findings.push(sumFinding(part, { count: sums.count, expected }));
  }
  return findings;
}

interface Counts {
  readonly source: number;
  readonly target: number;
  readonly expected: number;
  readonly standing: Standing;
  /** Old points beside their copies may stand at the source. */
  readonly leaves: boolean;
}

function countFindings(part: CollectionPlan, { source, target, expected, standing, leaves }: Counts): Finding[] {
  const findings: Finding[] = [];
  const { move } = part;
  const left = source - (leaves ? standing.copied : 0);
  // A point and its copy are one.
  const there = target - standing.underTarget.copied;
  const records = source + there - standing.copied;
  if (left > 0) {
    const text = `${grouped(left)} points are still under "${move.source}"`;
    findings.push({ ...difference(part, 'left-behind', text), count: left, drainable: true });
  }
  if (records < expected) {
    const parts = `${grouped(part.target)} before and ${grouped(expected - part.target)} moved`;
    const text = `${grouped(there)} points under "${move.target}", ${grouped(expected)} expected (${parts})`;
    findings.push({ ...difference(part, 'count', text), count: expected - records });
  }
  if (there > expected) {
    const text = `${grouped(there - expected)} points more under "${move.target}" than were there and moved: written meanwhile`;
    findings.push({ ...difference(part, 'grew', text), severity: 'notice', count: there - expected });
  }
  return findings;
}

/** Reads the sampled points by id and compares field, payload and vectors. */
async function sampleFindings(part: CollectionPlan, ctx: PlanContext<QdrantReader>): Promise<readonly Finding[]> {
  if (part.sample.length === 0) return [];
  ctx.signal.throwIfAborted();
  const field = ctx.profile.qdrantField;
  const sample = await comparable(part, ctx);
  const withVectors = sample.filter(({ vectors }) => vectors !== undefined).map(({ id }) => id);
  const without = sample.filter(({ vectors }) => vectors === undefined).map(({ id }) => id);
  const points = await readPoints(ctx.store, part.collection, { withVectors, without });
  const of = tenantField(knownPath(field), part.move, part);
  const [source, target] = of.tokens;
  const now = new Map(
    points.map((point) => {
      const arrived = holds(fieldText(point.payload, of.path), target, source);
      return [point.id, { arrived, ...sampledPoint(point, of) }];
    }),
  );
  // What still stands under its old id is not gone: it is counted as left behind.
  const absent = sample.flatMap(({ id, was }) => (id === was || now.has(id) ? [] : [was]));
  const waiting = await ctx.store.presentIds(part.collection, absent);
  const failing = (text: string, fails: (point: Renamed) => boolean): readonly Finding[] => {
    const ids = sample.filter(fails).map(({ id }) => id);
    if (ids.length === 0) return [];
    const message = `${grouped(ids.length)} of ${grouped(sample.length)} sampled points ${text}`;
    return [{ ...difference(part, 'content', message), count: ids.length, samples: ids.slice(0, NAMED) }];
  };
  return [
    ...failing('are gone', ({ id, was }) => !now.has(id) && !waiting.has(was)),
    ...failing(`do not hold "${part.move.target}" in ${field}`, ({ id }) => now.get(id)?.arrived === false),
    ...failing(
      'have another payload than before',
      ({ id, payload }) => now.has(id) && now.get(id)?.payload !== payload,
    ),
    ...failing('have other vectors than before', ({ id, vectors }) => now.has(id) && now.get(id)?.vectors !== vectors),
  ];
}

/** A sampled point under the id that it must have now, and the one under which it was planned. */
type Renamed = SampledPoint & { readonly was: SampledPoint['id'] };

/** The sample under the ids that its points have now, without those that stay because their new id is taken. */
async function comparable(part: CollectionPlan, ctx: PlanContext<QdrantReader>): Promise<readonly Renamed[]> {
  const renamed = part.sample.map((point) => ({ ...point, id: point.newId ?? point.id, was: point.id }));
  if (ctx.options.onConflict !== 'skip' || part.reId === undefined) return renamed;
  const stay = await ctx.store.presentIds(
    part.collection,
    part.sample.flatMap(({ id, newId }) => (newId === undefined ? [] : [id])),
  );
  return renamed.filter(({ was }) => !stay.has(was));
}

function sumFinding(
  part: CollectionPlan,
  { count, expected }: { readonly count: number; readonly expected: number },
): Finding {
  const why =
    count === expected ? '' : ` (${grouped(count)} points now, ${grouped(expected)} expected: they cannot be compared)`;
  return {
    ...difference(part, 'content', `the content of all points under "${part.move.target}" differs from before${why}`),
    count,
    fix: 'stop the writers and look at what changed: the sum tells that it did, not where',
  };
}

/** Points of a source in a collection that the plan does not name: it came, or gained them, meanwhile. */
async function unplanned(
  now: Surveyed,
  plan: QdrantPlan,
  { phase, newIds }: Moment,
  ctx: PlanContext<QdrantReader>,
): Promise<readonly Finding[]> {
  const { facts, counts } = now;
  const findings: Finding[] = [];
  for (const { move, source, number } of counts ?? []) {
    const isPlanned = plan.collections.some(
      (part) => part.collection === facts.name && part.move.source === move.source && part.number === number,
    );
    if (isPlanned || source === 0) continue;
    const own = newIdsFor(newIds, { facts, move, ...(number ? { number } : {}) }, ctx.profile);
    const { copied } = await standingOf(now, move, { newIds: own, repairs: false }, ctx);
    const left = source - (phase === 'applied' ? copied : 0);
    if (left === 0) continue;
    const text = `${grouped(left)} points of "${move.source}" appeared here after the plan was made`;
    findings.push({
      ...difference({ collection: facts.name }, 'left-behind', text),
      count: left,
      drainable: true,
      fix: `tenant-migrate ${move.source} ${move.target} --merge`,
    });
  }
  return findings;
}

function gone(part: CollectionPlan): Finding {
  return difference(
    part,
    'missing',
    `the collection is gone, and ${grouped(part.source + part.target)} points with it`,
  );
}

function difference({ collection }: { readonly collection: string }, kind: string, text: string): Finding {
  return { stage: 'qdrant', kind, severity: 'difference', message: `${collection}: ${text}`, where: collection };
}

import pMap from 'p-map';
import type { QdrantReader } from '../../stores/qdrant/qdrant-reader.ts';
import type { Finding, PlanContext } from '../stage.ts';
import { addedSums, contentSum, readPoints, sampledPoint } from './content.ts';
import { indexDrift } from './index-drift.ts';
import { idPageSize } from './page-sizes.ts';
import type { CollectionPlan, QdrantPlan, SampledPoint } from './qdrant-plan.ts';
import { type Surveyed, survey } from './survey.ts';

const VERIFIED_AT_ONCE = 4;
const NAMED = 5;

/**
 * Compares the collections with the plan by other calls than those that moved the points: exact counts in every
 * collection there is now, facets, points read by id, and where it is affordable a pass over all points.
 */
export async function verify(plan: QdrantPlan, ctx: PlanContext<QdrantReader>): Promise<readonly Finding[]> {
  const moves = plan.moves.map(({ source, target }) => ({ source, target }));
  const surveyed = await survey(moves, ctx);
  const byName = new Map(surveyed.map((one) => [one.facts.name, one]));
  const planned = await pMap(
    plan.collections,
    async (part) => {
      const now = byName.get(part.collection);
      return now === undefined ? [gone(part)] : verifyPart(arrival(part, plan), now, ctx);
    },
    { concurrency: VERIFIED_AT_ONCE },
  );
  const drift = await pMap(
    surveyed.filter(({ facts }) => plan.collections.some(({ collection }) => collection === facts.name)),
    (now) => indexDrift(now, plan, ctx),
    { concurrency: VERIFIED_AT_ONCE },
  );
  return [...planned.flat(), ...drift.flat(), ...surveyed.flatMap((now) => unplanned(now, plan))];
}

/** A part with what all moves into the same target and collection bring. */
interface Arrival {
  readonly part: CollectionPlan;
  readonly points: number;
  /** Sum of the content that should stand under the target now, in hex. */
  readonly sum: string | undefined;
}

function arrival(part: CollectionPlan, plan: QdrantPlan): Arrival {
  const sharing = plan.collections.filter(
    ({ collection, move }) => collection === part.collection && move.target === part.move.target,
  );
  const sums = sharing.flatMap(({ sums }) => sums ?? []);
  return {
    part,
    points: sharing.reduce((sum, { source }) => sum + source, 0),
    sum: sums[0] && addedSums([sums[0].target, ...sums.map(({ source }) => source)]),
  };
}

async function verifyPart(
  { part, points, sum }: Arrival,
  { facts, counts }: Surveyed,
  ctx: PlanContext<QdrantReader>,
): Promise<readonly Finding[]> {
  const ends = counts?.find(({ move }) => move.source === part.move.source);
  if (ends === undefined)
    return [difference(part, 'count', 'its points can no longer be counted: an index is missing')];
  const expected = part.target + points;
  const findings = countFindings(part, { ...ends, expected });
  findings.push(...(await sampleFindings(part, ctx)));
  if (sum !== undefined && ctx.options.verify === 'full') {
    const match = { field: ctx.profile.qdrantField, value: part.move.target };
    const now = await contentSum(ctx, { collection: part.collection, match, maxPage: idPageSize(facts.limits) });
    if (now.hex() !== sum) findings.push(sumFinding(part, { count: now.count, expected }));
  }
  return findings;
}

function countFindings(
  part: CollectionPlan,
  { source, target, expected }: { readonly source: number; readonly target: number; readonly expected: number },
): Finding[] {
  const findings: Finding[] = [];
  const { move } = part;
  if (source > 0) {
    const text = `${source} points are still under "${move.source}"`;
    findings.push({ ...difference(part, 'left-behind', text), count: source, drainable: true });
  }
  if (target + source < expected) {
    const parts = `${part.target} before and ${expected - part.target} moved`;
    const text = `${target} points under "${move.target}", ${expected} expected (${parts})`;
    findings.push({ ...difference(part, 'count', text), count: expected - target - source });
  }
  if (target > expected) {
    const text = `${target - expected} points more under "${move.target}" than were there and moved: written meanwhile`;
    findings.push({ ...difference(part, 'grew', text), severity: 'notice', count: target - expected });
  }
  return findings;
}

/** Reads the sampled points by id and compares field, payload and vectors. */
async function sampleFindings(part: CollectionPlan, ctx: PlanContext<QdrantReader>): Promise<readonly Finding[]> {
  if (part.sample.length === 0) return [];
  ctx.signal.throwIfAborted();
  const field = ctx.profile.qdrantField;
  const withVectors = part.sample.filter(({ vectors }) => vectors !== undefined).map(({ id }) => id);
  const without = part.sample.filter(({ vectors }) => vectors === undefined).map(({ id }) => id);
  const points = await readPoints(ctx.store, part.collection, { withVectors, without });
  const now = new Map(
    points.map((point) => [point.id, { tenant: point.payload.get(field), ...sampledPoint(point, field) }]),
  );
  const wanted = JSON.stringify(part.move.target);
  const failing = (text: string, fails: (point: SampledPoint) => boolean): readonly Finding[] => {
    const ids = part.sample.filter(fails).map(({ id }) => id);
    if (ids.length === 0) return [];
    const message = `${ids.length} of ${part.sample.length} sampled points ${text}`;
    return [{ ...difference(part, 'content', message), count: ids.length, samples: ids.slice(0, NAMED) }];
  };
  return [
    ...failing('are gone', ({ id }) => !now.has(id)),
    ...failing(
      `do not hold "${part.move.target}" in ${field}`,
      ({ id }) => now.has(id) && now.get(id)?.tenant !== wanted,
    ),
    ...failing(
      'have another payload than before',
      ({ id, payload }) => now.has(id) && now.get(id)?.payload !== payload,
    ),
    ...failing('have other vectors than before', ({ id, vectors }) => now.has(id) && now.get(id)?.vectors !== vectors),
  ];
}

function sumFinding(
  part: CollectionPlan,
  { count, expected }: { readonly count: number; readonly expected: number },
): Finding {
  const why = count === expected ? '' : ` (${count} points now, ${expected} expected: they cannot be compared)`;
  return {
    ...difference(part, 'content', `the content of all points under "${part.move.target}" differs from before${why}`),
    count,
    fix: 'stop the writers and look at what changed: the sum tells that it did, not where',
  };
}

/** Points of a source in a collection that the plan does not name: it came, or gained them, meanwhile. */
function unplanned({ facts, counts }: Surveyed, plan: QdrantPlan): readonly Finding[] {
  return (counts ?? []).flatMap(({ move, source }) => {
    const isPlanned = plan.collections.some(
      (part) => part.collection === facts.name && part.move.source === move.source,
    );
    if (isPlanned || source === 0) return [];
    const text = `${source} points of "${move.source}" appeared here after the plan was made`;
    return [
      {
        ...difference({ collection: facts.name }, 'left-behind', text),
        count: source,
        // Where the application places points by shard keys, apply could not set them.
        ...(facts.customSharding ? {} : { drainable: true }),
        fix: `tenant-migrate ${move.source} ${move.target} --merge`,
      },
    ];
  });
}

function gone(part: CollectionPlan): Finding {
  return difference(part, 'missing', `the collection is gone, and ${part.source + part.target} points with it`);
}

function difference({ collection }: { readonly collection: string }, kind: string, text: string): Finding {
  return { stage: 'qdrant', kind, severity: 'difference', message: `${collection}: ${text}`, where: collection };
}

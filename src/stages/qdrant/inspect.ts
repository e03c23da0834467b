import type { Move } from '../../model/move.ts';
import type { CollectionFacts } from '../../stores/qdrant/collection-facts.ts';
import type { FieldMatch, PointContent, QdrantReader } from '../../stores/qdrant/qdrant-reader.ts';
import type { Finding, PlanContext, Problem } from '../stage.ts';
import { addedSums, contentSum, enumerateTenant, readPoints, sampledPoint, splitSample } from './content.ts';
import { derivingScheme } from './derived-ids.ts';
import { idPageSize } from './page-sizes.ts';
import type { CollectionPlan, SampledPoint } from './qdrant-plan.ts';
import { type Look, lookAtIds } from './re-id/look.ts';
import { type NewIds, newIdsOf } from './re-id/new-ids.ts';
import { noSchemeProblem, reIdNotices, reIdProblems } from './re-id/tell-plan.ts';
import type { EndCounts } from './survey.ts';

/** Points that are looked at for ids made from the tenant, where no larger sample is there. */
const ID_SAMPLE = 50;

/** One move in one collection that holds points of one of its ends. */
export interface CollectionEnds extends EndCounts {
  readonly facts: CollectionFacts;
}

export interface Inspected {
  /** Undefined where there is nothing to move. */
  readonly plan: CollectionPlan | undefined;
  readonly notices: readonly Finding[];
  readonly problems: readonly Problem[];
  /** Points under the target that are no copies of points to move. */
  readonly atTarget: number;
  /** New ids that are taken by other content, as far as they were compared. */
  readonly conflicts: number;
}

/** Reads the points at both ends as far as the depth of verify asks for. */
export async function inspect(ends: CollectionEnds, ctx: PlanContext<QdrantReader>): Promise<Inspected> {
  const { profile, options } = ctx;
  const field = profile.qdrantField;
  const newIds = newIdsOf(profile, options.qdrantMode);
  const look = newIds === undefined ? NO_LOOK : await lookAtIds(ends, newIds, ctx);
  const notices = [...reIdNotices(ends, look)];
  const problems = [...reIdProblems(ends, look, ctx)];
  if (newIds === undefined && ends.target > 0)
    notices.push(...derivedNotice(ends, await firstPoints(ends, ends.move.target, ctx), 'target', ctx));
  if (ends.source === 0 && look.plan === undefined)
    return { plan: undefined, atTarget: ends.target, notices, problems, conflicts: 0 };
  const { points, arrays } = ends.source === 0 ? NO_POINTS : await readSource(ends, ctx);
  if (newIds === undefined) notices.push(...derivedNotice(ends, points, 'source', ctx));
  if (options.qdrantMode === 're-id' && look.plan === undefined) problems.push(noSchemeProblem(ends, look.looked));
  notices.push(...settingNotices(ends, field));
  const sums = options.verify === 'full' ? await contentSums(ends, { look, newIds }, ctx) : undefined;
  const sample = options.verify === 'counts' ? [] : points.map((point) => withNewId(point, ends.move, newIds, field));
  const { plan: reId } = look;
  return {
    plan: {
      move: ends.move,
      collection: ends.facts.name,
      source: ends.source,
      target: ends.target,
      sample,
      ...(sums === undefined ? {} : { sums }),
      ...(reId === undefined ? {} : { reId }),
    },
    // A copy that stands already is its old point's, not a record of the target's own.
    atTarget: ends.target - (reId?.repair ?? 0) - ((reId?.copied ?? 0) - look.conflicts),
    notices,
    problems: arrays.count === 0 ? problems : [...problems, arrayProblem(ends, field, arrays)],
    conflicts: look.conflicts,
  };
}

const NO_LOOK: Look = { plan: undefined, taken: new Set(), conflicts: 0, looked: 0 };
const NO_POINTS = { points: [], arrays: { count: 0, examples: [] } };

function withNewId(point: PointContent, move: Move, newIds: NewIds | undefined, field: string): SampledPoint {
  const newId = newIds?.pairOfContent(point, move)?.to;
  return { ...sampledPoint(point, field), ...(newId === undefined ? {} : { newId }) };
}

interface Arrays {
  readonly count: number;
  readonly examples: readonly string[];
}

/** The sample of the source, and how many of its points hold an array instead of the id. */
async function readSource(
  { facts, move }: CollectionEnds,
  ctx: PlanContext<QdrantReader>,
): Promise<{ readonly points: readonly PointContent[]; readonly arrays: Arrays }> {
  const collection = facts.name;
  const match = { field: ctx.profile.qdrantField, value: move.source };
  if (ctx.options.verify === 'counts') {
    // Counting finds arrays of two or more; the pass over all ids that would find arrays of one is what was waived.
    const count = await ctx.store.count({ collection, match, severalValues: true });
    return { points: await firstPoints({ facts }, move.source, ctx), arrays: { count, examples: [] } };
  }
  const { sampleIds, arrays } = await enumerateTenant(ctx, { collection, match, pageSize: idPageSize(facts.limits) });
  return {
    points: await readPoints(ctx.store, collection, splitSample(sampleIds)),
    arrays: { count: arrays.length, examples: arrays.slice(0, 5) },
  };
}

async function firstPoints(
  { facts }: Pick<CollectionEnds, 'facts'>,
  tenant: string,
  ctx: PlanContext<QdrantReader>,
): Promise<readonly PointContent[]> {
  const match: FieldMatch = { field: ctx.profile.qdrantField, value: tenant };
  const pageSize = Math.min(ID_SAMPLE, idPageSize(facts.limits));
  for await (const ids of ctx.store.scrollIds({ collection: facts.name, match, pageSize })) {
    return readPoints(ctx.store, facts.name, { withVectors: [], without: ids });
  }
  return [];
}

/** What a copy will add counts under its new id, at the source's side; one that stands already counts at the target's. */
async function contentSums(
  { facts, move, target }: CollectionEnds,
  { look, newIds }: { readonly look: Look; readonly newIds: NewIds | undefined },
  ctx: PlanContext<QdrantReader>,
): Promise<{ readonly source: string; readonly target: string }> {
  const field = ctx.profile.qdrantField;
  const request = { collection: facts.name, maxPage: idPageSize(facts.limits) };
  const pairOf = (point: PointContent) => newIds?.pairOfContent(point, move);
  const copies = (point: PointContent): string | undefined => {
    const to = pairOf(point)?.to;
    return to === undefined || look.taken.has(to) ? undefined : to;
  };
  const added = await contentSum(ctx, {
    ...request,
    match: { field, value: move.source },
    idOf: (point) => (pairOf(point) === undefined ? point.id : copies(point)),
  });
  const repaired = (look.plan?.repair ?? 0) > 0;
  const there = await contentSum(ctx, {
    ...request,
    match: { field, value: move.target },
    ...(repaired ? { idOf: (point: PointContent) => (pairOf(point) === undefined ? point.id : undefined) } : {}),
  });
  if (!repaired || target === 0) return { source: added.hex(), target: there.hex() };
  const repairs = await contentSum(ctx, { ...request, match: { field, value: move.target }, idOf: copies });
  return { source: addedSums([added.hex(), repairs.hex()]), target: there.hex() };
}

function derivedNotice(
  { facts, move }: CollectionEnds,
  points: readonly PointContent[],
  end: 'source' | 'target',
  ctx: PlanContext<QdrantReader>,
): readonly Finding[] {
  const found = derivingScheme(ctx.profile.pointIdSchemes, points, move);
  if (found === undefined) return [];
  const where =
    end === 'source' ? `after the move to "${move.target}"` : `they stand under "${move.target}" already and`;
  return [
    {
      stage: 'qdrant',
      kind: 'ids-derived-from-tenant',
      severity: 'notice',
      message:
        `${facts.name}: ${found.count} of ${points.length} sampled point ids are ${found.scheme.name} ids made from ` +
        `"${move.source}": ${where} the application will not find these points by id, ` +
        'and writing the same records again doubles them (without --qdrant-mode payload they get new ids)',
      where: facts.name,
      count: found.count,
    },
  ];
}

function settingNotices({ facts, source }: CollectionEnds, field: string): readonly Finding[] {
  const notice = (kind: string, message: string): Finding => ({
    stage: 'qdrant',
    kind,
    severity: 'notice',
    message: `${facts.name}: ${message}`,
    where: facts.name,
  });
  const notices: Finding[] = [];
  const index = facts.indexes.get(field);
  if (index === undefined)
    notices.push(notice('index-created', `a keyword index on ${field} will be made (is_tenant)`));
  else if (index.type !== 'keyword')
    notices.push(notice('index-type', `the index on ${field} is of type ${index.type} and stays`));
  if (facts.preventUnoptimized) {
    const text = `prevent_unoptimized is on: moved points stay hidden until the optimizer has indexed them`;
    notices.push({ ...notice('prevent-unoptimized', text), count: source });
  }
  return notices;
}

function arrayProblem({ facts, move }: CollectionEnds, field: string, { count, examples }: Arrays): Problem {
  const named = examples.length === 0 ? '' : ` (${examples.join(', ')}${count > examples.length ? ', …' : ''})`;
  return {
    stage: 'qdrant',
    code: 'array-value',
    message: `${facts.name}: ${field} of ${count} points is an array that holds "${move.source}"${named}; a move would replace it`,
    fix: `make ${field} of these points a single string, or leave this store out with --skip-qdrant`,
  };
}

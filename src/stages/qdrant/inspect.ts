import type { CollectionFacts } from '../../stores/qdrant/collection-facts.ts';
import type { FieldMatch, PointContent, QdrantReader } from '../../stores/qdrant/qdrant-reader.ts';
import type { Finding, PlanContext, Problem } from '../stage.ts';
import { contentSum, enumerateTenant, readPoints, sampledPoint, splitSample } from './content.ts';
import { derivingScheme } from './derived-ids.ts';
import { idPageSize } from './page-sizes.ts';
import type { CollectionPlan } from './qdrant-plan.ts';
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
}

/** Reads the points at both ends as far as the depth of verify asks for. */
export async function inspect(ends: CollectionEnds, ctx: PlanContext<QdrantReader>): Promise<Inspected> {
  const field = ctx.profile.qdrantField;
  const foreign = ends.target > 0 ? await firstPoints(ends, ends.move.target, ctx) : [];
  const notices = [...derivedNotice(ends, foreign, 'target', ctx)];
  if (ends.source === 0) return { plan: undefined, notices, problems: [] };
  const { points, arrays } = await readSource(ends, ctx);
  notices.push(...derivedNotice(ends, points, 'source', ctx), ...settingNotices(ends, field));
  const sums = ctx.options.verify === 'full' ? await contentSums(ends, ctx) : undefined;
  const sample = ctx.options.verify === 'counts' ? [] : points.map((point) => sampledPoint(point, field));
  return {
    plan: {
      move: ends.move,
      collection: ends.facts.name,
      source: ends.source,
      target: ends.target,
      sample,
      ...(sums === undefined ? {} : { sums }),
    },
    notices,
    problems: arrays.count === 0 ? [] : [arrayProblem(ends, field, arrays)],
  };
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

async function contentSums(
  { facts, move }: CollectionEnds,
  ctx: PlanContext<QdrantReader>,
): Promise<{ readonly source: string; readonly target: string }> {
  const sumOf = async (value: string): Promise<string> => {
    const match = { field: ctx.profile.qdrantField, value };
    return (await contentSum(ctx, { collection: facts.name, match, maxPage: idPageSize(facts.limits) })).hex();
  };
  return { source: await sumOf(move.source), target: await sumOf(move.target) };
}

function derivedNotice(
  { facts, move }: CollectionEnds,
  points: readonly PointContent[],
  end: 'source' | 'target',
  ctx: PlanContext<QdrantReader>,
): readonly Finding[] {
  const found = derivingScheme(ctx.profile.pointIdSchemes, points, move.source);
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
        'and writing the same records again doubles them',
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

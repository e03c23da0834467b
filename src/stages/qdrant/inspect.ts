import { grouped } from '../../model/grouped.ts';
import type { Move } from '../../model/move.ts';
import { knownPath } from '../../model/payload-path.ts';
import type { CollectionFacts } from '../../stores/qdrant/collection-facts.ts';
import type { FieldMatch, PointContent, QdrantReader } from '../../stores/qdrant/qdrant-reader.ts';
import type { Finding, PlanContext, Problem } from '../stage.ts';
import { type ArrayLook, type Arrays, lookAtArrays, mayAskForArrays } from './arrays.ts';
import {
  addedSums,
  contentSum,
  enumerateTenant,
  readPoints,
  type SumRequest,
  sampledPoint,
  splitSample,
  sumWithout,
} from './content.ts';
import { derivingScheme } from './derived-ids.ts';
import { couldBeNumber, matchOf, serves, type TenantField, tenantField, tokenOf } from './field-forms.ts';
import { type OtherSpellings, sameForIndex, spelledOtherwise } from './index-equality.ts';
import { KEEP_IDS, LargestPoint } from './largest-point.ts';
import { idPageSize } from './page-sizes.ts';
import type { CollectionPlan, SampledPoint } from './qdrant-plan.ts';
import { type Look, lookAtIds } from './re-id/look.ts';
import { type NewIds, newIdsOf } from './re-id/new-ids.ts';
import { isCopiedWhole, newIdsFor } from './re-id/new-ids-for.ts';
import { mayJudgeAll, passOverSource, type SourcePass } from './re-id/source-pass.ts';
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
  /** Bytes of arrays that an undo log will hold. */
  readonly arrayBytes?: number;
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
  const { points, mayHoldArrays, otherSpellings, pass } = ends.source === 0 ? NO_POINTS : await readSource(ends, ctx);
  const arrayed = mayHoldArrays ? await arrayLook(ends, ctx) : undefined;
  const arrays = arrayed !== undefined && arrayed.arrays.count > 0 ? arrayed.arrays : undefined;
  const place = { ...ends, ...(arrays === undefined ? {} : { arrays }) };
  const newIds = newIdsFor(newIdsOf(profile, options.qdrantMode), place, profile);
  const look = newIds === undefined ? NO_LOOK : await lookAtIds(ends, newIds, pass, ctx);
  const notices = [...reIdNotices(ends, look)];
  const same = sameForIndex(ends, field);
  const problems = [
    ...(arrayed?.problems ?? []),
    ...targetProblem(ends, field),
    ...(same.length > 0 ? same : spelledOtherwise(ends, otherSpellings, field)),
    ...reIdProblems(ends, look, ctx),
  ];
  if (newIds === undefined && ends.target > 0)
    notices.push(...derivedNotice(ends, await firstPoints(ends, ends.move.target, ctx), 'target', ctx));
  if (ends.source === 0 && look.plan === undefined)
    return { plan: undefined, atTarget: ends.target, notices, problems: [], conflicts: 0 };
  if (newIds === undefined) {
    const derived = derivedNotice(ends, points, 'source', ctx);
    notices.push(...derived);
    if (derived.length > 0) problems.push(...copiedWholeProblem(ends, ctx));
  }
  if (options.qdrantMode === 're-id' && look.plan === undefined) problems.push(noSchemeProblem(ends, look.looked));
  notices.push(...settingNotices(ends, field), ...formNotices(ends, arrays, field));
  const someHoldBoth = (arrays?.both ?? 0) > 0;
  const largest = new LargestPoint();
  for (const point of points) if (newIds?.pairOfContent(point, ends.move) !== undefined) largest.see(point);
  const how = { look, newIds, someHoldBoth, largest };
  const sums = options.verify === 'full' ? await contentSums(ends, how, ctx) : undefined;
  if (look.plan !== undefined) problems.push(...(await largest.problem(ends.facts.name, KEEP_IDS, ctx)));
  const of = tenantField(knownPath(field), ends.move, ends);
  const sample = options.verify === 'counts' ? [] : points.map((point) => withNewId(point, ends.move, newIds, of));
  const { plan: reId } = look;
  return {
    plan: {
      move: ends.move,
      ...(ends.number === true ? { number: true } : {}),
      collection: ends.facts.name,
      source: ends.source,
      target: ends.target,
      sample,
      ...(arrays === undefined ? {} : { arrays }),
      ...(sums === undefined ? {} : { sums }),
      ...(reId === undefined ? {} : { reId }),
      ...(look.judged === undefined ? {} : { judged: look.judged }),
    },
    ...(arrayed === undefined ? {} : { arrayBytes: arrayed.bytes }),
    // A copy that stands already is its old point's, not a record of the target's own.
    atTarget: ends.target - (reId?.repair ?? 0) - ((reId?.copied ?? 0) - look.conflicts),
    notices,
    problems,
    conflicts: look.conflicts,
  };
}

const NO_LOOK: Look = { plan: undefined, taken: new Set(), conflicts: 0, looked: 0 };
const NO_OTHERS: OtherSpellings = { count: 0, example: undefined };
const NO_POINTS: Source = { points: [], mayHoldArrays: false, otherSpellings: NO_OTHERS };

function withNewId(point: PointContent, move: Move, newIds: NewIds | undefined, field: TenantField): SampledPoint {
  const newId = newIds?.pairOfContent(point, move)?.to;
  return { ...sampledPoint(point, field), ...(newId === undefined ? {} : { newId }) };
}

/** New ids and a new collection at once would need a copy of a copy. */
function copiedWholeProblem(
  { facts, move }: CollectionEnds,
  { profile, options }: PlanContext<QdrantReader>,
): readonly Problem[] {
  if (options.qdrantMode === 'payload' || !isCopiedWhole({ facts, move }, profile)) return [];
  return [
    {
      stage: 'qdrant',
      code: 'unsupported',
      message: `${facts.name} is to be copied to a new name, and its point ids are made from "${move.source}": not both at once`,
      fix: 'give it the new name as an alias (--collection-mode alias), or keep the ids (--qdrant-mode payload)',
    },
  ];
}

interface Source {
  /** The sample. */
  readonly points: readonly PointContent[];
  /** Some of them may hold an array instead of the id. */
  readonly mayHoldArrays: boolean;
  readonly otherSpellings: OtherSpellings;
  /** Where all of the ids were judged. */
  readonly pass?: SourcePass;
}

/** Reads the sample of the source, and in the same pass over its ids which of them derive from it. */
async function readSource(ends: CollectionEnds, ctx: PlanContext<QdrantReader>): Promise<Source> {
  const { facts, move, ...form } = ends;
  const collection = facts.name;
  const field = ctx.profile.qdrantField;
  const match = matchOf(field, move.source, form);
  const comparesWider = facts.indexes.get(field)?.type === 'uuid';
  if (ctx.options.verify === 'counts' && !comparesWider) {
    // Without asking for arrays only those of two or more are found; the pass over all ids is what was waived.
    const asked = mayAskForArrays(facts) ? { inArrays: true } : { severalValues: true };
    const count = await ctx.store.count({ collection, match, ...asked });
    const points = await firstPoints({ facts, ...form }, move.source, ctx);
    return { points, mayHoldArrays: count > 0, otherSpellings: NO_OTHERS };
  }
  const newIds = newIdsFor(newIdsOf(ctx.profile, ctx.options.qdrantMode), ends, ctx.profile);
  const { shardKeys, limits } = facts;
  const pass = newIds && mayJudgeAll(ends, field) ? await passOverSource(ends, newIds, ctx) : undefined;
  const found = pass ?? (await enumerateTenant(ctx, { collection, shardKeys, match, pageSize: idPageSize(limits) }));
  const { sampleIds, arrays, otherSpellings } = found;
  const ids = shardKeys.length > 1 ? await standingOnce(sampleIds, collection, ctx) : sampleIds;
  return {
    points: await readPoints(ctx.store, collection, splitSample(ids)),
    mayHoldArrays: arrays.length > 0,
    otherSpellings,
    ...(pass === undefined ? {} : { pass }),
  };
}

/** Those of the ids that name one point only: of one in several shards nobody can say which is read. */
async function standingOnce(
  ids: readonly string[],
  collection: string,
  { store }: PlanContext<QdrantReader>,
): Promise<readonly string[]> {
  if (ids.length === 0 || (await store.count({ collection, ids })) <= ids.length) return ids;
  const once: string[] = [];
  for (const id of ids) if ((await store.count({ collection, ids: [id] })) === 1) once.push(id);
  return once;
}

function arrayLook({ facts, move, ...form }: CollectionEnds, ctx: PlanContext<QdrantReader>): Promise<ArrayLook> {
  const match = matchOf(ctx.profile.qdrantField, move.source, form);
  return lookAtArrays({ facts, match }, tokenOf(move.target, form), ctx);
}

async function firstPoints(
  { facts, ...form }: Pick<CollectionEnds, 'facts' | 'number'>,
  tenant: string,
  ctx: PlanContext<QdrantReader>,
): Promise<readonly PointContent[]> {
  const match = matchOf(ctx.profile.qdrantField, tenant, form);
  const pageSize = Math.min(ID_SAMPLE, idPageSize(facts.limits));
  for await (const ids of ctx.store.scrollIds({ collection: facts.name, match, pageSize })) {
    return readPoints(ctx.store, facts.name, { withVectors: [], without: ids });
  }
  return [];
}

/** What holds both counts as the source's alone. */
async function contentSums(
  ends: CollectionEnds,
  how: {
    readonly look: Look;
    readonly newIds: NewIds | undefined;
    readonly someHoldBoth: boolean;
    /** Sees every point that may be copied. */
    readonly largest: LargestPoint;
  },
  ctx: PlanContext<QdrantReader>,
): Promise<{ readonly source: string; readonly target: string }> {
  const { facts, move, ...form } = ends;
  const { shardKeys } = facts;
  const field = ctx.profile.qdrantField;
  const of = tenantField(knownPath(field), move, form);
  const match = { source: matchOf(field, move.source, form), target: matchOf(field, move.target, form) };
  const sumOf = async (end: Pick<SumRequest, 'match' | 'also' | 'idOf'>): Promise<string> => {
    return (
      await contentSum(ctx, { collection: facts.name, shardKeys, ...end, maxPage: idPageSize(facts.limits) }, of)
    ).hex();
  };
  if (how.newIds !== undefined) return sumsWithNewIds(ends, { ...how, newIds: how.newIds, match, sumOf });
  const source = await sumOf({ match: match.source });
  if (form.number === true && !couldBeNumber(move.target)) return { source, target: '0' };
  const target = await sumOf({ match: match.target });
  if (!how.someHoldBoth) return { source, target };
  return { source, target: sumWithout(target, await sumOf({ match: match.source, also: match.target })) };
}

interface SumsWithNewIds {
  readonly look: Look;
  readonly newIds: NewIds;
  readonly largest: LargestPoint;
  readonly match: { readonly source: FieldMatch; readonly target: FieldMatch };
  readonly sumOf: (end: Pick<SumRequest, 'match' | 'also' | 'idOf'>) => Promise<string>;
}

/** What a copy will add counts under its new id, at the source's side; one that stands already counts at the target's. */
async function sumsWithNewIds(
  { move, target }: CollectionEnds,
  { look, newIds, largest, match, sumOf }: SumsWithNewIds,
): Promise<{ readonly source: string; readonly target: string }> {
  const pairOf = (point: PointContent) => {
    const pair = newIds.pairOfContent(point, move);
    if (pair !== undefined) largest.see(point);
    return pair;
  };
  const copies = (point: PointContent): string | undefined => {
    const to = pairOf(point)?.to;
    return to === undefined || look.taken.has(to) ? undefined : to;
  };
  const source = await sumOf({
    match: match.source,
    idOf: (point) => (pairOf(point) === undefined ? point.id : copies(point)),
  });
  const repaired = (look.plan?.repair ?? 0) > 0;
  const there = await sumOf({
    match: match.target,
    ...(repaired ? { idOf: (point: PointContent) => (pairOf(point) === undefined ? point.id : undefined) } : {}),
  });
  if (!repaired || target === 0) return { source, target: there };
  const repairs = await sumOf({ match: match.target, idOf: copies });
  return { source: addedSums([source, repairs]), target: there };
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
        `${facts.name}: ${grouped(found.count)} of ${grouped(points.length)} sampled point ids are ${found.scheme.name} ids made from ` +
        `"${move.source}": ${where} the application will not find these points by id, ` +
        'and writing the same records again doubles them (without --qdrant-mode payload they get new ids)',
      where: facts.name,
      count: found.count,
    },
  ];
}

function settingNotices({ facts, move, source, number }: CollectionEnds, field: string): readonly Finding[] {
  const notice = (kind: string, message: string): Finding => ({
    stage: 'qdrant',
    kind,
    severity: 'notice',
    message: `${facts.name}: ${message}`,
    where: facts.name,
  });
  const notices: Finding[] = [];
  const index = facts.indexes.get(field);
  const fitting = number === true ? 'integer' : 'keyword';
  if (index === undefined)
    notices.push(
      notice(
        'index-created',
        `an index on ${field} will be made (${number === true ? 'integer' : 'keyword, is_tenant'})`,
      ),
    );
  else if (index.type !== fitting) {
    const served = serves(index, { value: move.target, ...(number === true ? { number } : {}) });
    const lost = served ? '' : `, and does not hold "${move.target}": a filter for it will read all points`;
    notices.push(notice('index-type', `the index on ${field} is of type ${index.type} and stays${lost}`));
  }
  if (facts.limits.maxPayloadBytes !== undefined) {
    const text = `strict mode limits the bytes of all payloads (max_collection_payload_size_bytes): whether that is reached is tried before the first write`;
    notices.push(notice('payload-limit', text));
  }
  if (facts.preventUnoptimized) {
    const text = `prevent_unoptimized is on: moved points stay hidden until the optimizer has indexed them`;
    notices.push({ ...notice('prevent-unoptimized', text), count: source });
  }
  return notices;
}

/** What the operator should know of how the tenant stands in its field. */
function formNotices(
  { facts, move, source, number }: CollectionEnds,
  arrays: Arrays | undefined,
  field: string,
): readonly Finding[] {
  const notice = (kind: string, count: number, message: string): Finding => {
    return {
      stage: 'qdrant',
      kind,
      severity: 'notice',
      message: `${facts.name}: ${message}`,
      where: facts.name,
      count,
    };
  };
  const notices: Finding[] = [];
  if (number === true)
    notices.push(
      notice(
        'number-value',
        source,
        `${field} of ${grouped(source)} points is the number ${move.source}, not the text "${move.source}"`,
      ),
    );
  if (arrays !== undefined) {
    const both = arrays.both === 0 ? '' : `; ${arrays.both} hold "${move.target}" too and keep one entry`;
    const text = `${field} of ${grouped(arrays.count)} points is an array that holds "${move.source}": that element alone is replaced${both}`;
    notices.push(notice('array-value', arrays.count, text));
  }
  return notices;
}

/** A number can become a number only: a filter for numbers would no longer find the points. */
function targetProblem({ facts, move, source, number }: CollectionEnds, field: string): readonly Problem[] {
  if (number !== true || couldBeNumber(move.target)) return [];
  return [
    {
      stage: 'qdrant',
      code: 'number-value',
      message: `${facts.name}: ${field} of ${grouped(source)} points is the number ${move.source}, and "${move.target}" is none`,
      fix: 'give a target that is a whole number, or leave this store out with --skip-qdrant',
    },
  ];
}

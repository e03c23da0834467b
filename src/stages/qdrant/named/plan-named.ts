import { grouped } from '../../../model/grouped.ts';
import { canonicalJson, type Json } from '../../../model/json.ts';
import type { Move } from '../../../model/move.ts';
import { parseNameTemplate } from '../../../model/name-template.ts';
import { knownPath } from '../../../model/payload-path.ts';
import { idOfPoint } from '../../../model/point-text.ts';
import { Reservoir } from '../../../model/reservoir.ts';
import type { CollectionFacts } from '../../../stores/qdrant/collection-facts.ts';
import type { Alias, QdrantReader } from '../../../stores/qdrant/qdrant-reader.ts';
import type { Finding, MoveCounts, PlanContext, Problem, ShapeCount } from '../../stage.ts';
import { contentSum, readPoints, sampledPoint, splitSample } from '../content.ts';
import { AS_NUMBER, AS_TEXT, couldBeNumber, type TenantField, tenantField, tokenOf } from '../field-forms.ts';
import { KEEP_NAME, LargestPoint } from '../largest-point.ts';
import { idPageSize } from '../page-sizes.ts';
import type { SampledPoint } from '../qdrant-plan.ts';
import type { Surveyed } from '../survey.ts';
import { aliasTaken, difficultNames, nameProblems, otherNames, problem, unclaimedProblem } from './name-findings.ts';
import type { NamedAlias, NamedCollection, NamedPlan } from './named-plan.ts';
import { namesOf } from './names.ts';
import { sameButForTenant } from './same-content.ts';

/** Points a second that are read, inserted, read back and compared; a guess below what a local server does. */
const COPY_RATE = 3_000;
/** What an undo log holds of a copied point, at most, and of a collection. */
const UNDO_BYTES = { point: 50, collection: 20_000 };
const COMPARED_AT_ONCE = 100;
/** Points of a collection that are compared. */
const NAMED_SAMPLE = 200;

/** What names tell of the moves. */
export interface PlannedNames {
  readonly named: NamedPlan;
  /** Records that belong to a move by name: points of whole collections, and aliases. */
  readonly counts: readonly MoveCounts[];
  /** Collections of which all points are counted there. */
  readonly whole: ReadonlySet<string>;
  readonly shapes: readonly ShapeCount[];
  readonly notices: readonly Finding[];
  readonly problems: readonly Problem[];
  readonly undoBytes: number;
  readonly estimateMs: number;
  readonly basis: Json;
}

export interface World {
  readonly facts: ReadonlyMap<string, CollectionFacts>;
  readonly surveyed: readonly Surveyed[];
  readonly aliases: readonly Alias[];
  readonly ctx: PlanContext<QdrantReader>;
}

interface Tally {
  readonly collections: NamedCollection[];
  readonly aliases: NamedAlias[];
  readonly whole: Set<string>;
  readonly notices: Finding[];
  readonly problems: Problem[];
}

/** Looks at the names of all collections and aliases. Reads points only where a name belongs to a source. */
export async function planNamed(
  moves: readonly Move[],
  surveyed: readonly Surveyed[],
  ctx: PlanContext<QdrantReader>,
): Promise<PlannedNames> {
  const aliases = await ctx.store.aliases();
  const facts = new Map(surveyed.map((one) => [one.facts.name, one.facts]));
  const world: World = { facts, surveyed, aliases, ctx };
  const tally: Tally = { collections: [], aliases: [], whole: new Set(), notices: [], problems: [] };
  const counts: MoveCounts[] = [];
  for (const move of moves) counts.push(await planMove(move, world, tally));
  const named = { collections: tally.collections, aliases: tally.aliases };
  const copied = named.collections.filter(({ mode }) => mode === 'copy');
  const points = copied.reduce((sum, one) => sum + one.points, 0);
  return {
    named,
    counts,
    whole: tally.whole,
    shapes: [
      ...named.collections.map(({ from, to, mode, points: count }) => ({
        from: `collection ${from}`,
        to: mode === 'copy' ? `collection ${to}` : `alias ${to} of it`,
        count,
      })),
      ...named.aliases.map(({ from, to }) => ({ from: `alias ${from}`, to: `alias ${to}`, count: 1 })),
    ],
    notices: tally.notices,
    problems: tally.problems,
    undoBytes: points * UNDO_BYTES.point + (copied.length + named.aliases.length) * UNDO_BYTES.collection,
    estimateMs: Math.round((points / COPY_RATE) * 1_000),
    basis: [
      ...named.collections.map(({ from, to, mode }) => [from, to, mode]),
      ...named.aliases.map(({ from, to }) => [from, to]),
    ],
  };
}

async function planMove(move: Move, world: World, tally: Tally): Promise<MoveCounts> {
  const { facts, aliases, ctx } = world;
  const templates = ctx.profile.collectionTemplates.map(parseNameTemplate);
  const ofCollections = namesOf([...facts.keys()], templates, move);
  const ofAliases = namesOf(
    aliases.map(({ alias }) => alias),
    templates,
    move,
  );
  let [found, atTarget] = [0, 0];
  for (const { from, to } of ofCollections.claimed) {
    const own = await planCollection({ move, from, to }, world, tally);
    found += own.found;
    atTarget += own.atTarget;
  }
  const copies = new Map(
    tally.collections.flatMap(({ from, to, mode }) => (mode === 'copy' ? [[from, to] as const] : [])),
  );
  for (const { from, to } of ofAliases.claimed) {
    const { collection = '' } = aliases.find(({ alias }) => alias === from) ?? {};
    const later = copies.get(collection) ?? collection;
    tally.aliases.push({ move, from, to, collection: later });
    tally.problems.push(...nameProblems(to), ...aliasTaken({ from, to, standsFor: [collection, later] }, world));
    found += 1;
  }
  for (const name of ofCollections.targets) {
    tally.whole.add(name);
    const left = leftIn(name, move, world);
    found += left;
    atTarget += (await ctx.store.count({ collection: name })) - left;
  }
  const second = new Set(tally.collections.flatMap(({ to, mode }) => (mode === 'alias' ? [to] : [])));
  atTarget += ofAliases.targets.filter((name) => !second.has(name)).length;
  tally.notices.push(...otherNames(ofCollections, ofAliases));
  tally.problems.push(
    ...difficultNames([...ofCollections.ambiguous, ...ofAliases.ambiguous]),
    ...unclaimedProblem([...ofCollections.unclaimed, ...ofAliases.unclaimed], ctx),
  );
  return { source: move.source, target: move.target, found, atTarget };
}

interface NamedPair {
  readonly move: Move;
  readonly from: string;
  readonly to: string;
}

async function planCollection(
  pair: NamedPair,
  world: World,
  tally: Tally,
): Promise<Omit<MoveCounts, 'source' | 'target'>> {
  const { move, from, to } = pair;
  const { facts, aliases, ctx } = world;
  const own = facts.get(from);
  if (own === undefined) return { found: 0, atTarget: 0 };
  tally.whole.add(from);
  const mode = ctx.profile.collectionMode;
  const points = await ctx.store.count({ collection: from });
  const others = mode === 'copy' ? await lookAtTarget(pair, own, world, tally) : 0;
  tally.problems.push(...nameProblems(to), ...(mode === 'copy' ? copyProblems(own, points) : []));
  tally.problems.push(...aliasTaken({ from, to, standsFor: mode === 'alias' ? [from] : [] }, world));
  tally.notices.push(costNotice({ from, to, mode, points }, own));
  const of = contentField(move, ctx);
  const largest = new LargestPoint();
  tally.collections.push({
    ...{ move, from, to, mode, points, others },
    aliases: aliases.filter(({ collection }) => collection === from).map(({ alias }) => alias),
    sample: ctx.options.verify === 'counts' ? [] : await sampleOf(own, of, ctx, largest),
    ...(ctx.options.verify === 'full' && others === 0 ? { sum: await sumOf(own, of, ctx) } : {}),
  });
  if (mode === 'copy') tally.problems.push(...(await largest.problem(from, KEEP_NAME, ctx)));
  const hasSecondName =
    mode === 'alias' && aliases.some(({ alias, collection }) => alias === to && collection === from);
  const found = hasSecondName ? leftIn(from, move, world) : points;
  return { found, atTarget: points - found };
}

/** Points of a collection whose field still says that they are the source's. */
function leftIn(name: string, move: Move, { surveyed }: World): number {
  const counts = surveyed.find(({ facts }) => facts.name === name)?.counts ?? [];
  return counts.filter((one) => one.move === move).reduce((sum, { source }) => sum + source, 0);
}

/** The field that a move changes in such a collection, too: left out of comparisons. */
export function contentField(move: Move, { profile }: Pick<PlanContext<QdrantReader>, 'profile'>): TenantField {
  const field = tenantField(knownPath(profile.qdrantField), move, AS_TEXT);
  // One collection may hold the id as text and as a number.
  const numbers = couldBeNumber(move.source) && couldBeNumber(move.target);
  return numbers ? { ...field, also: [tokenOf(move.source, AS_NUMBER), tokenOf(move.target, AS_NUMBER)] } : field;
}

/** Compares what stands under the new name already; resolves to the points that the old name does not have. */
async function lookAtTarget(
  { move, from, to }: NamedPair,
  own: CollectionFacts,
  { facts, ctx }: World,
  tally: Tally,
): Promise<number> {
  const there = facts.get(to);
  if (there === undefined) return 0;
  if (canonicalJson(there.config) !== canonicalJson(own.config)) {
    const message = `collection ${to} exists, and its configuration is another than that of ${from}`;
    tally.problems.push(problem('conflict', message, `delete ${to} if it is not needed, or configure it alike`));
    return 0;
  }
  const { merge, continuing } = ctx.options;
  const count = await ctx.store.count({ collection: to });
  if (count > 0 && !merge && !continuing) {
    const message = `collection ${to} exists and holds ${grouped(count)} points`;
    tally.problems.push(problem('both-have-data', message, 'if they belong together, run again with --merge'));
    return 0;
  }
  const { others, taken } = await compareAll({ from, to, limits: own.limits }, contentField(move, ctx), ctx);
  if (taken.length > 0) {
    const message = `${grouped(taken.length)} points stand in both ${from} and ${to} and differ (${taken.slice(0, 5).join(', ')})`;
    tally.problems.push(problem('conflict', message, `make them equal, or delete those in ${to}`));
  }
  return others;
}

async function compareAll(
  { from, to, limits }: { readonly from: string; readonly to: string; readonly limits: CollectionFacts['limits'] },
  field: TenantField,
  ctx: PlanContext<QdrantReader>,
): Promise<{ readonly others: number; readonly taken: readonly string[] }> {
  let others = 0;
  const taken: string[] = [];
  const pageSize = Math.min(COMPARED_AT_ONCE, limits.maxQueryLimit ?? COMPARED_AT_ONCE);
  for await (const page of ctx.store.scrollTexts({ collection: to, pageSize })) {
    ctx.signal.throwIfAborted();
    const old = new Map((await ctx.store.retrieveTexts(from, page.map(idOfPoint))).map((one) => [idOfPoint(one), one]));
    for (const point of page) {
      const same = old.get(idOfPoint(point));
      if (same === undefined) others += 1;
      else if (!sameButForTenant(same, point, field)) taken.push(idOfPoint(point));
    }
  }
  return { others, taken };
}

async function sampleOf(
  { name, limits }: CollectionFacts,
  field: TenantField,
  ctx: PlanContext<QdrantReader>,
  largest: LargestPoint,
): Promise<readonly SampledPoint[]> {
  const sample = new Reservoir<string>(NAMED_SAMPLE, ctx.options.seed);
  for await (const ids of ctx.store.scrollIds({ collection: name, pageSize: idPageSize(limits) })) {
    ctx.signal.throwIfAborted();
    for (const id of ids) sample.offer(id);
  }
  const points = await readPoints(ctx.store, name, splitSample(sample.items));
  for (const point of points) largest.see(point);
  return points.map((point) => sampledPoint(point, field));
}

async function sumOf(
  { name, limits }: CollectionFacts,
  field: TenantField,
  ctx: PlanContext<QdrantReader>,
): Promise<string> {
  return (await contentSum(ctx, { collection: name, maxPage: idPageSize(limits) }, field)).hex();
}

function copyProblems(facts: CollectionFacts, points: number): readonly Problem[] {
  const { name, customSharding } = facts;
  if (!customSharding) return limitProblems(facts, points);
  const message = `collection ${name} places its points by shard keys of the application: such a collection is not copied`;
  return [problem('unsupported', message, KEEP_NAME)];
}

/** The copy gets the same strict mode, which may have been set when the collection had more than it allows. */
function limitProblems({ name, limits, indexes, config }: CollectionFacts, points: number): readonly Problem[] {
  const { maxIndexes, maxPoints, maxVectorBytes, upsertMaxBatch } = limits;
  const held: readonly (readonly [setting: string, most: number | undefined, needed: number])[] = [
    ['max_payload_index_count', maxIndexes, indexes.size],
    ['max_points_count', maxPoints, points],
    ['max_collection_vector_size_bytes', maxVectorBytes, points * dimensionsOf(config) * 4],
    ['upsert_max_batchsize', upsertMaxBatch, 1],
  ];
  return held.flatMap(([setting, most, needed]) => {
    if (most === undefined || needed <= most) return [];
    const message = `strict mode of ${name} says ${setting}: ${grouped(most)}, and a copy needs ${grouped(needed)}`;
    return [problem('strict-limit', message, `raise ${setting} of ${name} for the time of the move, or ${KEEP_NAME}`)];
  });
}

function costNotice(
  { from, to, mode, points }: Pick<NamedCollection, 'from' | 'to' | 'mode' | 'points'>,
  { config }: CollectionFacts,
): Finding {
  const text =
    mode === 'alias'
      ? `collection ${from} gets ${to} as a second name, an alias: nothing is copied, and ${from} stays its own name`
      : `collection ${from} is copied to ${to} with its vectors${sizeText(points, config)}: the server needs room for both, until ${from} is deleted at the end`;
  return { stage: 'qdrant', kind: 'named-collection', severity: 'notice', message: text, where: from, count: points };
}

/** What the dense vectors of one size take, as far as the configuration tells. */
function sizeText(points: number, config: Json): string {
  const floats = dimensionsOf(config);
  return floats === 0 ? '' : `, about ${Math.ceil((points * floats * 4) / 1_000_000).toLocaleString('en')} MB of them`;
}

/** Numbers in all dense vectors of a point. */
function dimensionsOf(config: Json): number {
  const { vectors } = (config as { readonly params?: { readonly vectors?: Json } }).params ?? {};
  const all = (vectors ?? {}) as Readonly<Record<string, unknown>>;
  const sizes = typeof all.size === 'number' ? [all] : Object.values(all);
  return sizes.reduce<number>((sum, one) => sum + Number((one as { readonly size?: number }).size ?? 0), 0);
}

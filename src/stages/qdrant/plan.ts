import pMap from 'p-map';
import type { Json } from '../../model/json.ts';
import type { Move } from '../../model/move.ts';
import type { CollectionFacts } from '../../stores/qdrant/collection-facts.ts';
import type { QdrantReader } from '../../stores/qdrant/qdrant-reader.ts';
import type { MoveCounts, PlanContext, Problem, ShapeCount } from '../stage.ts';
import { sameForIndex } from './index-equality.ts';
import { type CollectionEnds, type Inspected, inspect } from './inspect.ts';
import { lookAlikes } from './look-alikes.ts';
import { planNamed } from './named/plan-named.ts';
import { writeBatchSize } from './page-sizes.ts';
import type { CollectionPlan, QdrantPlan, ReIdPlan } from './qdrant-plan.ts';
import { shapesOf } from './re-id/tell-plan.ts';
import { planShards } from './shards/plan-shards.ts';
import { besideCopies, type ShardCopy } from './shards/shard-copy.ts';
import { type Surveyed, survey } from './survey.ts';
import { undoBytes } from './undo-bytes.ts';

const INSPECTED_AT_ONCE = 4;
/** Points a second that one server sets beside the round trips; measured at 116,000 to 154,000 with guarded batches. */
const SET_RATE = 100_000;
/** Bytes of points a second, as text, that one server reads or writes; a loopback does more, a tunnel less. */
const COPY_RATE = 50_000_000;

/** Counts both ends in every collection and reads what verify will compare. */
export async function plan(moves: readonly Move[], whole: PlanContext<QdrantReader>): Promise<QdrantPlan> {
  const started = whole.clock.now();
  const version = await whole.store.version();
  const roundTripMs = Math.max(1, whole.clock.now() - started);
  const { ctx, surveyed, shards } = await surveyShards(moves, whole);
  const ends = surveyed.flatMap(({ facts, counts }) => (counts ?? []).map((count) => ({ ...count, facts })));
  const inspected = await pMap(
    ends.filter(({ source, target }) => source > 0 || target > 0),
    async (one) => ({ ...(await inspect(one, ctx)), ends: one }),
    { concurrency: INSPECTED_AT_ONCE },
  );
  const collections = inspected.flatMap(({ plan }) => plan ?? []);
  const facts = surveyed.map((one) => one.facts);
  const names = await planNamed(moves, surveyed, ctx);
  // All points of a collection that is the tenant's as a whole are counted by that.
  const shared = inspected.filter(({ ends: { facts: one } }) => !names.whole.has(one.name));
  return {
    stage: 'qdrant',
    unit: 'points',
    field: ctx.profile.qdrantField,
    mode: ctx.options.qdrantMode,
    moves: moves.map((move, at) => added(withLate(moveCounts(move, shared), shards.copies), names.counts[at])),
    collections,
    named: names.named,
    ...(shards.copies.length === 0 ? {} : { shards: shards.copies }),
    shapes: [...collections.flatMap((part) => shapesOfPart(part, ctx.profile.qdrantField)), ...names.shapes],
    conflicts: inspected.reduce((sum, { conflicts }) => sum + conflicts, 0),
    notices: [
      ...names.notices,
      ...shards.notices,
      ...inspected.flatMap(({ notices }) => notices),
      ...(await lookAlikes(moves, facts, ctx)),
    ],
    problems: [
      ...surveyed.flatMap((one) => uncountable(one, ctx.profile.qdrantField)),
      ...inspected.flatMap(({ problems }) => problems),
      ...moves.flatMap((move) => bothHaveData(move, shared, shards.copies, ctx)),
      ...shards.problems,
      ...names.problems,
    ],
    estimateMs: estimate(collections, facts, roundTripMs, ctx.options.batchSize) + names.estimateMs + shards.estimateMs,
    undoBytes:
      undoBytes(collections, facts, { field: ctx.profile.qdrantField, batchSize: ctx.options.batchSize }) +
      inspected.reduce((sum, { arrayBytes }) => sum + (arrayBytes ?? 0), 0) +
      names.undoBytes +
      shards.undoBytes,
    basis: basis(version, collections, { facts, names: names.basis }, ctx),
  };
}

/** Points with the id alone, and points with it in an array. */
function shapesOfPart(part: CollectionPlan, field: string): readonly ShapeCount[] {
  const { move, collection, source, number, arrays } = part;
  if (number !== true && arrays === undefined) return shapesOf(part, field);
  const type = number === true ? ' (number)' : '';
  const single = { from: `${collection}  ${field}=${move.source}${type}`, to: `${field}=${move.target}` };
  const inArray = { from: `${collection}  ${field}=[… ${move.source} …]${type}`, to: `${field}=[… ${move.target} …]` };
  return [
    { ...single, count: source - (arrays?.count ?? 0) },
    { ...inArray, count: arrays?.count ?? 0 },
  ].filter(({ count }) => count > 0);
}

/** Both ends in every collection, each point once: shards that are copies already are left out. */
async function surveyShards(moves: readonly Move[], whole: PlanContext<QdrantReader>) {
  const all = await survey(moves, whole);
  const shards = await planShards(
    moves,
    all.map(({ facts }) => facts),
    whole,
  );
  const store = await besideCopies(shards.copies, whole.store);
  const ctx = { ...whole, store };
  return { ctx, shards, surveyed: store === whole.store ? all : await survey(moves, ctx) };
}

/** A point that holds the target in a shard of the source is the source's still. */
function withLate(counts: MoveCounts, copies: readonly ShardCopy[]): MoveCounts {
  const late = copies
    .filter(({ move }) => move.source === counts.source && move.target === counts.target)
    .reduce((sum, copy) => sum + copy.late, 0);
  return { ...counts, found: counts.found + late, atTarget: counts.atTarget - late };
}

function added(counts: MoveCounts, named: MoveCounts | undefined): MoveCounts {
  const { found, atTarget } = named ?? { found: 0, atTarget: 0 };
  return { ...counts, found: counts.found + found, atTarget: counts.atTarget + atTarget };
}

interface InspectedEnds extends Inspected {
  readonly ends: CollectionEnds;
}

/** A point that was moved without its new id is the source's still; a copy beside its old point counts once. */
function moveCounts(move: Move, inspected: readonly InspectedEnds[]): MoveCounts {
  const own = inspected.filter(({ ends }) => ends.move === move);
  return {
    source: move.source,
    target: move.target,
    found: own.reduce((sum, { ends, plan }) => sum + ends.source + (plan?.reId?.repair ?? 0), 0),
    atTarget: own.reduce((sum, { atTarget }) => sum + atTarget, 0),
  };
}

function uncountable({ facts, counts }: Surveyed, field: string): readonly Problem[] {
  if (counts !== undefined) return [];
  const type = facts.indexes.get(field)?.type;
  const why = type === undefined ? 'without an index' : `by an index of type ${type}`;
  return [
    {
      stage: 'qdrant',
      code: 'index-required',
      message:
        `strict mode of collection ${facts.name} refuses to filter by ${field} ${why}: ` +
        'its points can be neither counted nor moved',
      fix: `make a keyword index on ${field} in ${facts.name}, or leave this store out with --skip-qdrant`,
    },
  ];
}

/** Refused for the store as a whole: a target with points in another collection has data of its own all the same. */
function bothHaveData(
  move: Move,
  inspected: readonly InspectedEnds[],
  copies: readonly ShardCopy[],
  { options, store, profile }: PlanContext<QdrantReader>,
): readonly Problem[] {
  const own = inspected
    .map(({ ends }) => ends)
    .filter((end) => end.move === move && sameForIndex(end, profile.qdrantField).length === 0);
  const found = own.reduce((sum, { source }) => sum + source, 0);
  const { atTarget } = withLate(moveCounts(move, inspected), copies);
  if (options.merge || options.continuing || found === 0 || atTarget === 0) return [];
  const each = own.map(({ facts, source, target }) => `${facts.name}: ${source} and ${target}`).join('; ');
  return [
    {
      stage: 'qdrant',
      code: 'both-have-data',
      message: `Qdrant at ${store.url} holds points of both "${move.source}" and "${move.target}" (${each})`,
      fix: 'if they belong together, run again with --merge: what is moved can then still be told from what was there',
    },
  ];
}

function estimate(
  collections: readonly CollectionPlan[],
  facts: readonly CollectionFacts[],
  roundTripMs: number,
  batchSize: number | undefined,
): number {
  const limits = new Map(facts.map((one) => [one.name, one.limits]));
  return collections.reduce((sum, { collection, source, reId }) => {
    const own = limits.get(collection);
    if (own === undefined) return sum;
    const batches = Math.ceil(source / writeBatchSize(own, batchSize));
    const waiting = own.writeRateLimit === undefined ? 0 : (source / own.writeRateLimit) * 60_000;
    const setting = (batches + 2) * roundTripMs + ((source - (reId?.points ?? 0)) / SET_RATE) * 1_000;
    return sum + Math.round(Math.max(waiting, setting)) + copyingMs(reId);
  }, 0);
}

/** Each copied point is read, written and read back, and its old one read once more before that is deleted. */
function copyingMs(reId: ReIdPlan | undefined): number {
  if (reId === undefined) return 0;
  return Math.round(((reId.points + reId.repair) * 4 * reId.textBytes * 1_000) / COPY_RATE);
}

function basis(
  version: string,
  collections: readonly CollectionPlan[],
  { facts, names }: { readonly facts: readonly CollectionFacts[]; readonly names: Json },
  { profile, options }: PlanContext<QdrantReader>,
): Json {
  const moved = new Set(collections.map(({ collection }) => collection));
  return {
    version,
    names,
    mode: options.qdrantMode,
    pointIds: profile.pointIdSchemes as unknown as Json,
    collections: facts
      .filter(({ name }) => moved.has(name))
      .map(({ name, config, indexes }) => ({
        name,
        config,
        indexes: [...indexes].map(([field, { type, params }]) => ({ field, type, params })),
      })),
  };
}

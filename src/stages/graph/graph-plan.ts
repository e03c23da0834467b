import { grouped } from '../../model/grouped.ts';
import { labelsAfter } from '../../model/labels-after.ts';
import { type Move, moveText } from '../../model/move.ts';
import type {
  ContentSum,
  GraphNode,
  GraphReader,
  LabelCount,
  RelationshipCount,
  SampledNode,
} from '../../stores/graph/graph-store.ts';
import type { SchemaItem } from '../../stores/graph/schema-reading.ts';
import type { GraphMove } from '../../stores/graph/statements.ts';
import type { Finding, PlanContext, Problem, ShapeCount, StagePlan } from '../stage.ts';
import { clashNotices, clashProblems, ruleBreaks } from './clashes.ts';
import { graphMoveOf } from './graph-move.ts';
import { lookAlikes, propertyNotices, surroundingNotices } from './notices.ts';
import { planSchema, type SchemaStep, signatureOf } from './schema-plan.ts';

/** What the graph stage would do, and what must stand afterwards. */
export interface GraphPlan extends StagePlan {
  readonly stage: 'graph';
  readonly server: { readonly dialect: string; readonly version: string };
  /** One entry for each of `moves`, in the same order. */
  readonly expected: readonly GraphExpectation[];
  /** Indexes and constraints, for each of `moves`. Absent in plans of versions that left them. */
  readonly schema?: readonly (readonly SchemaStep[])[];
  /** Relationship types are named after a tenant. */
  readonly hasTypes?: boolean;
}

/**
 * What must stand under the target when a move is done: the source's nodes and those that stood there before. Moving a
 * part of them changes none of it.
 */
export interface GraphExpectation extends GraphMove {
  /** Nodes that carry a label of either end. */
  readonly nodes: number;
  /** Nodes that are either end's by a property alone. */
  readonly bare?: number;
  /** Relationships of the type named after either end. */
  readonly typed?: number;
  /** Those of them that were the target's before. */
  readonly typedAtTarget?: number;
  /** Nodes that carry both labels now. */
  readonly both: number;
  readonly combinations: readonly LabelCount[];
  readonly relationships: readonly RelationshipCount[];
  /** A seeded sample of the source's nodes, with their labels as they shall be; empty with `--verify counts`. */
  readonly sample: readonly GraphNode[];
  /** With `--verify full`. */
  readonly sums?: readonly ContentSum[] | undefined;
}

/** Nodes in the sample of a move. */
const SAMPLE_SIZE = 200;
/** Nodes in a batch or page, roughly. */
const PAGE = 10_000;
/** An id in the undo log with its quotes and comma: Neo4j's has a UUID and a number in it, others are a number. */
const ID_BYTES = { elementId: 60, id: 24 };
/** A batch's entry without ids and tenants. */
const ENTRY_BYTES = 100;
/** A relationship's properties, a guess; an index's statement with its signature. */
const RELATIONSHIP_BYTES = 500;
const STEP_BYTES = 1_000;
/** Nodes whose ids are read to learn the speed. */
const PROBE_SIZE = 5_000;
/** Writing a label costs about three times as much as reading an id (measured on Neo4j 5.26). */
const WRITE_FACTOR = 3;

/** Reads what the moves would do. */
export async function planGraph(moves: readonly Move[], ctx: PlanContext<GraphReader>): Promise<GraphPlan> {
  const { store } = ctx;
  const schema = await store.schema();
  const surroundings = await store.surroundings();
  const plans: MovePlan[] = [];
  for (const move of moves) {
    ctx.signal.throwIfAborted();
    plans.push(await planMove(move, schema, ctx));
  }
  const { dialect, version } = store.server;
  const undoBytes = plans.reduce((sum, plan) => sum + plan.undoBytes, 0);
  const hasTypes = plans.some(({ expected }) => (expected.typed ?? 0) > 0);
  const labels = plans.map(({ expected }) => expected);
  // Nodes that were relabelled by hand, or by the guide, have left their indexes behind.
  const behind = plans.filter(({ found, atTarget }) => found === 0 && atTarget > 0);
  const mends = behind.reduce((sum, { steps }) => sum + steps.filter(({ shared }) => !shared).length, 0);
  return {
    stage: 'graph',
    unit: hasTypes ? 'nodes and relationships' : 'nodes',
    moves: plans.map(({ found, atTarget }, i) => ({ ...idsOf(moves[i]), found, atTarget })),
    shapes: plans.flatMap((plan) => plan.shapes),
    conflicts: plans.reduce((sum, { clashes }) => sum + clashes, 0),
    ...(mends > 0 ? { mends } : {}),
    notices: [
      ...plans.flatMap((plan) => plan.notices),
      ...(await lookAlikes(labels, store)),
      ...surroundingNotices(moves, labels, surroundings),
    ],
    problems: plans.flatMap((plan) => plan.problems),
    estimateMs: Math.round(plans.reduce((sum, plan) => sum + plan.estimateMs, 0)),
    ...(undoBytes > 0 ? { undoBytes } : {}),
    statements: plans.flatMap((plan) => plan.statements),
    basis: {
      dialect: dialect.name,
      version: version.split('.').slice(0, 2).join('.'),
      schema: schemaBasis(schema, labels),
    },
    server: { dialect: dialect.name, version },
    expected: plans.map((plan) => plan.expected),
    schema: plans.map((plan) => plan.steps),
    hasTypes,
  };
}

const idsOf = (move: Move | undefined): Move => ({ source: move?.source ?? '', target: move?.target ?? '' });

interface MovePlan {
  readonly expected: GraphExpectation;
  readonly found: number;
  readonly atTarget: number;
  readonly clashes: number;
  readonly shapes: readonly ShapeCount[];
  readonly notices: readonly Finding[];
  readonly problems: readonly Problem[];
  readonly estimateMs: number;
  readonly undoBytes: number;
  readonly steps: readonly SchemaStep[];
  readonly statements: readonly string[];
}

async function planMove(ids: Move, schema: readonly SchemaItem[], ctx: PlanContext<GraphReader>): Promise<MovePlan> {
  const { store } = ctx;
  const move = graphMoveOf(ids, ctx.profile);
  const here = await countsOf(move, store);
  const { labelled, targetOnly, both, bare, types } = here;
  const found = labelled + bare.source + types.source;
  const atTarget = targetOnly + bare.target + types.target;
  const ours = labelled === 0 ? [] : await store.combinations({ label: move.source });
  const theirs = targetOnly === 0 ? [] : await store.combinations({ label: move.target, without: move.source });
  const { steps, notices, problems } = planSchema({ move, ids, names: ctx.profile.graphIndexNames }, schema, store);
  const broken = labelled + bare.source === 0 ? [] : await ruleBreaks({ move, targetOnly, steps }, schema, store);
  const sample = await sampleOf(move, labelled + bare.source, ctx);
  const foreign = types.source > 0 && labelled + bare.source > 0 ? await store.foreignTyped(move) : 0;
  const nodes = labelled + bare.source;
  const expected: GraphExpectation = {
    ...move,
    nodes: labelled + targetOnly,
    both,
    bare: bare.source + bare.target,
    typed: types.source + types.target,
    typedAtTarget: types.target,
    combinations: summed([...ours, ...theirs].map((each) => ({ ...each, labels: labelsAfter(each.labels, move) }))),
    relationships: await relationshipsOf(move, { found: labelled, atTarget: targetOnly }, store),
    sample: sample.map(({ id, labels, content }) => ({ id, labels: labelsAfter(labels, move), content })),
    ...(ctx.options.verify === 'full' ? { sums: await store.sums(move, ctx.signal) } : {}),
  };
  return {
    expected,
    found,
    atTarget,
    clashes: broken.reduce((sum, { count }) => sum + count, 0),
    shapes: [...ours.map((each) => shapeOf(each, move)), ...otherShapes(move, here)],
    notices: [
      ...bothNotice(ids, both),
      ...notices,
      ...clashNotices(move, labelled, schema),
      ...(await propertyNotices({ move, ids, sample }, store)),
    ],
    problems: [
      ...dataProblem(ids, { found, atTarget }, ctx),
      ...clashProblems(ids, broken),
      ...foreignProblem(move, foreign),
      // Where there is nothing at all, indexes are nobody's concern.
      ...(found + atTarget > 0 ? problems : []),
    ],
    estimateMs: nodes === 0 ? 0 : await estimate(move.source, nodes, ctx),
    undoBytes: undoBytesOf(move, { found: nodes, both, types: types.source, steps: steps.length }, ctx),
    steps,
    statements: statementsOf(move, steps, store),
  };
}

interface Counts {
  /** Nodes with the source's label; with the target's and not the source's; with both. */
  readonly labelled: number;
  readonly targetOnly: number;
  readonly both: number;
  readonly bare: { readonly source: number; readonly target: number };
  readonly types: { readonly source: number; readonly target: number };
}

async function countsOf(move: GraphMove, store: GraphReader): Promise<Counts> {
  const { source, target } = move;
  const [labelled = 0, standing = 0, both = 0] = await store.counts([[source], [target], [source, target]]);
  const [from = 0, to = 0] = await store.typeCounts([source, target]);
  // Nodes with both labels are the source's: two statements in a row, one of which never ran, leave such.
  return {
    labelled,
    targetOnly: standing - both,
    both,
    bare: await store.bareCounts(move),
    types: { source: from, target: to },
  };
}

function otherShapes({ source, target, values }: GraphMove, { bare, types }: Counts): readonly ShapeCount[] {
  const held = (values?.names ?? []).join(' or ');
  const shapes = [
    { from: `(${held} = ${source})`, to: `(${held} = ${target})`, count: bare.source },
    { from: `-[:${source}]->`, to: `-[:${target}]->`, count: types.source },
  ];
  return shapes.filter(({ count }) => count > 0);
}

/** All that the run would send to write, in its order. */
function statementsOf(move: GraphMove, steps: readonly SchemaStep[], store: GraphReader): readonly string[] {
  return [
    ...steps.filter(({ exists }) => !exists).map(({ to }) => to.create),
    ...store.statements(move),
    ...steps.filter(({ shared }) => !shared).map(({ from }) => from.drop),
  ];
}

/** A type that other tenants use too cannot be the tenant's own. */
function foreignProblem({ source }: Move, foreign: number): readonly Problem[] {
  if (foreign === 0) return [];
  const message = `${grouped(foreign)} relationships of the type ${source} join nodes of others only, so that the type is not the tenant’s alone`;
  return [
    { stage: 'graph', code: 'foreign-relationships', message, fix: 'give those another type first, or --skip-graph' },
  ];
}

/** Every id once, those of nodes with both labels twice, and the tenants in each batch. */
function undoBytesOf(
  { source, target }: Move,
  { found, both, types, steps }: { found: number; both: number; types: number; steps: number },
  { store, options }: PlanContext<GraphReader>,
): number {
  if (found + types + steps === 0) return 0;
  const batches = Math.ceil(found / (options.batchSize ?? PAGE)) + 1;
  const tenants = Buffer.byteLength(JSON.stringify({ source, target }));
  const id = ID_BYTES[store.server.dialect.idFunction];
  const entries = batches * (ENTRY_BYTES + tenants) + steps * 2 * STEP_BYTES;
  return (found + both) * id + types * (5 * id + RELATIONSHIP_BYTES) + entries;
}

async function relationshipsOf(
  { source, target }: Move,
  { found, atTarget }: { found: number; atTarget: number },
  store: GraphReader,
): Promise<readonly RelationshipCount[]> {
  const ours = found === 0 ? [] : await store.relationships({ label: source });
  const theirs = atTarget === 0 ? [] : await store.relationships({ label: target, without: source });
  const merged = new Map<string, RelationshipCount>();
  for (const one of [...ours, ...theirs]) {
    const each = one.type === source ? { ...one, type: target } : one;
    const key = `${each.direction} ${each.type}`;
    merged.set(key, { ...each, count: each.count + (merged.get(key)?.count ?? 0) });
  }
  return [...merged.values()];
}

async function sampleOf(
  move: GraphMove,
  found: number,
  ctx: PlanContext<GraphReader>,
): Promise<readonly SampledNode[]> {
  if (ctx.options.verify === 'counts' || found === 0) return [];
  return ctx.store.sample({ move, size: SAMPLE_SIZE, seed: ctx.options.seed, signal: ctx.signal });
}

/** From the time of one round trip and that of reading a page of ids. */
async function estimate(source: string, found: number, { store, clock }: PlanContext<GraphReader>): Promise<number> {
  const start = clock.now();
  await store.skim(source, 1);
  const roundTrip = clock.now() - start;
  const read = await store.skim(source, PROBE_SIZE);
  const perNode = Math.max(0, clock.now() - start - 2 * roundTrip) / Math.max(read, 1);
  const batches = Math.ceil(found / PAGE);
  return perNode * found * (1 + WRITE_FACTOR) + roundTrip * 3 * batches;
}

function dataProblem(
  move: Move,
  { found, atTarget }: { found: number; atTarget: number },
  { options }: PlanContext<GraphReader>,
): readonly Problem[] {
  if (found === 0 || atTarget === 0 || options.merge || options.continuing) return [];
  const message = `${moveText(move)}: both labels have nodes of their own (source ${grouped(found)}, target ${grouped(atTarget)})`;
  return [
    { stage: 'graph', code: 'both-have-data', message, fix: 'give --merge to join them, or choose another target' },
  ];
}

function bothNotice(move: Move, both: number): readonly Finding[] {
  if (both === 0) return [];
  const message = `${grouped(both)} nodes carry both labels already; they lose the source label, and a rollback gives it back`;
  return [{ stage: 'graph', kind: 'both-labels', severity: 'notice', message, where: moveText(move), count: both }];
}

function shapeOf({ labels, count }: LabelCount, { source, target }: Move): ShapeCount {
  return { from: labelsText(labels, source), to: labelsText(labelsAfter(labels, { source, target }), target), count };
}

/** `:tenant:Person`: the tenant's label first, the others in order. */
export function labelsText(labels: readonly string[], first: string): string {
  const others = labels.filter((label) => label !== first);
  return [first, ...others].map((label) => `:${label}`).join('');
}

/** What of the schema a stored plan depends on. */
function schemaBasis(schema: readonly SchemaItem[], moves: readonly Move[]): readonly string[] {
  const ends = new Set(moves.flatMap(({ source, target }) => [source, target]));
  return schema
    .filter(({ labels }) => labels.some((label) => ends.has(label)))
    .map((item) => `${item.name} ${signatureOf(item)}`)
    .sort();
}

function summed(counts: readonly LabelCount[]): readonly LabelCount[] {
  const sums = new Map<string, LabelCount>();
  for (const { labels, count } of counts) {
    const key = JSON.stringify(labels);
    sums.set(key, { labels, count: count + (sums.get(key)?.count ?? 0) });
  }
  return [...sums.values()];
}

import { labelsAfter } from '../../model/labels-after.ts';
import { type Move, moveText } from '../../model/move.ts';
import type {
  ContentSum,
  GraphNode,
  GraphReader,
  LabelCount,
  RelationshipCount,
} from '../../stores/graph/graph-store.ts';
import type { SchemaItem } from '../../stores/graph/server-facts.ts';
import type { Finding, PlanContext, Problem, ShapeCount, StagePlan } from '../stage.ts';
import { lookAlikes, schemaNotices } from './notices.ts';

/** What the graph stage would do, and what must stand afterwards. */
export interface GraphPlan extends StagePlan {
  readonly stage: 'graph';
  readonly server: { readonly dialect: string; readonly version: string };
  /** One entry for each of `moves`, in the same order. */
  readonly expected: readonly GraphExpectation[];
}

/**
 * What must stand under the target when a move is done: the source's nodes and those that stood there before. Moving a
 * part of them changes none of it.
 */
export interface GraphExpectation {
  readonly source: string;
  readonly target: string;
  readonly nodes: number;
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
/** Nodes whose ids are read to learn the speed. */
const PROBE_SIZE = 5_000;
/** Writing a label costs about three times as much as reading an id (measured on Neo4j 5.26). */
const WRITE_FACTOR = 3;

/** Reads what the moves would do. */
export async function planGraph(moves: readonly Move[], ctx: PlanContext<GraphReader>): Promise<GraphPlan> {
  const schema = await ctx.store.schema();
  const plans: MovePlan[] = [];
  for (const move of moves) {
    ctx.signal.throwIfAborted();
    plans.push(await planMove(move, schema, ctx));
  }
  const { dialect, version } = ctx.store.server;
  const shapes = plans.flatMap((plan) => plan.shapes);
  const undoBytes = plans.reduce((sum, plan) => sum + plan.undoBytes, 0);
  return {
    stage: 'graph',
    unit: 'nodes',
    moves: plans.map(({ expected: { source, target }, found, atTarget }) => ({ source, target, found, atTarget })),
    shapes,
    conflicts: plans.reduce((sum, { clashes }) => sum + clashes, 0),
    notices: [...plans.flatMap((plan) => plan.notices), ...(await lookAlikes(moves, ctx.store))],
    problems: plans.flatMap((plan) => plan.problems),
    estimateMs: Math.round(plans.reduce((sum, plan) => sum + plan.estimateMs, 0)),
    ...(undoBytes > 0 ? { undoBytes } : {}),
    basis: {
      dialect: dialect.name,
      version: version.split('.').slice(0, 2).join('.'),
      schema: schemaNames(schema, moves),
    },
    server: { dialect: dialect.name, version },
    expected: plans.map((plan) => plan.expected),
  };
}

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
}

async function planMove(move: Move, schema: readonly SchemaItem[], ctx: PlanContext<GraphReader>): Promise<MovePlan> {
  const { store } = ctx;
  const { source, target } = move;
  const [found = 0, standing = 0, both = 0] = await store.counts([[source], [target], [source, target]]);
  // Nodes with both labels are the source's: two statements in a row, one of which never ran, leave such.
  const atTarget = standing - both;
  const ours = found === 0 ? [] : await store.combinations({ label: source });
  const theirs = atTarget === 0 ? [] : await store.combinations({ label: target, without: source });
  const clashes = found === 0 ? [] : await clashesOf(move, schema, store);
  const estimateMs = found === 0 ? 0 : await estimate(source, found, ctx);
  const expected: GraphExpectation = {
    ...move,
    nodes: found + atTarget,
    both,
    combinations: summed([...ours, ...theirs].map((each) => ({ ...each, labels: labelsAfter(each.labels, move) }))),
    relationships: await relationshipsOf(move, { found, atTarget }, store),
    sample: await sampleOf(move, found, ctx),
    ...(ctx.options.verify === 'full' ? { sums: await store.sums(move, ctx.signal) } : {}),
  };
  return {
    expected,
    found,
    atTarget,
    clashes: clashes.reduce((sum, { count }) => sum + count, 0),
    shapes: ours.map((each) => shapeOf(each, move)),
    notices: [...bothNotice(move, both), ...schemaNotices(move, found, schema)],
    problems: [...dataProblem(move, { found, atTarget }, ctx), ...clashes.map((clash) => clashProblem(move, clash))],
    estimateMs,
    undoBytes: undoBytesOf(move, { found, both }, ctx),
  };
}

/** Every id once, those of nodes with both labels twice, and the tenants in each batch. */
function undoBytesOf(
  { source, target }: Move,
  { found, both }: { found: number; both: number },
  { store, options }: PlanContext<GraphReader>,
): number {
  if (found === 0) return 0;
  const batches = Math.ceil(found / (options.batchSize ?? PAGE)) + 1;
  const tenants = Buffer.byteLength(JSON.stringify({ source, target }));
  return (found + both) * ID_BYTES[store.server.dialect.idFunction] + batches * (ENTRY_BYTES + tenants);
}

async function relationshipsOf(
  { source, target }: Move,
  { found, atTarget }: { found: number; atTarget: number },
  store: GraphReader,
): Promise<readonly RelationshipCount[]> {
  const ours = found === 0 ? [] : await store.relationships({ label: source });
  const theirs = atTarget === 0 ? [] : await store.relationships({ label: target, without: source });
  const merged = new Map<string, RelationshipCount>();
  for (const each of [...ours, ...theirs]) {
    const key = `${each.direction} ${each.type}`;
    merged.set(key, { ...each, count: each.count + (merged.get(key)?.count ?? 0) });
  }
  return [...merged.values()];
}

async function sampleOf(move: Move, found: number, ctx: PlanContext<GraphReader>): Promise<readonly GraphNode[]> {
  if (ctx.options.verify === 'counts' || found === 0) return [];
  const { seed } = ctx.options;
  const nodes = await ctx.store.sample({ label: move.source, size: SAMPLE_SIZE, seed, signal: ctx.signal });
  return nodes.map((node) => ({ ...node, labels: labelsAfter(node.labels, move) }));
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

interface Clash {
  readonly constraint: SchemaItem;
  readonly count: number;
}

/** Values that the target's uniqueness constraints would refuse, which would abort a batch half-way through the run. */
async function clashesOf(move: Move, schema: readonly SchemaItem[], store: GraphReader): Promise<readonly Clash[]> {
  const clashes: Clash[] = [];
  for (const constraint of schema) {
    if (constraint.kind !== 'constraint' || !constraint.labels.includes(move.target)) continue;
    if (!/UNIQUE|KEY/i.test(constraint.type)) continue;
    const count = await store.clashes(move, constraint.properties);
    if (count > 0) clashes.push({ constraint, count });
  }
  return clashes;
}

function clashProblem(move: Move, { constraint, count }: Clash): Problem {
  return {
    stage: 'graph',
    code: 'constraint-conflict',
    message: `${moveText(move)}: ${count} values break the target’s constraint ${constraint.name} (${constraint.properties.join(', ')})`,
    fix: 'remove the doubles from one of the two labels, or drop the constraint',
  };
}

function dataProblem(
  move: Move,
  { found, atTarget }: { found: number; atTarget: number },
  { options }: PlanContext<GraphReader>,
): readonly Problem[] {
  if (found === 0 || atTarget === 0 || options.merge || options.continuing) return [];
  const message = `${moveText(move)}: both labels have nodes of their own (source ${found}, target ${atTarget})`;
  return [
    { stage: 'graph', code: 'both-have-data', message, fix: 'give --merge to join them, or choose another target' },
  ];
}

function bothNotice(move: Move, both: number): readonly Finding[] {
  if (both === 0) return [];
  const message = `${both} nodes carry both labels already; they lose the source label, and a rollback gives it back`;
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

function schemaNames(schema: readonly SchemaItem[], moves: readonly Move[]): readonly string[] {
  const ends = new Set(moves.flatMap(({ source, target }) => [source, target]));
  return schema
    .filter(({ labels }) => labels.some((label) => ends.has(label)))
    .map(({ name }) => name)
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

import type { GraphWriter, MovableNode, NodeId } from '../../stores/graph/graph-store.ts';
import type { GraphMove } from '../../stores/graph/statements.ts';
import { limitOf } from '../adaptive-limit.ts';
import { batchSize, withinRate } from '../batch-size.ts';
import { inFlight } from '../in-flight.ts';
import type { ApplyContext, Checkpoint } from '../stage.ts';
import { graphMoveOf } from './graph-move.ts';
import type { GraphPlan } from './graph-plan.ts';
import { retype } from './retype.ts';
import { makeSchema } from './schema-steps.ts';

/** What the undo log holds for a batch of nodes: a type and not an interface, so that it is JSON. */
export type NodesEntry = {
  readonly move: { readonly source: string; readonly target: string };
  readonly ids: readonly NodeId[];
  /** Those of the ids that carried the target label too, and keep it. */
  readonly had: readonly NodeId[];
  /** Those that did not carry the source label, and get none. */
  readonly bare?: readonly NodeId[];
  /** For each property, those in which it held the source's id. */
  readonly held?: Readonly<Record<string, readonly NodeId[]>>;
};

export interface ApplySettings {
  /** Up to this many nodes of one move go in one transaction. */
  readonly atomicLimit: number;
  /** Batches under way at once. */
  readonly batchesInFlight: number;
}

const BATCH_SIZE = 10_000;
/** Each takes a connection of the driver's sixteen; the stream of ids and what looks after a lost reply take some, too. */
const MOST_IN_FLIGHT = 12;
/** The server keeps what a transaction changes in memory until it ends, up to a kilobyte a node. */
const MOST_NODES_IN_FLIGHT = 40_000;

/** See the contract: indexes first, then relationships of the tenant's own type, then nodes. */
export async function* applyGraph(
  plan: GraphPlan,
  ctx: ApplyContext<GraphWriter>,
  { atomicLimit, batchesInFlight }: ApplySettings,
): AsyncGenerator<Checkpoint> {
  const moves = plan.moves.map((move) => graphMoveOf(move, ctx.profile));
  const counts: number[] = [];
  for (const move of moves) counts.push(await nodesOf(move, ctx.store));
  const types = plan.hasTypes ? await ctx.store.typeCounts(moves.map(({ source }) => source)) : [];
  const total = [...counts, ...types].reduce((sum, count) => sum + count, 0);
  ctx.emit({ type: 'total', stage: 'graph', total, unit: plan.unit });
  let done = 0;
  const told = (checkpoint: Checkpoint): Checkpoint => {
    done += checkpoint.moved;
    ctx.emit({ type: 'progress', stage: 'graph', done, total });
    return checkpoint;
  };
  for (const [index, move] of moves.entries()) {
    yield* makeSchema(move, plan.schema?.[index] ?? [], ctx);
    if ((types[index] ?? 0) > 0) for await (const checkpoint of retype(move, ctx)) yield told(checkpoint);
    const count = counts[index] ?? 0;
    if (count === 0) continue;
    // One transaction would not be slow, as a rate asks for.
    const size = () => (count <= atomicLimit ? withinRate(ctx, atomicLimit) : batchSize(ctx, BATCH_SIZE));
    const most = Math.max(batchesInFlight, Math.min(MOST_IN_FLIGHT, Math.floor(MOST_NODES_IN_FLIGHT / size())));
    const { concurrency } = ctx.options;
    const given = concurrency === undefined ? undefined : Math.min(concurrency, MOST_IN_FLIGHT);
    const limit = limitOf(given, { start: batchesInFlight, most });
    for await (const checkpoint of inFlight(batches(move, size, ctx), limit, (batch) => moveBatch(move, batch, ctx))) {
      yield told(checkpoint);
    }
  }
}

async function nodesOf(move: GraphMove, store: GraphWriter): Promise<number> {
  const [labelled = 0] = await store.counts([[move.source]]);
  return labelled + (await store.bareCounts(move)).source;
}

/** One pass over the source's nodes. Not a loop over what is left: Memgraph would walk over all that has left, each time. */
async function* batches(
  move: GraphMove,
  size: () => number,
  ctx: ApplyContext<GraphWriter>,
): AsyncGenerator<readonly MovableNode[]> {
  let batch: MovableNode[] = [];
  for await (const nodes of ctx.store.movable(move)) {
    ctx.signal.throwIfAborted();
    for (const node of nodes) {
      batch.push(node);
      if (batch.length < size()) continue;
      await ctx.permit(batch.length);
      yield batch;
      batch = [];
    }
  }
  if (batch.length === 0) return;
  await ctx.permit(batch.length);
  yield batch;
}

async function moveBatch(
  move: GraphMove,
  batch: readonly MovableNode[],
  ctx: ApplyContext<GraphWriter>,
): Promise<Checkpoint> {
  const ids = batch.map(({ id }) => id);
  const id = await ctx.undo.append([entryOf(move, batch)]);
  const { moved, vanished } = await ctx.store.relabel(move, ids);
  return vanished === 0 ? { batch: id, moved } : { batch: id, moved, vanished };
}

function entryOf({ source, target, values }: GraphMove, batch: readonly MovableNode[]): NodesEntry {
  const idsOf = (of: (node: MovableNode) => boolean) => batch.filter(of).map(({ id }) => id);
  const entry = { move: { source, target }, ids: batch.map(({ id }) => id), had: idsOf(({ had }) => had) };
  if (values === undefined) return entry;
  const held = values.names.map((name) => [name, idsOf((node) => node.held.includes(name))] as const);
  return { ...entry, bare: idsOf(({ bare }) => bare), held: Object.fromEntries(held) };
}

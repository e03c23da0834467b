import { MigrateError } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import { type Move, tenantIdProblem } from '../model/move.ts';
import type { GraphReader, GraphWriter, MovableNode, NodeId } from '../stores/graph/graph-store.ts';
import { graphBackup } from './graph/backup.ts';
import { type GraphPlan, planGraph } from './graph/graph-plan.ts';
import { verifyGraph } from './graph/verify.ts';
import { inFlight } from './in-flight.ts';
import type { ApplyContext, Checkpoint, PlanContext, Problem, Stage } from './stage.ts';

/** What the undo log holds for a batch: a type and not an interface, so that it is JSON. */
type UndoEntry = {
  readonly move: { readonly source: string; readonly target: string };
  readonly ids: readonly NodeId[];
  /** Those of the ids that carried the target label too, and keep it. */
  readonly had: readonly NodeId[];
};

interface GraphStageSettings {
  /** Up to this many nodes of one move go in one transaction. */
  readonly atomicLimit?: number;
  /** Batches under way at once. */
  readonly batchesInFlight?: number;
}

const BATCH_SIZE = 10_000;

/** Moves a tenant's nodes by giving them the target label for the source label. Ids, properties and relationships stay. */
export function graphStage(settings: GraphStageSettings = {}): Stage<GraphReader, GraphWriter, GraphPlan> {
  const { atomicLimit = 20_000, batchesInFlight = 3 } = settings;
  return {
    name: 'graph',
    preflight,
    plan: planGraph,
    apply: (plan, ctx) => apply({ plan, ctx, atomicLimit, batchesInFlight }),
    verify: (plan, _phase, ctx) => verifyGraph(plan, ctx),
    finalize: nothing,
    undo,
    quiesce,
    tenants: async (ctx) => (await ctx.store.labels()) ?? [],
    backup: graphBackup,
  };
}

async function preflight(
  moves: readonly Move[],
  ctx: PlanContext<GraphReader>,
  probe?: GraphWriter,
): Promise<readonly Problem[]> {
  const problems = [...moves.flatMap(idProblems), ...serverProblems(ctx.store), ...(await stateProblems(ctx.store))];
  if (problems.length > 0 || probe === undefined) return problems;
  return writeProblems(moves, probe);
}

function idProblems({ source, target }: Move): readonly Problem[] {
  return [source, target].flatMap((id) => {
    const problem = tenantIdProblem(id);
    if (problem === undefined) return [];
    return [refusal('bad-label', `the id ${JSON.stringify(id)} ${problem}`, 'choose an id that can be a graph label')];
  });
}

function serverProblems({ server, address }: GraphReader): readonly Problem[] {
  const [major = 0, minor = 0] = server.version.split('.').map(Number);
  const memgraph = server.dialect.name === 'memgraph';
  if (server.version === '' || (memgraph ? major >= 2 : major > 4 || (major === 4 && minor >= 4))) return [];
  const name = memgraph ? 'Memgraph' : 'Neo4j';
  const message = `${name} ${server.version} at ${address} is too old; it takes ${memgraph ? 'Memgraph 2' : 'Neo4j 4.4'} or later`;
  return [refusal('unsupported', message, 'upgrade the server, or leave the graph out with --skip-graph')];
}

async function stateProblems(store: GraphReader): Promise<readonly Problem[]> {
  const { storageMode, replica } = await store.state();
  const problems: Problem[] = [];
  if (replica) {
    const message = `${store.address} is a replica and takes no writes`;
    problems.push(
      refusal('replica', message, 'point --memgraph-host/--memgraph-port or --graph-url at the main server'),
    );
  }
  if (storageMode === 'IN_MEMORY_ANALYTICAL') {
    const message = `the graph store at ${store.address} is in storage mode ${storageMode}, in which a failed batch stays half done`;
    problems.push(refusal('no-transactions', message, 'run STORAGE MODE IN_MEMORY_TRANSACTIONAL; on the server first'));
  }
  return problems;
}

async function writeProblems(moves: readonly Move[], probe: GraphWriter): Promise<readonly Problem[]> {
  try {
    for (const { source } of moves) await probe.rehearse(source);
    return [];
  } catch (error) {
    if (!(error instanceof MigrateError) || error.code !== 'denied') throw error;
    return [refusal('denied', error.message, error.next ?? 'use a user that may change labels')];
  }
}

function refusal(code: string, message: string, fix: string): Problem {
  return { stage: 'graph', code, message, fix };
}

interface Applying {
  readonly plan: GraphPlan;
  readonly ctx: ApplyContext<GraphWriter>;
  readonly atomicLimit: number;
  readonly batchesInFlight: number;
}

async function* apply({ plan, ctx, atomicLimit, batchesInFlight }: Applying): AsyncGenerator<Checkpoint> {
  const counts = await ctx.store.counts(plan.moves.map(({ source }) => [source]));
  const total = counts.reduce((sum, count) => sum + count, 0);
  ctx.emit({ type: 'total', stage: 'graph', total, unit: plan.unit });
  let done = 0;
  for (const [index, move] of plan.moves.entries()) {
    const count = counts[index] ?? 0;
    if (count === 0) continue;
    const size = count <= atomicLimit ? atomicLimit : (ctx.options.batchSize ?? BATCH_SIZE);
    for await (const checkpoint of inFlight(batches(move, size, ctx), batchesInFlight, (batch) =>
      moveBatch(move, batch, ctx),
    )) {
      done += checkpoint.moved;
      ctx.emit({ type: 'progress', stage: 'graph', done, total });
      yield checkpoint;
    }
  }
}

/** One pass over the source's nodes. Not a loop over what is left: Memgraph would walk over all that has left, each time. */
async function* batches(
  move: Move,
  size: number,
  ctx: ApplyContext<GraphWriter>,
): AsyncGenerator<readonly MovableNode[]> {
  let batch: MovableNode[] = [];
  for await (const nodes of ctx.store.movable(move)) {
    ctx.signal.throwIfAborted();
    for (const node of nodes) {
      batch.push(node);
      if (batch.length < size) continue;
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
  { source, target }: Move,
  batch: readonly MovableNode[],
  ctx: ApplyContext<GraphWriter>,
): Promise<Checkpoint> {
  const ids = batch.map(({ id }) => id);
  const had = batch.filter((node) => node.had).map(({ id }) => id);
  const entry: UndoEntry = { move: { source, target }, ids, had };
  const id = await ctx.undo.append([entry]);
  const { moved, vanished } = await ctx.store.relabel({ source, target }, ids);
  return vanished === 0 ? { batch: id, moved } : { batch: id, moved, vanished };
}

async function* undo(plan: GraphPlan, ctx: ApplyContext<GraphWriter>): AsyncGenerator<Checkpoint> {
  const total = plan.moves.reduce((sum, { found }) => sum + found, 0);
  ctx.emit({ type: 'total', stage: 'graph', total, unit: plan.unit });
  // A write that a broken run left behind would move nodes forward again behind our back.
  for (const move of plan.moves) await ctx.store.settle(move);
  let done = 0;
  for await (const { id, entries } of ctx.undo.read()) {
    let moved = 0;
    for (const entry of entries) {
      const { move, ids, had } = undoEntry(entry);
      await ctx.permit(ids.length);
      moved += await ctx.store.restore(move, ids, had);
    }
    done += moved;
    ctx.emit({ type: 'progress', stage: 'graph', done, total });
    yield { batch: id, moved };
  }
}

async function quiesce(moves: readonly Move[], ctx: PlanContext<GraphWriter>): Promise<void> {
  const { settleMs } = ctx.options;
  const { connections, transactions, waited } = await ctx.store.quiesce({ moves, settleMs, signal: ctx.signal });
  const ended = connections + transactions;
  if (ended > 0) note(ctx, `Ended ${ended} connections and transactions that a broken process had left open`);
  if (waited) note(ctx, `Waited ${settleMs / 1_000} s for what a broken process may have sent to the graph (--settle)`);
}

function note(ctx: PlanContext<unknown>, text: string): void {
  ctx.emit({ type: 'note', stage: 'graph', text });
}

function undoEntry(entry: Json): UndoEntry {
  const known = entry as UndoEntry;
  if (typeof known?.move?.source === 'string' && Array.isArray(known.ids) && Array.isArray(known.had)) return known;
  throw new MigrateError('internal', 'the undo log of the graph stage holds an entry of another kind', {
    stage: 'graph',
  });
}

async function* nothing(): AsyncGenerator<Checkpoint> {
  // Nothing is dropped at the source: indexes and constraints stay where they are.
}

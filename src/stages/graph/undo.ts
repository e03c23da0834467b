import { MigrateError } from '../../model/errors.ts';
import type { Json } from '../../model/json.ts';
import type { GraphWriter } from '../../stores/graph/graph-store.ts';
import type { GraphMove } from '../../stores/graph/statements.ts';
import type { ApplyContext, Checkpoint } from '../stage.ts';
import type { NodesEntry } from './apply.ts';
import { graphMoveOf } from './graph-move.ts';
import type { GraphPlan } from './graph-plan.ts';
import { type RelationshipsEntry, type RetypedEntry, undoRetype } from './retype.ts';
import { isSchemaEntry, type SchemaEntry, undoSchema } from './schema-steps.ts';

/**
 * See the contract. Newest first, so that the source has its indexes again before its nodes come back, and the target
 * keeps its own until they are gone.
 */
export async function* undoGraph(plan: GraphPlan, ctx: ApplyContext<GraphWriter>): AsyncGenerator<Checkpoint> {
  const moves = plan.moves.map((move) => graphMoveOf(move, ctx.profile));
  // A write that a broken run left behind would move nodes forward again behind our back.
  for (const move of moves) await ctx.store.settle(move);
  const undoing: Undoing = { plan, moves, retyped: new Map(), ctx };
  for await (const { id, entries } of ctx.undo.read()) {
    let moved = 0;
    for (const entry of entries) moved += await undoEntry(entry, undoing);
    yield { batch: id, moved };
  }
}

interface Undoing {
  readonly plan: GraphPlan;
  readonly moves: readonly GraphMove[];
  /** Of the batch of relationships that is read next. */
  readonly retyped: Map<string, string>;
  readonly ctx: ApplyContext<GraphWriter>;
}

async function undoEntry(entry: Json, undoing: Undoing): Promise<number> {
  const { ctx, retyped } = undoing;
  if (isSchemaEntry(entry)) {
    const change = entry as SchemaEntry;
    if (change.guessed === true && !madeByRun(change, undoing)) return 0;
    await ctx.permit(1);
    await undoSchema(change, ctx);
    return 0;
  }
  const known = entry as Partial<NodesEntry & RelationshipsEntry & RetypedEntry> | null;
  if (typeof known?.move?.source === 'string') {
    if (Array.isArray(known.retyped)) {
      for (const [old, now] of known.retyped) retyped.set(old, now);
      return 0;
    }
    if (Array.isArray(known.relationships)) {
      const { source, target } = known.move;
      const plan = undoing.plan.expected.find((each) => each.source === source && each.target === target);
      const mixed = (plan?.typedAtTarget ?? 0) > 0;
      const moved = await undoRetype(known as RelationshipsEntry, { known: retyped, mixed }, ctx);
      retyped.clear();
      return moved;
    }
    if (Array.isArray(known.ids) && Array.isArray(known.had)) return undoNodes(known as NodesEntry, undoing);
  }
  throw new MigrateError('internal', 'the undo log of the graph stage holds an entry of another kind', {
    stage: 'graph',
  });
}

/** From a backup alone nobody knows what the target had before; the run's plan does. */
function madeByRun({ move, signature }: SchemaEntry, { plan, moves }: Undoing): boolean {
  const index = moves.findIndex(({ source, target }) => source === move.source && target === move.target);
  return plan.schema?.[index]?.some(({ to, exists }) => to.signature === signature && !exists) ?? false;
}

async function undoNodes({ move, ids, had, bare = [], held = {} }: NodesEntry, undoing: Undoing): Promise<number> {
  const { ctx, moves } = undoing;
  await ctx.permit(ids.length);
  const without = new Set(bare);
  const labelled = ids.filter((id) => !without.has(id));
  const kept = had.filter((id) => !without.has(id));
  let moved = labelled.length === 0 ? 0 : await ctx.store.restore(move, labelled, kept);
  const { values } = moves.find(({ source, target }) => source === move.source && target === move.target) ?? {};
  if (values === undefined) return moved;
  const changed = new Set<string>();
  for (const [name, some] of Object.entries(held)) {
    for (const id of await ctx.store.restoreValue({ ...move, values }, name, some))
      if (without.has(id)) changed.add(id);
  }
  moved += changed.size;
  return moved;
}

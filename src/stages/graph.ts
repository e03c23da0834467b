import type { Move } from '../model/move.ts';
import type { GraphReader, GraphWriter } from '../stores/graph/graph-store.ts';
import { type ApplySettings, applyGraph } from './graph/apply.ts';
import { graphBackup } from './graph/backup.ts';
import { graphMoveOf, tenantOf } from './graph/graph-move.ts';
import { type GraphPlan, planGraph } from './graph/graph-plan.ts';
import { preflightGraph } from './graph/preflight.ts';
import { dropSchema } from './graph/schema-steps.ts';
import { undoGraph } from './graph/undo.ts';
import { verifyGraph } from './graph/verify.ts';
import type { ApplyContext, Checkpoint, PlanContext, Stage } from './stage.ts';

/**
 * Moves a tenant's nodes by giving them the target label for the source label, and its indexes and constraints with them.
 * Ids, properties and relationships stay.
 */
export function graphStage(settings: Partial<ApplySettings> = {}): Stage<GraphReader, GraphWriter, GraphPlan> {
  const { atomicLimit = 20_000, batchesInFlight = 3 } = settings;
  return {
    name: 'graph',
    preflight: preflightGraph,
    plan: planGraph,
    apply: (plan, ctx) => applyGraph(plan, ctx, { atomicLimit, batchesInFlight }),
    verify: verifyGraph,
    finalize,
    undo: undoGraph,
    quiesce,
    tenants: async (ctx) => ((await ctx.store.labels()) ?? []).flatMap((label) => tenantOf(label, ctx.profile) ?? []),
    backup: graphBackup,
  };
}

/** What the source had of indexes and constraints goes when all is verified. */
async function* finalize(plan: GraphPlan, ctx: ApplyContext<GraphWriter>): AsyncGenerator<Checkpoint> {
  for (const [index, move] of plan.moves.entries()) {
    yield* dropSchema(graphMoveOf(move, ctx.profile), plan.schema?.[index] ?? [], ctx);
  }
}

async function quiesce(moves: readonly Move[], ctx: PlanContext<GraphWriter>): Promise<void> {
  const { settleMs } = ctx.options;
  const labelled = moves.map((move) => graphMoveOf(move, ctx.profile));
  const { connections, transactions, waited } = await ctx.store.quiesce({
    moves: labelled,
    settleMs,
    signal: ctx.signal,
  });
  const ended = connections + transactions;
  if (ended > 0) note(ctx, `Ended ${ended} connections and transactions that a broken process had left open`);
  if (waited) note(ctx, `Waited ${settleMs / 1_000} s for what a broken process may have sent to the graph (--settle)`);
}

function note(ctx: PlanContext<unknown>, text: string): void {
  ctx.emit({ type: 'note', stage: 'graph', text });
}

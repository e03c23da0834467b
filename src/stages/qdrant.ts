import type { QdrantReader, QdrantWriter } from '../stores/qdrant/qdrant-reader.ts';
import { apply } from './qdrant/apply.ts';
import { qdrantBackup } from './qdrant/backup.ts';
import { finalizeNamed } from './qdrant/named/finalize-named.ts';
import { plan } from './qdrant/plan.ts';
import { preflight } from './qdrant/preflight.ts';
import type { QdrantPlan } from './qdrant/qdrant-plan.ts';
import { quiesce } from './qdrant/quiesce.ts';
import { removeOld } from './qdrant/re-id/remove-old.ts';
import { finalizeShards } from './qdrant/shards/finalize-shards.ts';
import { besideCopies } from './qdrant/shards/shard-copy.ts';
import { undo } from './qdrant/undo.ts';
import { verify } from './qdrant/verify.ts';
import type { ApplyContext, PlanContext, Stage } from './stage.ts';

/** Tenants asked for in each collection, to suggest near ids. */
const MOST_TENANTS = 1_000;

/**
 * Moves a tenant's points by setting their payload field, in every collection that holds some. Points whose ids derive
 * from the tenant are copied with all vectors to the ids that the application will compute, and the old ones deleted at
 * the end. Collections and aliases that are named after the tenant get the target's name. Other fields, vectors and the
 * points of other tenants are never touched.
 */
export const qdrantStage: Stage<QdrantReader, QdrantWriter, QdrantPlan> = {
  name: 'qdrant',
  preflight: (moves, ctx, probe) => preflight(moves, heeding(ctx), probe?.stoppedBy(ctx.signal)),
  plan: (moves, ctx) => plan(moves, heeding(ctx)),
  apply: (planned, ctx) => apply(planned, heedingWriter(ctx)),
  verify: (planned, phase, ctx) => verify(planned, phase, heeding(ctx)),
  // A payload is set in place; only points, shards, collections and aliases that were made anew leave old ones behind.
  async *finalize(planned, ctx) {
    const heeded = heedingWriter(ctx);
    const shards = planned.shards ?? [];
    yield* removeOld(planned, { ...heeded, store: await besideCopies(shards, heeded.store) });
    yield* finalizeShards(shards, heeded);
    yield* finalizeNamed(planned.named, heeded);
  },
  undo: (planned, ctx) => undo(planned, heedingWriter(ctx)),
  quiesce: (moves, ctx) => quiesce(moves, { ...ctx, store: ctx.store.stoppedBy(ctx.signal) }),
  tenants: async (ctx) => (await ctx.store.tenants(ctx.profile.qdrantField, MOST_TENANTS)).map(({ value }) => value),
  backup: qdrantBackup,
};

/** The same with a store that stops waiting when the run shall stop. */
function heeding(ctx: PlanContext<QdrantReader>): PlanContext<QdrantReader> {
  return { ...ctx, store: ctx.store.stoppedBy(ctx.signal) };
}

function heedingWriter(ctx: ApplyContext<QdrantWriter>): ApplyContext<QdrantWriter> {
  return { ...ctx, store: ctx.store.stoppedBy(ctx.signal), permit: (units) => ctx.permit(units) };
}

import type { QdrantReader, QdrantWriter } from '../stores/qdrant/qdrant-reader.ts';
import { apply } from './qdrant/apply.ts';
import { plan } from './qdrant/plan.ts';
import { preflight } from './qdrant/preflight.ts';
import type { QdrantPlan } from './qdrant/qdrant-plan.ts';
import { undo } from './qdrant/undo.ts';
import { verify } from './qdrant/verify.ts';
import type { Stage } from './stage.ts';

/** Tenants asked for in each collection, to suggest near ids. */
const MOST_TENANTS = 1_000;

/**
 * Moves a tenant's points by setting their payload field, in every collection that holds some.
 * Other fields, vectors and the points of other tenants are never touched; point ids stay as they are.
 */
export const qdrantStage: Stage<QdrantReader, QdrantWriter, QdrantPlan> = {
  name: 'qdrant',
  preflight,
  plan,
  apply,
  verify: (planned, _phase, ctx) => verify(planned, ctx),
  async *finalize() {
    // A payload is set in place: nothing of the source is left to remove.
  },
  undo: (_plan, ctx) => undo(ctx),
  tenants: async (ctx) => (await ctx.store.tenants(ctx.profile.qdrantField, MOST_TENANTS)).map(({ value }) => value),
};

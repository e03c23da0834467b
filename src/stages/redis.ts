import type { Move } from '../model/move.ts';
import type { RedisReader, RedisWriter } from '../stores/redis/redis-store.ts';
import { applyRedis, finalizeRedis } from './redis/apply.ts';
import { redisBackup } from './redis/backup.ts';
import { withNeutralValues } from './redis/neutral-values.ts';
import { planRedis } from './redis/plan.ts';
import { preflightRedis } from './redis/preflight.ts';
import { quiesceRedis } from './redis/quiesce.ts';
import type { RedisPlan } from './redis/redis-plan.ts';
import { redisTenants } from './redis/tenants.ts';
import { undoRedis } from './redis/undo.ts';
import { ValueRules } from './redis/value-rules.ts';
import { verifyRedis } from './redis/verify.ts';
import type { ApplyContext, PlanContext, Stage } from './stage.ts';

/**
 * Renames the tenant's keys (RENAMENX: every type, TTL kept) as the profile's templates claim them, and rewrites the
 * field in which the profile's JSON values name their tenant. No step but the rewriting sees that field: content is
 * compared without it.
 */
export const redisStage: Stage<RedisReader, RedisWriter, RedisPlan> = {
  name: 'redis',
  preflight: preflightRedis,
  plan: (moves, ctx) => {
    const rules = rulesFor(moves, ctx.profile.keyTemplates, ctx);
    return planRedis(moves, withNeutralValues(ctx, rules), rules);
  },
  apply: (plan, ctx) => applyRedis(plan, ...writing(plan, ctx)),
  verify: (plan, phase, ctx) => {
    const rules = rulesFor(plan.moves, plan.templates, ctx);
    return verifyRedis(plan, { phase, rules }, withNeutralValues(ctx, rules));
  },
  finalize: (plan, ctx) => finalizeRedis(plan, ...writing(plan, ctx)),
  undo: (plan, ctx) => undoRedis(plan, writing(plan, ctx)[0]),
  quiesce: quiesceRedis,
  tenants: redisTenants,
  backup: redisBackup,
};

function writing(plan: RedisPlan, ctx: ApplyContext<RedisWriter>): [ApplyContext<RedisWriter>, ValueRules] {
  const rules = rulesFor(plan.moves, plan.templates, ctx);
  return [withNeutralValues<RedisWriter, ApplyContext<RedisWriter>>(ctx, rules), rules];
}

function rulesFor(
  moves: readonly Move[],
  templates: readonly string[],
  { profile }: PlanContext<RedisReader>,
): ValueRules {
  return new ValueRules(profile, templates, moves);
}

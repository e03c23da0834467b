import type { RedisReader, RedisWriter } from '../stores/redis/redis-store.ts';
import { applyRedis, finalizeRedis } from './redis/apply.ts';
import { redisBackup } from './redis/backup.ts';
import { planRedis } from './redis/plan.ts';
import { preflightRedis } from './redis/preflight.ts';
import { quiesceRedis } from './redis/quiesce.ts';
import type { RedisPlan } from './redis/redis-plan.ts';
import { redisTenants } from './redis/tenants.ts';
import { undoRedis } from './redis/undo.ts';
import { verifyRedis } from './redis/verify.ts';
import type { Stage } from './stage.ts';

/** Renames the tenant's keys (RENAMENX: every type, TTL kept) as the profile's templates claim them. */
export const redisStage: Stage<RedisReader, RedisWriter, RedisPlan> = {
  name: 'redis',
  preflight: preflightRedis,
  plan: planRedis,
  apply: applyRedis,
  verify: verifyRedis,
  finalize: finalizeRedis,
  undo: undoRedis,
  quiesce: quiesceRedis,
  tenants: redisTenants,
  backup: redisBackup,
};

import { grouped } from '../../model/grouped.ts';
import type { RedisServer } from '../../stores/redis/redis-server.ts';
import type { RedisReader } from '../../stores/redis/redis-store.ts';
import type { Finding, PlanContext, Problem } from '../stage.ts';
import type { Census } from './census.ts';
import { mebibytes } from './mebibytes.ts';
import type { Copies } from './redis-mode.ts';

/** Slots do not hold the same number of keys, nor keys the same number of bytes. */
const UNEVEN = 1.2;
const LEAST_ROOM_BYTES = 16 << 20;

/** Why keys cannot be moved in this way: they change their slot, or there is no room for both ends. */
export async function copyProblems(
  { census, server }: { readonly census: Census; readonly server: RedisServer },
  ctx: PlanContext<RedisReader>,
): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  const { address } = ctx.store;
  if (census.crossSlot > census.copied) {
    const count = census.crossSlot - census.copied;
    const message = `${grouped(count)} keys change their slot with their name, and a Redis Cluster renames within a slot only`;
    problems.push({ stage: 'redis', code: 'cross-slot', message, fix: 'let them be copied: --redis-mode auto' });
  }
  // What was copied by an earlier part of the run stands there already.
  if (census.copied === 0 || server.maxMemory === 0 || ctx.options.continuing) return problems;
  const needed = ((await census.copyBytes()) / server.masters) * UNEVEN + LEAST_ROOM_BYTES;
  const free = server.maxMemory - server.usedMemory;
  if (free < needed) {
    const where = server.masters > 1 ? 'the master with the least memory left has' : 'it has';
    problems.push({
      stage: 'redis',
      code: 'memory',
      message: `Redis at ${address} holds each copied key twice until the end: ${where} ${mebibytes(free)} free, about ${mebibytes(needed)} are needed`,
      fix:
        server.product === 'dragonfly'
          ? 'free memory or raise maxmemory'
          : 'free memory or raise maxmemory; or, on a single Redis, --redis-mode rename',
    });
  }
  return problems;
}

/** What the operator should know about the way in which keys are moved. */
export function copyNotices(
  { copies, copied, server }: { readonly copies: Copies; readonly copied: number; readonly server: RedisServer },
  ctx: PlanContext<RedisReader>,
): readonly Finding[] {
  const notices: Finding[] = [];
  if (copied > 0) {
    const why =
      copies === 'cross-slot'
        ? 'they change their slot with their name'
        : ctx.options.redisMode === 'copy'
          ? '--redis-mode copy'
          : 'a rename that runs out of memory on a Dragonfly loses the key';
    const message = `${grouped(copied)} keys are copied and compared, and their sources removed at the end: ${why}`;
    notices.push({ stage: 'redis', kind: 'copied', severity: 'notice', message, count: copied });
  }
  if (server.migratingSlots > 0) {
    const message = `${server.migratingSlots} slots are on their way between masters: counts may be off by the keys that change their place meanwhile`;
    notices.push({ stage: 'redis', kind: 'migrating', severity: 'notice', message, count: server.migratingSlots });
  }
  return notices;
}

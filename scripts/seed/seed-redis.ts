import { Redis } from 'ioredis';
import { type RedisCommand, tenantKeys } from './tenant-keys.ts';

export interface SeededKeys {
  /** Keys that the profile claims. */
  readonly keys: number;
  readonly unclaimed: number;
}

/** Writes a tenant's keys, its config's record and some unclaimed keys. Rejects on the first command that fails. */
export async function seedRedis(options: {
  readonly redisUrl: string;
  readonly seed: number;
  readonly tenant: string;
  readonly keys: number;
}): Promise<SeededKeys> {
  const redis = new Redis(options.redisUrl);
  const counts = { claimed: 0, 'config record': 0, unclaimed: 0 };
  let batch: RedisCommand[] = [];
  try {
    for (const { kind, commands } of tenantKeys({ ...options, total: options.keys })) {
      counts[kind]++;
      batch.push(...commands);
      if (batch.length >= 1_000) {
        await send(redis, batch);
        batch = [];
      }
    }
    await send(redis, batch);
    return { keys: counts.claimed, unclaimed: counts.unclaimed };
  } finally {
    redis.disconnect();
  }
}

async function send(redis: Redis, commands: readonly RedisCommand[]): Promise<void> {
  const replies = await redis.pipeline(commands.map(([name, ...args]) => [name.toLowerCase(), ...args])).exec();
  for (const [error] of replies ?? []) if (error) throw error;
}

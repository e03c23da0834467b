import { Redis } from 'ioredis';
import type { Move } from '../../src/model/move.ts';
import { batchesInFlight } from '../../src/stages/redis/apply.ts';
import { DEFAULT_BATCH, scanCount } from '../../src/stages/redis/plan.ts';
import type { RedisPlan } from '../../src/stages/redis/redis-plan.ts';
import { redisStage } from '../../src/stages/redis.ts';
import { openRedisReader, openRedisWriter } from '../../src/stores/redis/redis-store.ts';
import { applyContext, drain, planContext, total } from '../../test/support/stage-context.ts';
import { seedTenant } from '../seed.ts';
import { startRedis } from '../services/redis.ts';
import { renameManyBare } from './redis-floor.ts';
import { overFloor, type Row } from './row.ts';
import { median, timed } from './there-and-back.ts';
import { withUndoLog } from './undo-log.ts';

export interface MapBench {
  /** Of all tenants together. */
  readonly keys: number;
  readonly repeat: number;
  readonly log: (line: string) => void;
}

const TENANTS = 50;
/** Tenants of the same size that are not moved. */
const OTHERS = 10;

/** A list of fifty tenants, in one scan of Redis: against a plain loop that does no more than one scan and the renames. */
export async function benchMap({ keys, repeat, log }: MapBench): Promise<readonly Row[]> {
  const server = await startRedis();
  const bare = new Redis(server.url);
  const each = Math.floor(keys / TENANTS);
  const moves = Array.from({ length: TENANTS }, (_, n): Move => ({ source: `tenant${n}a`, target: `tenant${n}b` }));
  const back = moves.map(({ source, target }): Move => ({ source: target, target: source }));
  const settings = { host: '127.0.0.1', port: server.port, db: 0, connectTimeoutMs: 5_000, replyTimeoutMs: 60_000 };
  const reader = await openRedisReader({ ...settings, clientName: 'bench' });
  const writer = await openRedisWriter({ ...settings, clientName: 'bench' });
  try {
    log(`map: seeding ${TENANTS} tenants of ${each} keys, and ${OTHERS} others`);
    const others = Array.from({ length: OTHERS }, (_, n) => `other${n}`);
    for (const tenant of [...moves.map(({ source }) => source), ...others]) {
      await seedTenant({ tenant, keys: each, points: {}, nodes: 0, relationships: 0 }, { redisUrl: server.url });
    }
    // One key in a tenant is not text, and the floor takes keys for text.
    for (const { source } of moves) await bare.del(Buffer.from(`${source}_text_chunks:\xff\xfe\0`, 'latin1'));
    const roundTrip = await reader.roundTripMs();
    const sizes = { scanCount: scanCount(roundTrip), batch: DEFAULT_BATCH, inFlight: batchesInFlight(roundTrip) };
    const reading = planContext(reader);
    let expected: number | undefined;
    const expectAll = (renamed: number) => {
      expected ??= renamed;
      if (renamed !== expected || renamed === 0) throw new Error(`${renamed} keys were renamed, there are ${expected}`);
    };
    const apply = (plan: RedisPlan) =>
      withUndoLog('redis', (undo) =>
        timed(async () => {
          const context = await applyContext(writer, { undo });
          expectAll(total(await drain(redisStage.apply(plan, context)), 'moved'));
        }),
      );
    const contenders: readonly ((list: readonly Move[]) => Promise<number>)[] = [
      (list) => timed(async () => expectAll(await renameManyBare(bare, list, sizes))),
      async (list) => apply(await redisStage.plan(list, reading)),
      (list) =>
        timed(async () => {
          const plan = await redisStage.plan(list, reading);
          await apply(plan);
          const findings = await redisStage.verify(plan, 'applied', reading);
          if (findings.length > 0) throw new Error(`verify found ${JSON.stringify(findings)}`);
        }),
    ];
    const samples: number[][] = contenders.map(() => []);
    for (let round = 0; round <= repeat; round += 1) {
      for (const [index, run] of contenders.entries()) {
        const ms = ((await run(moves)) + (await run(back))) / 2;
        if (round > 0) samples[index]?.push(ms);
      }
    }
    const [floor = 0, ours = 0, whole = 0] = samples.map(median);
    const section = `map, ${TENANTS} tenants, ${keys.toLocaleString('en')} keys`;
    return [
      overFloor({ section, what: 'apply', floor, ours, most: 1.3 }),
      overFloor({ section, what: 'plan + apply + verify', floor, ours: whole }),
    ];
  } finally {
    bare.disconnect();
    await Promise.all([reader.close(), writer.close()]);
    await server.stop();
  }
}

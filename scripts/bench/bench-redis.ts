import { Redis } from 'ioredis';
import type { Move } from '../../src/model/move.ts';
import { batchesInFlight } from '../../src/stages/redis/apply.ts';
import { DEFAULT_BATCH, scanCount } from '../../src/stages/redis/plan.ts';
import { redisStage } from '../../src/stages/redis.ts';
import {
  openRedisReader,
  openRedisWriter,
  type RedisReader,
  type RedisWriter,
} from '../../src/stores/redis/redis-store.ts';
import { applyContext, drain, planContext, total } from '../../test/support/stage-context.ts';
import { neighbours } from '../seed/tenant-size.ts';
import { seedTenant } from '../seed.ts';
import { startRedis } from '../services/redis.ts';
import { copyLikeTheGuide } from './baseline.ts';
import { renameBare } from './redis-floor.ts';
import { extrapolation, overFloor, overOurs, type Row } from './row.ts';
import { startSlowLink } from './slow-link.ts';
import { thereAndBack, timed } from './there-and-back.ts';
import { withUndoLog } from './undo-log.ts';

export interface RedisBench {
  readonly keys: number;
  readonly repeat: number;
  readonly log: (line: string) => void;
}

const move: Move = { source: 'siraya', target: 'tenant_76920508' };
/** Keys that the baseline copies on loopback; of more the time is extrapolated. */
const BASELINE_KEYS = 40_000;
const SLOW_BASELINE_KEYS = 200;
/** Of larger tenants the slow link is left out: what it costs shows at the guide's size. */
const MOST_OVER_SLOW_LINK = 200_000;

/** Redis: floor, apply alone, plan + apply + verify, and the guide's way; on loopback and with 50 ms more round trip. */
export async function benchRedis(options: RedisBench): Promise<readonly Row[]> {
  const { keys, log } = options;
  const server = await startRedis();
  try {
    log(`redis: seeding ${keys} keys`);
    await seedTextKeys(server.url, keys);
    const rows = [...(await measureOver(server.port, 'loopback', options))];
    if (keys > MOST_OVER_SLOW_LINK) return rows;
    const link = await startSlowLink(server.port);
    try {
      return [...rows, ...(await measureOver(link.port, '+50 ms', options))];
    } finally {
      await link.stop();
    }
  } finally {
    await server.stop();
  }
}

/** The tenant and its neighbours, without the one key that is not text: the floor's plain loop could not rename it. */
async function seedTextKeys(redisUrl: string, keys: number): Promise<void> {
  const sizes = [{ tenant: move.source, keys: keys + 1, points: {}, nodes: 0, relationships: 0 }, ...neighbours];
  for (const size of sizes) await seedTenant(size, { redisUrl });
  const redis = new Redis(redisUrl);
  await redis.del(Buffer.from(`${move.source}_text_chunks:\xff\xfe\0`, 'latin1'));
  redis.disconnect();
}

async function measureOver(port: number, where: 'loopback' | '+50 ms', options: RedisBench): Promise<readonly Row[]> {
  const { keys, repeat, log } = options;
  const bare = new Redis(port, '127.0.0.1');
  const settings = {
    host: '127.0.0.1',
    port,
    db: 0,
    connectTimeoutMs: 5_000,
    replyTimeoutMs: 60_000,
    clientName: 'bench',
  };
  const reader = await openRedisReader(settings);
  const writer = await openRedisWriter(settings);
  try {
    const roundTrip = await reader.roundTripMs();
    const sizes = {
      scanCount: scanCount(roundTrip),
      batch: DEFAULT_BATCH,
      inFlight: batchesInFlight(roundTrip),
    };
    log(`redis: ${keys} keys, ${where}, COUNT ${sizes.scanCount}, ${sizes.inFlight} pipelines of ${sizes.batch}`);
    const [floor = 0, apply = 0, whole = 0] = await thereAndBack(
      [
        { name: 'floor', run: (one) => timed(async () => expectAll(await renameBare(bare, one, sizes), keys)) },
        { name: 'apply', run: (one) => applyAlone(one, { reader, writer, keys }) },
        { name: 'plan + apply + verify', run: (one) => timed(() => planApplyVerify(one, { reader, writer, keys })) },
      ],
      { move, repeat },
    );
    const slow = where !== 'loopback';
    log(`redis: the guide's way, ${where}`);
    const baseline = await copyLikeTheGuide(
      bare,
      { ...move, target: slow ? 'copy_slow' : 'copy_near' },
      slow ? SLOW_BASELINE_KEYS : BASELINE_KEYS,
    );
    const section = `redis ${keys.toLocaleString('en')} ${where}`;
    return [
      overFloor({ section, what: 'apply', floor, ours: apply, most: 1.3 }),
      overFloor({ section, what: 'plan + apply + verify', floor, ours: whole, most: 2.2 }),
      overOurs({
        section,
        what: 'apply',
        baseline: baseline.ms,
        ours: apply,
        least: slow ? 300 : 4,
        ...extrapolation(baseline),
      }),
    ];
  } finally {
    bare.disconnect();
    await Promise.all([reader.close(), writer.close()]);
  }
}

interface Ours {
  readonly reader: RedisReader;
  readonly writer: RedisWriter;
  readonly keys: number;
}

async function applyAlone(one: Move, { reader, writer, keys }: Ours): Promise<number> {
  const plan = await redisStage.plan([one], planContext(reader));
  return withUndoLog('redis', (undo) =>
    timed(async () => {
      const context = await applyContext(writer, { undo });
      expectAll(total(await drain(redisStage.apply(plan, context)), 'moved'), keys);
    }),
  );
}

async function planApplyVerify(one: Move, { reader, writer, keys }: Ours): Promise<void> {
  const reading = planContext(reader);
  const plan = await redisStage.plan([one], reading);
  await withUndoLog('redis', async (undo) => {
    const context = await applyContext(writer, { undo });
    expectAll(total(await drain(redisStage.apply(plan, context)), 'moved'), keys);
  });
  const findings = await redisStage.verify(plan, 'applied', reading);
  if (findings.length > 0) throw new Error(`verify found ${JSON.stringify(findings)}`);
}

/** A benchmark of something that does not do its work is worth nothing. */
function expectAll(renamed: number, keys: number): void {
  if (renamed !== keys) throw new Error(`${renamed} keys were renamed, there are ${keys}`);
}

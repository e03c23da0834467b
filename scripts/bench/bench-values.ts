import { Redis } from 'ioredis';
import { ragApi } from '../../src/profiles/rag-api.ts';
import { redisStage } from '../../src/stages/redis.ts';
import { openRedisWriter } from '../../src/stores/redis/redis-store.ts';
import { applyContext, drain, planContext, total } from '../../test/support/stage-context.ts';
import { startRedis } from '../services/redis.ts';
import { over, type Row } from './row.ts';
import { thereAndBack, timed } from './there-and-back.ts';
import { withUndoLog } from './undo-log.ts';

const KEYS = 40_000;
/** Of twenty keys one holds a value that names its tenant. */
const EVERY = 20;
const move = { source: 'siraya', target: 'tenant_76920508' };

/** Apply of a tenant of whose values one in twenty names it: with the rewriting, against renames alone. */
export async function benchValues({
  repeat,
  log,
}: {
  readonly repeat: number;
  readonly log: (line: string) => void;
}): Promise<readonly Row[]> {
  const server = await startRedis();
  const writer = await openRedisWriter({
    host: '127.0.0.1',
    port: server.port,
    db: 0,
    connectTimeoutMs: 5_000,
    replyTimeoutMs: 60_000,
    clientName: 'bench',
  });
  try {
    log(`redis: seeding ${KEYS} keys, ${KEYS / EVERY} of them with values that name the tenant`);
    await seed(server.url);
    const applyWith = (profile: typeof ragApi) => async (one: typeof move) => {
      const plan = await redisStage.plan([one], planContext(writer, { profile }));
      return withUndoLog('redis', (undo) =>
        timed(async () => {
          const context = await applyContext(writer, { undo, profile });
          const moved = total(await drain(redisStage.apply(plan, context)), 'moved');
          if (moved !== KEYS) throw new Error(`${moved} keys were renamed, there are ${KEYS}`);
        }),
      );
    };
    const [renames = 0, ours = 0] = await thereAndBack(
      [
        { name: 'renames alone', run: applyWith({ ...ragApi, values: [] }) },
        { name: 'with values', run: applyWith(ragApi) },
      ],
      { move, repeat },
    );
    const section = `redis ${KEYS.toLocaleString('en')} values`;
    const against = { name: 'renames alone', value: renames };
    return [over({ section, what: 'apply, 5 % rewritten', unit: 'ms', against, ours, most: 1.5 })];
  } finally {
    await writer.close();
    await server.stop();
  }
}

async function seed(url: string): Promise<void> {
  const redis = new Redis(url);
  for (let start = 0; start < KEYS; start += 2_000) {
    const pipeline = redis.pipeline();
    for (let n = start; n < start + 2_000; n += 1) {
      const value = JSON.stringify({ task_id: n, tenant_id: move.source, status: 'completed', note: 'x'.repeat(200) });
      const key = n % EVERY === 0 ? `task:${move.source}:${n}` : `${move.source}_text_chunks:${n}`;
      pipeline.set(key, value, 'PX', 86_400_000);
    }
    await pipeline.exec();
  }
  redis.disconnect();
}

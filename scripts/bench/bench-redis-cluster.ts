import { availableParallelism } from 'node:os';
import { Redis } from 'ioredis';
import type { Move } from '../../src/model/move.ts';
import { redisStage } from '../../src/stages/redis.ts';
import type { StageOptions } from '../../src/stages/stage.ts';
import { keySlot } from '../../src/stores/redis/key-slot.ts';
import {
  openRedisReader,
  openRedisWriter,
  type RedisReader,
  type RedisWriter,
} from '../../src/stores/redis/redis-store.ts';
import { applyContext, drain, planContext, total } from '../../test/support/stage-context.ts';
import { startRedis } from '../services/redis.ts';
import { startRedisCluster } from '../services/redis-cluster.ts';
import type { RedisBench } from './bench-redis.ts';
import type { Row } from './row.ts';
import { thereAndBack, timed } from './there-and-back.ts';
import { withUndoLog } from './undo-log.ts';

const move: Move = { source: 'siraya', target: 'tenant_76920508' };
/** Three servers, the program, and something for everybody else. */
const CORES = 5;
const SEED_AT_ONCE = 2_000;

interface Ours {
  readonly reader: RedisReader;
  readonly writer: RedisWriter;
}

/**
 * The same keys on one server and on a cluster of three masters: renamed (names that keep their slot), and copied,
 * compared and removed (names that do not; on the single server by `--redis-mode copy`).
 */
export async function benchRedisCluster({ keys, repeat, log }: RedisBench): Promise<readonly Row[]> {
  const [server, cluster] = await Promise.all([startRedis(), startRedisCluster()]);
  const [one, three] = await Promise.all([open(server.port), open(cluster.port)]);
  try {
    const rows: Row[] = [];
    for (const how of ['renamed', 'copied'] as const) {
      log(`redis cluster: ${keys} keys that are ${how}`);
      const ports = cluster.nodes.map(({ port }) => port);
      await Promise.all([seed([server.port], keys, how), seed(ports, keys, how)]);
      const options = how === 'copied' ? ({ redisMode: 'copy' } as const) : {};
      const [alone = 0, together = 0] = await thereAndBack(
        [
          { name: 'one server', run: (there) => timed(() => moveAll(there, one, { keys, options })) },
          { name: 'three masters', run: (there) => timed(() => moveAll(there, three, { keys, options: {} })) },
        ],
        { move, repeat },
      );
      rows.push(row({ keys, how, alone, together }));
      await Promise.all([server.port, ...ports].map(empty));
    }
    return rows;
  } finally {
    await Promise.all([one, three].flatMap(({ reader, writer }) => [reader.close(), writer.close()]));
    await Promise.all([server.stop(), cluster.stop()]);
  }
}

function row({
  keys,
  how,
  alone,
  together,
}: {
  readonly keys: number;
  readonly how: string;
  readonly alone: number;
  readonly together: number;
}): Row {
  const cores = availableParallelism();
  const least = cores >= CORES ? 2 : 1;
  return {
    section: `redis cluster ${keys.toLocaleString('en')}`,
    what: `apply and finalize, ${how}`,
    against: { name: 'one server', value: alone },
    ours: together,
    unit: 'ms',
    ratio: alone / together,
    goal: `≥ ${least} × the throughput`,
    reached: alone / together >= least,
    ...(cores >= CORES ? {} : { note: `${cores} cores are shared by the servers and the program: 2 × needs ${CORES}` }),
  };
}

async function open(port: number): Promise<Ours> {
  const settings = {
    host: '127.0.0.1',
    port,
    db: 0,
    connectTimeoutMs: 5_000,
    replyTimeoutMs: 60_000,
    clientName: 'bench',
  };
  return { reader: await openRedisReader(settings), writer: await openRedisWriter(settings) };
}

async function moveAll(
  there: Move,
  { reader, writer }: Ours,
  { keys, options }: { readonly keys: number; readonly options: Partial<StageOptions> },
): Promise<void> {
  const plan = await redisStage.plan([there], planContext(reader, { options }));
  await withUndoLog('redis', async (undo) => {
    const context = await applyContext(writer, { undo, options });
    const moved = total(await drain(redisStage.apply(plan, context)), 'moved');
    if (moved !== keys) throw new Error(`${moved} keys were moved, there are ${keys}`);
    await drain(redisStage.finalize(plan, context));
  });
}

async function seed(ports: readonly number[], keys: number, how: 'renamed' | 'copied'): Promise<void> {
  const clients = ports.map((port) => new Redis(port, '127.0.0.1', { protocol: 2 }));
  for (let from = 0; from < keys; from += SEED_AT_ONCE) {
    const pipelines = clients.map((client) => client.pipeline());
    for (let n = from; n < Math.min(keys, from + SEED_AT_ONCE); n += 1) {
      const key = `${move.source}_text_chunks:${how === 'renamed' ? `{doc${n}}` : n}`;
      // As startRedisCluster shares the slots out.
      const at = [5_461, 10_922].filter((first) => keySlot(key) >= first).length;
      pipelines[ports.length === 1 ? 0 : at]?.set(key, `${n} `.repeat(60));
    }
    await Promise.all(pipelines.map((pipeline) => pipeline.exec()));
  }
  for (const client of clients) client.disconnect();
}

async function empty(port: number): Promise<void> {
  const client = new Redis(port, '127.0.0.1', { protocol: 2 });
  await client.flushall();
  client.disconnect();
}

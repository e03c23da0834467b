import neo4j from 'neo4j-driver';
import type { Move } from '../../src/model/move.ts';
import { graphStage } from '../../src/stages/graph.ts';
import { qdrantStage } from '../../src/stages/qdrant.ts';
import { redisStage } from '../../src/stages/redis.ts';
import type { Stage, StagePlan } from '../../src/stages/stage.ts';
import { openGraphReader, openGraphWriter } from '../../src/stores/graph/graph-store.ts';
import { openQdrantReader, openQdrantWriter } from '../../src/stores/qdrant/qdrant-store.ts';
import { openRedisReader, openRedisWriter } from '../../src/stores/redis/redis-store.ts';
import { applyContext, drain, planContext, total } from '../../test/support/stage-context.ts';
import { guideTenant } from '../seed/tenant-size.ts';
import { seedTenant } from '../seed.ts';
import { startNeo4j } from '../services/neo4j.ts';
import { startRedis } from '../services/redis.ts';
import { startStandIn } from '../services/stand-ins.ts';
import type { Row } from './row.ts';
import { type SlowLink, startSlowLink, through } from './slow-link.ts';
import { median, timed } from './there-and-back.ts';
import { withUndoLog } from './undo-log.ts';

/** Round trips that the link adds, ms. */
const LATENCIES = [0, 10, 50, 200];
/** A setting that needs longer by the link alone, ms, is not the best one. */
const HOPELESS_MS = 1_500;
/** Settings that are measured again beside what the stage chooses for itself. */
const FINALISTS = 2;
/** Of the speed of the best fixed setting. */
const GOAL = 0.7;

/** A setting of the operator's. */
interface Fixed {
  readonly batchSize: number;
  readonly concurrency: number;
}

/** One store with a tenant in it. */
interface Linked<R, W extends R, P extends StagePlan> {
  readonly stage: Stage<R, W, P>;
  readonly records: number;
  readonly url: string;
  readonly grid: readonly Fixed[];
  readonly note?: string;
  openReader(url: string): Promise<R & { close(): Promise<void> }>;
  openWriter(url: string): Promise<W & { close(): Promise<void> }>;
}

interface LinksBench {
  readonly repeat: number;
  log(line: string): void;
}

/** Ids of its own: the graph may be one that others use. */
const move: Move = { source: `links_${process.pid}`, target: `links_${process.pid}_moved` };
const nothing = { tenant: move.source, keys: 0, points: {}, nodes: 0, relationships: 0 };

/** What a stage chooses for itself against fixed sizes of batches and numbers of requests, over links of different length. */
export async function benchLinks(options: LinksBench): Promise<readonly Row[]> {
  return [...(await redisLinks(options)), ...(await qdrantLinks(options)), ...(await graphLinks(options))];
}

async function redisLinks(options: LinksBench): Promise<readonly Row[]> {
  const records = 40_000;
  const server = await startRedis();
  try {
    options.log(`links: seeding ${records} keys`);
    await seedTenant({ ...nothing, keys: records }, { redisUrl: server.url });
    const settings = (url: string) => {
      const port = Number(new URL(url).port);
      const times = { connectTimeoutMs: 5_000, replyTimeoutMs: 60_000 };
      return { host: '127.0.0.1', port, db: 0, clientName: 'bench', ...times };
    };
    return await overLinks(
      {
        stage: redisStage,
        records,
        url: server.url,
        grid: grid([200, 1_000, 5_000], [1, 4, 16]),
        openReader: (url) => openRedisReader(settings(url)),
        openWriter: (url) => openRedisWriter(settings(url)),
      },
      options,
    );
  } finally {
    await server.stop();
  }
}

async function qdrantLinks(options: LinksBench): Promise<readonly Row[]> {
  const given = process.env.TEST_QDRANT_URL;
  const standIn = given === undefined ? await startStandIn('qdrant') : undefined;
  const url = given ?? standIn?.url ?? '';
  try {
    const { points } = guideTenant;
    const records = Object.values(points).reduce((sum, count) => sum + count, 0);
    options.log(`links: seeding ${records} points`);
    await seedTenant({ ...nothing, points }, { qdrantUrl: url });
    return await overLinks(
      {
        stage: qdrantStage,
        records,
        url,
        grid: grid([500, 2_000, 10_000], [1, 4, 16]),
        ...(standIn === undefined ? {} : { note: 'Qdrant simulated' }),
        openReader: (at) => openQdrantReader({ url: at, timeoutMs: 60_000 }),
        openWriter: (at) => openQdrantWriter({ url: at, timeoutMs: 60_000 }),
      },
      options,
    );
  } finally {
    await standIn?.stop();
  }
}

async function graphLinks(options: LinksBench): Promise<readonly Row[]> {
  const given = process.env.TEST_GRAPH_URL;
  const server = given === undefined ? await startNeo4j({ log: options.log }) : undefined;
  const url = given ?? server?.url ?? '';
  try {
    const records = 30_000;
    options.log(`links: seeding ${records} nodes`);
    await seedTenant({ ...nothing, nodes: records, relationships: 100 }, { graphUrl: url });
    return await overLinks(
      {
        stage: graphStage(),
        records,
        url,
        grid: grid([1_000, 5_000, 20_000], [1, 4, 12]),
        openReader: (at) => openGraphReader({ url: at, connectTimeoutMs: 10_000 }),
        openWriter: (at) => openGraphWriter({ url: at, connectTimeoutMs: 10_000 }),
      },
      options,
    );
  } finally {
    if (given !== undefined) await removeNodes(given);
    await server?.stop();
  }
}

/** From a server that others use. */
async function removeNodes(url: string): Promise<void> {
  const driver = neo4j.driver(url);
  try {
    const session = driver.session();
    for (const label of [move.source, move.target])
      await session.run(`MATCH (n:\`${label}\`) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS`);
    await session.close();
  } finally {
    await driver.close();
  }
}

function grid(sizes: readonly number[], atOnce: readonly number[]): readonly Fixed[] {
  return sizes.flatMap((batchSize) => atOnce.map((concurrency) => ({ batchSize, concurrency })));
}

async function overLinks<R, W extends R, P extends StagePlan>(
  store: Linked<R, W, P>,
  options: LinksBench,
): Promise<readonly Row[]> {
  const reader = await store.openReader(store.url);
  const rows: Row[] = [];
  try {
    // Planned without the link: what is measured is how it is filled, and a plan holds as long as all goes back again.
    const there = await store.stage.plan([move], planContext(reader));
    for (const latencyMs of LATENCIES) {
      const link = await startSlowLink(Number(new URL(store.url).port), latencyMs / 2);
      try {
        rows.push(await overLink(store, { link, latencyMs, there }, options));
      } finally {
        await link.stop();
      }
    }
    return rows;
  } finally {
    await reader.close();
  }
}

interface Way<P> {
  readonly link: SlowLink;
  readonly latencyMs: number;
  readonly there: P;
}

async function overLink<R, W extends R, P extends StagePlan>(
  store: Linked<R, W, P>,
  { link, latencyMs, there }: Way<P>,
  { repeat, log }: LinksBench,
): Promise<Row> {
  const { stage, records } = store;
  const [near, far] = [await store.openWriter(store.url), await store.openWriter(through(store.url, link))];
  const apply = (fixed: Fixed | undefined): Promise<number> =>
    withUndoLog(stage.name, async (undo) => {
      const context = await applyContext(far, { undo, options: fixed ?? {} });
      const ms = await timed(async () => {
        const moved = total(await drain(stage.apply(there, context)), 'moved');
        if (moved !== records) throw new Error(`${moved} records were moved, there are ${records}`);
      });
      await drain(stage.undo(there, await applyContext(near, { undo })));
      return ms;
    });
  try {
    await apply(undefined);
    const hopeful = await inOrderOfSpeed(store, { latencyMs, apply, log });
    // Measured anew: the fastest of many that were measured once owes much to luck.
    const contenders = [undefined, ...hopeful.slice(0, FINALISTS)];
    const samples = contenders.map((): number[] => []);
    for (let round = 0; round < repeat; round += 1)
      for (const [index, fixed] of contenders.entries()) samples[index]?.push(await apply(fixed));
    const [ours = 0, ...others] = samples.map(median);
    log(`links: ${stage.name} +${latencyMs} ms: ${Math.round(ours)} ms, fixed ${others.map(Math.round).join(', ')} ms`);
    const best = Math.min(...others);
    return rowOf(store, { latencyMs, ours, best, fixed: hopeful[others.indexOf(best)] });
  } finally {
    await Promise.all([near.close(), far.close()]);
  }
}

/** What a measurement must know of the store. */
interface Measured {
  readonly stage: { readonly name: string };
  readonly records: number;
  readonly grid: readonly Fixed[];
  readonly note?: string;
}

/** The settings of the grid that are not hopeless, the fastest first. */
async function inOrderOfSpeed(
  { stage, records, grid: all }: Measured,
  {
    latencyMs,
    apply,
    log,
  }: {
    readonly latencyMs: number;
    apply(fixed: Fixed): Promise<number>;
    log(line: string): void;
  },
): Promise<readonly Fixed[]> {
  const measured: { readonly fixed: Fixed; readonly ms: number }[] = [];
  for (const fixed of all) {
    if ((records / fixed.batchSize / fixed.concurrency) * latencyMs > HOPELESS_MS) continue;
    measured.push({ fixed, ms: await apply(fixed) });
  }
  measured.sort((a, b) => a.ms - b.ms);
  const told = measured.map(({ fixed, ms }) => `${fixed.concurrency} × ${fixed.batchSize} ${Math.round(ms)} ms`);
  log(`links: ${stage.name} +${latencyMs} ms: ${told.join(', ')}`);
  return measured.map(({ fixed }) => fixed);
}

function rowOf(
  { stage, records, note }: Measured,
  measured: { latencyMs: number; ours: number; best: number; fixed: Fixed | undefined },
): Row {
  const { latencyMs, ours, best, fixed } = measured;
  const ratio = best / ours;
  const how = `best fixed: ${fixed?.concurrency} × ${fixed?.batchSize.toLocaleString('en')}`;
  return {
    section: `${stage.name} ${records.toLocaleString('en')} +${latencyMs} ms`,
    what: 'apply',
    unit: 'ms',
    against: { name: 'best', value: best },
    ours,
    ratio,
    goal: `≥ ${GOAL}`,
    reached: ratio >= GOAL,
    note: note === undefined ? how : `${how}; ${note}`,
  };
}

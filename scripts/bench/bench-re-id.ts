import { Pool } from 'undici';
import { qdrantStage } from '../../src/stages/qdrant.ts';
import { openQdrantReader, openQdrantWriter } from '../../src/stores/qdrant/qdrant-store.ts';
import { applyContext, drain, planContext, total } from '../../test/support/stage-context.ts';
import { pointId } from '../seed/point-id.ts';
import { seedPoints } from '../seed/seed-qdrant.ts';
import { startStandIn } from '../services/stand-ins.ts';
import { overFloor, type Row } from './row.ts';
import { median, timed } from './there-and-back.ts';
import { withUndoLog } from './undo-log.ts';

const move = { source: 'siraya', target: 'tenant_76920508' };
/** Points by dimensions: about the same bytes. */
const SIZES = [
  { dimensions: 64, count: 4_000, page: 500 },
  { dimensions: 1_024, count: 400, page: 200 },
] as const;
const IN_FLIGHT = 4;
/** Vectors of points that keep their ids are not read: more points, short vectors. */
const KEPT_POINTS = 20_000;
const KEPT_DIMENSIONS = 4;
/** Points in one page of ids. */
const ID_PAGE = 10_000;
type Step = 'plan' | 'apply' | 'verify' | 'finalize' | 'plan, ids kept' | 'apply, ids kept';
/** What each step may take of its floor; the others are told without a goal. */
const GOALS: Readonly<Partial<Record<Step, number>>> = { apply: 1.5, finalize: 2, 'apply, ids kept': 1.2 };

/**
 * Points that get new ids, step by step against bare loops: apply against scroll with vectors and upsert, finalize against
 * one read with vectors and deletes, plan and verify against one pass over the ids with what tells them apart. And points
 * that keep theirs: `auto`, which must find that out, against `payload`.
 */
export async function benchReId({
  repeat,
  log,
}: {
  readonly repeat: number;
  log(line: string): void;
}): Promise<readonly Row[]> {
  const given = process.env.TEST_QDRANT_URL;
  const standIn = given === undefined ? await startStandIn('qdrant') : undefined;
  const url = given ?? standIn?.url ?? '';
  const pool = new Pool(url, { connections: 8 });
  try {
    const rows: Row[] = [];
    for (const size of SIZES) {
      const { dimensions, count } = size;
      log(`qdrant: seeding ${count} points of ${dimensions} dimensions`);
      add(size, await measure({ url, pool, repeat, ...size }));
    }
    log(`qdrant: seeding ${KEPT_POINTS} points that keep their ids`);
    add({ count: KEPT_POINTS, dimensions: KEPT_DIMENSIONS }, await measureKept({ url, pool, repeat }));
    return rows;

    function add({ count, dimensions }: Pick<How, 'count' | 'dimensions'>, measured: Steps): void {
      for (const [step, { floor, ours }] of Object.entries(measured) as [Step, Measured][]) {
        const most = GOALS[step];
        rows.push(
          overFloor({
            section: `qdrant ${count.toLocaleString('en')} × ${dimensions.toLocaleString('en')} loopback`,
            what: `re-id ${step}`,
            floor: median(floor),
            ours: median(ours),
            ...(most === undefined ? {} : { most }),
            note: standIn === undefined ? 'real Qdrant' : 'Qdrant simulated',
          }),
        );
      }
    }
  } finally {
    await pool.close();
    await standIn?.stop();
  }
}

interface How {
  readonly url: string;
  readonly pool: Pool;
  readonly repeat: number;
  readonly dimensions: number;
  readonly count: number;
  readonly page: number;
}

/** Milliseconds of the rounds. */
interface Measured {
  readonly floor: number[];
  readonly ours: number[];
}

type Steps = Readonly<Partial<Record<Step, Measured>>>;

async function measure(how: How): Promise<Steps> {
  const { url, pool, repeat, dimensions, count } = how;
  const collection = `bench_re_id_${dimensions}`;
  const about = { qdrantUrl: url, seed: 1, tenant: move.source, collection, idScheme: 'lightrag' } as const;
  await seedPoints({ ...about, count, dimensions });
  const reader = await openQdrantReader({ url, timeoutMs: 60_000 });
  const writer = await openQdrantWriter({ url, timeoutMs: 60_000 });
  const steps = { plan: empty(), apply: empty(), verify: empty(), finalize: empty() };
  try {
    for (let round = 0; round <= repeat; round += 1) {
      const pass = await timed(async () => passBare(pool, collection));
      const floor = {
        plan: pass,
        verify: pass,
        apply: await timed(async () => copyBare(pool, collection, how)),
        finalize: await timed(async () => deleteBare(pool, collection, how)),
      };
      const started = performance.now();
      const planned = await qdrantStage.plan([move], planContext(reader));
      const planning = performance.now() - started;
      const ours = await withUndoLog('qdrant', async (undo) => {
        const context = await applyContext(writer, { undo });
        const times = {
          plan: planning,
          apply: await timed(async () => {
            const moved = total(await drain(qdrantStage.apply(planned, context)), 'moved');
            if (moved !== count) throw new Error(`${moved} points were copied, there are ${count}`);
          }),
          verify: await timed(async () => qdrantStage.verify(planned, 'applied', context)),
          finalize: await timed(async () => drain(qdrantStage.finalize(planned, context))),
        };
        await drain(qdrantStage.undo(planned, context));
        return times;
      });
      // The first round warms up.
      if (round === 0) continue;
      for (const step of ['plan', 'apply', 'verify', 'finalize'] as const) {
        steps[step].floor.push(floor[step]);
        steps[step].ours.push(ours[step]);
      }
    }
    return steps;
  } finally {
    await Promise.all([reader.close(), writer.close()]);
    await send(pool, 'DELETE', `/collections/${collection}`);
  }
}

/** Points whose ids derive from nobody. */
async function measureKept(how: Pick<How, 'url' | 'pool' | 'repeat'>): Promise<Steps> {
  const { url, pool, repeat } = how;
  const collection = 'bench_re_id_kept';
  const about = { qdrantUrl: url, seed: 1, tenant: move.source, collection, idScheme: 'random' } as const;
  await seedPoints({ ...about, count: KEPT_POINTS, dimensions: KEPT_DIMENSIONS });
  const reader = await openQdrantReader({ url, timeoutMs: 60_000 });
  const writer = await openQdrantWriter({ url, timeoutMs: 60_000 });
  const times = { plan: empty(), apply: empty() };
  const moved = async (qdrantMode: 'payload' | 'auto') =>
    withUndoLog('qdrant', async (undo) => {
      const options = { qdrantMode };
      const context = await applyContext(writer, { undo, options });
      const started = performance.now();
      const plan = await qdrantStage.plan([move], planContext(reader, { options }));
      const planning = performance.now() - started;
      const applying = await timed(async () => drain(qdrantStage.apply(plan, context)));
      await drain(qdrantStage.undo(plan, context));
      return { plan: planning, apply: applying };
    });
  try {
    for (let round = 0; round <= repeat; round += 1) {
      const [floor, ours] = [await moved('payload'), await moved('auto')];
      if (round === 0) continue;
      for (const step of ['plan', 'apply'] as const) {
        times[step].floor.push(floor[step]);
        times[step].ours.push(ours[step]);
      }
    }
    return { 'plan, ids kept': times.plan, 'apply, ids kept': times.apply };
  } finally {
    await Promise.all([reader.close(), writer.close()]);
    await send(pool, 'DELETE', `/collections/${collection}`);
  }
}

function empty(): Measured {
  return { floor: [], ours: [] };
}

/** One pass over the ids with what tells them apart. */
async function passBare(pool: Pool, collection: string): Promise<void> {
  const filter = { must: [{ key: 'workspace_id', match: { value: move.source } }] };
  for await (const _ of pages(pool, collection, { filter, limit: ID_PAGE, with_payload: ['id'] }));
}

/** As fast as a plain loop can: one read of all that goes, with vectors, and deletes by id, several under way; no look at the copies. */
async function deleteBare(pool: Pool, collection: string, { page }: How): Promise<void> {
  const running = new Set<Promise<unknown>>();
  const filter = { must: [{ key: 'workspace_id', match: { value: move.target } }] };
  for await (const points of pages(pool, collection, { filter, limit: page, with_payload: true, with_vector: true })) {
    const body = { points: points.map(({ id }) => id) };
    const path = `/collections/${collection}/points/delete?wait=true`;
    const sent: Promise<unknown> = send(pool, 'POST', path, body).finally(() => running.delete(sent));
    running.add(sent);
    if (running.size >= IN_FLIGHT) await Promise.race(running);
  }
  await Promise.all(running);
}

async function* pages(pool: Pool, collection: string, request: object): AsyncGenerator<Scrolled['result']['points']> {
  let offset: unknown;
  do {
    const path = `/collections/${collection}/points/scroll`;
    const { result } = (await send(pool, 'POST', path, { ...request, offset })) as Scrolled;
    yield result.points;
    offset = result.next_page_offset;
  } while (offset !== null && offset !== undefined);
}

interface Scrolled {
  readonly result: {
    readonly points: readonly {
      readonly id: unknown;
      readonly vector: unknown;
      readonly payload: { readonly id: string };
    }[];
    readonly next_page_offset?: unknown;
  };
}

/** As fast as a plain loop can: page by page, several upserts under way, no log, no look, nothing read back. */
async function copyBare(pool: Pool, collection: string, { page }: How): Promise<void> {
  const running = new Set<Promise<unknown>>();
  const filter = { must: [{ key: 'workspace_id', match: { value: move.source } }] };
  for await (const olds of pages(pool, collection, { filter, limit: page, with_payload: true, with_vector: true })) {
    const points = olds.map(({ vector, payload }) => ({
      id: pointId('lightrag', Math.random, move.target, payload.id),
      vector,
      payload: { ...payload, workspace_id: move.target },
    }));
    const path = `/collections/${collection}/points?wait=true`;
    const sent: Promise<unknown> = send(pool, 'PUT', path, { points }).finally(() => running.delete(sent));
    running.add(sent);
    if (running.size >= IN_FLIGHT) await Promise.race(running);
  }
  await Promise.all(running);
}

async function send(pool: Pool, method: 'POST' | 'PUT' | 'DELETE', path: string, body?: object): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  const reply = await pool.request({ method, path, headers, body: body === undefined ? null : JSON.stringify(body) });
  if (reply.statusCode !== 200) throw new Error(`${method} ${path}: ${reply.statusCode} ${await reply.body.text()}`);
  return reply.body.json();
}

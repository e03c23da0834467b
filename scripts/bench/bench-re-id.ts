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

/** Points that get new ids: apply against a bare loop of scroll with vectors and upsert. */
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
      const { floor, ours } = await measure({ url, pool, repeat, ...size });
      rows.push(
        overFloor({
          section: `qdrant ${count.toLocaleString('en')} × ${dimensions.toLocaleString('en')} loopback`,
          what: 're-id apply',
          floor,
          ours,
          most: 1.5,
          note: standIn === undefined ? '' : 'Qdrant simulated',
        }),
      );
    }
    return rows;
  } finally {
    await pool.close();
    await standIn?.stop();
  }
}

interface Measured {
  readonly url: string;
  readonly pool: Pool;
  readonly repeat: number;
  readonly dimensions: number;
  readonly count: number;
  readonly page: number;
}

async function measure(how: Measured): Promise<{ readonly floor: number; readonly ours: number }> {
  const { url, pool, repeat, dimensions, count } = how;
  const collection = `bench_re_id_${dimensions}`;
  const about = { qdrantUrl: url, seed: 1, tenant: move.source, collection, idScheme: 'lightrag' } as const;
  await seedPoints({ ...about, count, dimensions });
  const reader = await openQdrantReader({ url, timeoutMs: 60_000 });
  const writer = await openQdrantWriter({ url, timeoutMs: 60_000 });
  const [floors, all]: [number[], number[]] = [[], []];
  try {
    for (let round = 0; round <= repeat; round += 1) {
      const floor = await timed(async () => copyBare(pool, collection, how));
      const filter = { must: [{ key: 'workspace_id', match: { value: move.target } }] };
      await send(pool, 'POST', `/collections/${collection}/points/delete?wait=true`, { filter });
      const plan = await qdrantStage.plan([move], planContext(reader));
      const ours = await withUndoLog('qdrant', async (undo) => {
        const context = await applyContext(writer, { undo });
        const ms = await timed(async () => {
          const moved = total(await drain(qdrantStage.apply(plan, context)), 'moved');
          if (moved !== count) throw new Error(`${moved} points were copied, there are ${count}`);
        });
        await drain(qdrantStage.undo(plan, context));
        return ms;
      });
      // The first round warms up.
      if (round > 0) floors.push(floor);
      if (round > 0) all.push(ours);
    }
    return { floor: median(floors), ours: median(all) };
  } finally {
    await Promise.all([reader.close(), writer.close()]);
    await send(pool, 'DELETE', `/collections/${collection}`);
  }
}

interface Scrolled {
  readonly result: {
    readonly points: readonly { readonly vector: unknown; readonly payload: { readonly id: string } }[];
    readonly next_page_offset?: unknown;
  };
}

/** As fast as a plain loop can: page by page, several upserts under way, no log, no look, nothing read back. */
async function copyBare(pool: Pool, collection: string, { page }: Measured): Promise<void> {
  const running = new Set<Promise<unknown>>();
  const path = `/collections/${collection}/points`;
  const filter = { must: [{ key: 'workspace_id', match: { value: move.source } }] };
  let offset: unknown;
  do {
    const body = { filter, limit: page, with_payload: true, with_vector: true, offset };
    const { result } = (await send(pool, 'POST', `${path}/scroll`, body)) as Scrolled;
    const points = result.points.map(({ vector, payload }) => ({
      id: pointId('lightrag', Math.random, move.target, payload.id),
      vector,
      payload: { ...payload, workspace_id: move.target },
    }));
    const sent: Promise<unknown> = send(pool, 'PUT', `${path}?wait=true`, { points }).finally(() =>
      running.delete(sent),
    );
    running.add(sent);
    if (running.size >= IN_FLIGHT) await Promise.race(running);
    offset = result.next_page_offset;
  } while (offset !== null && offset !== undefined);
  await Promise.all(running);
}

async function send(pool: Pool, method: 'POST' | 'PUT' | 'DELETE', path: string, body?: object): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  const reply = await pool.request({ method, path, headers, body: body === undefined ? null : JSON.stringify(body) });
  if (reply.statusCode !== 200) throw new Error(`${method} ${path}: ${reply.statusCode} ${await reply.body.text()}`);
  return reply.body.json();
}

import { Pool } from 'undici';
import type { Move } from '../../src/model/move.ts';
import { idPageSize, writeBatchSize } from '../../src/stages/qdrant/page-sizes.ts';
import { qdrantStage } from '../../src/stages/qdrant.ts';
import type { StrictLimits } from '../../src/stores/qdrant/collection-facts.ts';
import { openQdrantReader, openQdrantWriter } from '../../src/stores/qdrant/qdrant-store.ts';
import { applyContext, drain, planContext, total } from '../../test/support/stage-context.ts';
import { guideTenant, neighbours } from '../seed/tenant-size.ts';
import { seedTenant } from '../seed.ts';
import { startStandIn } from '../services/stand-ins.ts';
import { updateLikeTheGuide } from './baseline.ts';
import { extrapolation, overFloor, overOurs, type Row } from './row.ts';
import { thereAndBack, timed } from './there-and-back.ts';
import { withUndoLog } from './undo-log.ts';

const move: Move = { source: 'siraya', target: 'tenant_76920508' };
const noLimits: StrictLimits = {
  maxQueryLimit: undefined,
  conditionMaxSize: undefined,
  writeRateLimit: undefined,
  filterMaxConditions: undefined,
  upsertMaxBatch: undefined,
  maxPoints: undefined,
  maxVectorBytes: undefined,
  maxPayloadBytes: undefined,
  maxIndexes: undefined,
  readRateLimit: undefined,
  refusesExact: false,
  readNeedsIndex: false,
  writeNeedsIndex: false,
};
const sizes = { page: idPageSize(noLimits), batch: writeBatchSize(noLimits, undefined), inFlight: 4 };
const points = Object.values(guideTenant.points).reduce((sum, count) => sum + count, 0);
/** Pages of 100 that the baseline moves, of the largest collection. */
const BASELINE_PAGES = 30;

/** Qdrant: floor, apply alone, plan + apply + verify, and the guide's way, at the guide's size. */
export async function benchQdrant({
  repeat,
  log,
}: {
  repeat: number;
  log(line: string): void;
}): Promise<readonly Row[]> {
  const given = process.env.TEST_QDRANT_URL;
  const standIn = given === undefined ? await startStandIn('qdrant') : undefined;
  const url = given ?? standIn?.url ?? '';
  const reader = await openQdrantReader({ url, timeoutMs: 60_000 });
  const writer = await openQdrantWriter({ url, timeoutMs: 60_000 });
  const pool = new Pool(url, { connections: 8 });
  try {
    log(`qdrant: seeding ${points} points${standIn === undefined ? '' : ' into the stand-in (simulated)'}`);
    for (const size of [guideTenant, ...neighbours])
      await seedTenant({ ...size, keys: 0, nodes: 0 }, { qdrantUrl: url });
    const apply = async (one: Move): Promise<number> => {
      const plan = await qdrantStage.plan([one], planContext(reader));
      return withUndoLog('qdrant', async (undo) => {
        const context = await applyContext(writer, { undo });
        return timed(async () => expectAll(total(await drain(qdrantStage.apply(plan, context)), 'moved')));
      });
    };
    const whole = async (one: Move): Promise<void> => {
      const plan = await qdrantStage.plan([one], planContext(reader));
      await withUndoLog('qdrant', async (undo) => {
        const context = await applyContext(writer, { undo });
        expectAll(total(await drain(qdrantStage.apply(plan, context)), 'moved'));
      });
      const findings = await qdrantStage.verify(plan, 'applied', planContext(reader));
      if (findings.some(({ severity }) => severity === 'difference')) throw new Error(JSON.stringify(findings));
    };
    const [floor = 0, ours = 0, all = 0] = await thereAndBack(
      [
        { name: 'floor', run: (one) => timed(async () => expectAll(await setBare(pool, one))) },
        { name: 'apply', run: apply },
        { name: 'plan + apply + verify', run: (one) => timed(() => whole(one)) },
      ],
      { move, repeat },
    );
    log("qdrant: the guide's way");
    const collection = 'lightrag_vdb_relationships';
    const baseline = await updateLikeTheGuide({ qdrantUrl: url, collection, move }, { pages: BASELINE_PAGES, points });
    const simulated = standIn === undefined ? '' : 'Qdrant simulated';
    const note = [simulated, extrapolation(baseline).note].filter(Boolean).join('; ');
    const section = `qdrant ${points.toLocaleString('en')} loopback`;
    return [
      overFloor({ section, what: 'apply', floor, ours, most: 1.5, note: simulated }),
      overFloor({ section, what: 'plan + apply + verify', floor, ours: all, note: simulated }),
      overOurs({ section, what: 'apply', baseline: baseline.ms, ours, least: 20, note }),
    ];
  } finally {
    await Promise.all([reader.close(), writer.close(), pool.close()]);
    await standIn?.stop();
  }
}

/** Sets the field as fast as a plain loop can: ids page by page, several writes under way, no log, no guard. */
async function setBare(pool: Pool, { source, target }: Move): Promise<number> {
  const running = new Set<Promise<unknown>>();
  let set = 0;
  for (const collection of Object.keys(guideTenant.points)) {
    const path = `/collections/${collection}/points`;
    const filter = { must: [{ key: 'workspace_id', match: { value: source } }] };
    let offset: unknown;
    do {
      const page = { filter, limit: sizes.page, with_payload: false, with_vector: false, offset };
      const { result } = (await post(pool, `${path}/scroll`, page)) as Scrolled;
      const ids = result.points.map(({ id }) => id);
      for (let at = 0; at < ids.length; at += sizes.batch) {
        const body = { payload: { workspace_id: target }, points: ids.slice(at, at + sizes.batch) };
        const sent: Promise<unknown> = post(pool, `${path}/payload?wait=true`, body).finally(() =>
          running.delete(sent),
        );
        running.add(sent);
        if (running.size >= sizes.inFlight) await Promise.race(running);
      }
      set += ids.length;
      offset = result.next_page_offset;
    } while (offset !== null && offset !== undefined);
  }
  await Promise.all(running);
  return set;
}

interface Scrolled {
  readonly result: { readonly points: readonly { readonly id: unknown }[]; readonly next_page_offset?: unknown };
}

async function post(pool: Pool, path: string, body: unknown): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  const reply = await pool.request({ method: 'POST', path, headers, body: JSON.stringify(body) });
  if (reply.statusCode !== 200) throw new Error(`POST ${path}: ${reply.statusCode} ${await reply.body.text()}`);
  return reply.body.json();
}

function expectAll(moved: number): void {
  if (moved !== points) throw new Error(`${moved} points were moved, there are ${points}`);
}

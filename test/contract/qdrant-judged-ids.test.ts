import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { qdrantStage } from '../../src/stages/qdrant.ts';
import type { QdrantWriter } from '../../src/stores/qdrant/qdrant-reader.ts';
import { openQdrantWriter } from '../../src/stores/qdrant/qdrant-store.ts';
import { entity, lightRagId, reIdRun } from '../support/qdrant-re-id.ts';
import { startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { FIELD } from '../support/qdrant-tenants.ts';
import { QdrantWorld } from '../support/qdrant-world.ts';
import { drain } from '../support/stage-context.ts';

const POINTS = 2_500;
const PAGE = 400;

describe('ids that derive from nobody', () => {
  let server: Awaited<ReturnType<typeof startQdrantStandIn>>;
  let world: QdrantWorld;
  let store: QdrantWriter;
  let collection: string;
  let move: { readonly source: string; readonly target: string };

  beforeEach(async () => {
    server = await startQdrantStandIn();
    world = new QdrantWorld(server.url);
    store = await openQdrantWriter({ url: server.url, timeoutMs: 20_000 });
    move = { source: world.name('acme'), target: world.name('moved') };
    collection = await world.collection('foreign', { vectors: { size: 1, distance: 'Dot' } }, { field: FIELD });
    await world.upsert(
      collection,
      Array.from({ length: POINTS }, (_, index) => foreignPoint(index)),
    );
    const strict_mode_config = { enabled: true, max_query_limit: PAGE };
    await world.send('PATCH', `/collections/${collection}`, { strict_mode_config });
  });
  afterEach(async () => {
    await store.close();
    await server.close();
  });

  /** Hashes as LightRAG's are, made of something else. */
  const foreignPoint = (index: number) => {
    const hex = createHash('sha256').update(`nobody ${index}`).digest('hex');
    const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
    return JSON.stringify({ id, vector: [1], payload: { [FIELD]: move.source, id: `ent-${index}` } });
  };
  /** Pages of the source that were read since so many requests, by the payload that came with the ids. */
  const pages = (since: number): Readonly<Record<string, number>> => {
    const counts: Record<string, number> = {};
    for (const { path, body } of server.requests.slice(since)) {
      if (!path.includes('/points/scroll') || !body?.includes(`"${move.source}"`)) continue;
      const name = JSON.stringify((JSON.parse(body) as { with_payload: unknown }).with_payload);
      counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  };

  it('are judged in the one pass of the plan, and set without reading a payload again', async () => {
    const run = await reIdRun(store, move);
    expect(pages(0)).toEqual({ [`["${FIELD}","id"]`]: Math.ceil(POINTS / PAGE) });
    const since = server.requests.length;
    await drain(qdrantStage.apply(run.plan, run.ctx));
    expect(pages(since)).toEqual({ false: Math.ceil(POINTS / PAGE) });
    expect(await store.count({ collection, match: { field: FIELD, value: move.target } })).toBe(POINTS);
  });

  it('do not hide the only one among them that derives from the source, wherever it stands', async () => {
    const rare = lightRagId(move.source, 'ent-1');
    await world.upsert(collection, [narrow(entity(move.source, 1))]);
    const run = await reIdRun(store, move);
    expect(run.plan.collections).toMatchObject([{ source: POINTS + 1, reId: { points: 1, copied: 0 } }]);
    expect(await run.apply()).toEqual([]);
    expect(await run.finalize()).toEqual([]);
    const { points } = await world.state(collection);
    expect([points[rare], points[lightRagId(move.target, 'ent-1')]]).toEqual([undefined, expect.any(String)]);
    expect(Object.keys(points)).toHaveLength(POINTS + 1);
    await run.undo();
    expect((await world.state(collection)).points[rare]).toContain(`"${move.source}"`);
  });

  it('do not hide one that came after the plan', async () => {
    const run = await reIdRun(store, move);
    const late = entity(move.source, 2);
    await world.upsert(collection, [narrow(late)]);
    const since = server.requests.length;
    await drain(qdrantStage.apply(run.plan, run.ctx));
    // From the page on that is not as it was.
    expect(pages(since)['["id"]']).toBeGreaterThan(0);
    await drain(qdrantStage.finalize(run.plan, run.ctx));
    const { points } = await world.state(collection);
    const wanted = [lightRagId(move.source, 'ent-2'), lightRagId(move.target, 'ent-2')];
    expect(wanted.map((id) => points[id] !== undefined)).toEqual([false, true]);
  });
});

/** The point with a vector of one dimension. */
function narrow(point: string): string {
  return point.replace(/"vector":\[[^\]]*\]/, '"vector":[2]');
}

import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { ragApi } from '../../src/profiles/rag-api.ts';
import { qdrantBackup } from '../../src/stages/qdrant/backup.ts';
import { qdrantStage } from '../../src/stages/qdrant.ts';
import type { QdrantWriter } from '../../src/stores/qdrant/qdrant-reader.ts';
import { openQdrantWriter } from '../../src/stores/qdrant/qdrant-store.ts';
import { keptPart, restoreContext, restored, stoppedAfter } from '../support/backup-part.ts';
import { startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { chunkId, FIELD, makeTenants, type Tenants } from '../support/qdrant-tenants.ts';
import { QdrantWorld } from '../support/qdrant-world.ts';
import { applyContext, drain, planContext, total } from '../support/stage-context.ts';

const realUrl = inject('qdrantUrl') || process.env.TEST_QDRANT_URL;
const servers = [
  { server: 'stand-in', start: () => startQdrantStandIn() },
  ...(realUrl ? [{ server: 'real server', start: async () => ({ url: realUrl, close: async () => undefined }) }] : []),
];

describe.each(servers)('a backup of Qdrant points ($server)', ({ start }) => {
  let server: { readonly url: string; close(): Promise<void> };
  let world: QdrantWorld;
  let tenants: Tenants;
  let store: QdrantWriter;

  beforeEach(async () => {
    server = await start();
    world = new QdrantWorld(server.url);
    tenants = await makeTenants(world);
    store = await openQdrantWriter({ url: server.url, timeoutMs: 20_000 });
  });
  afterEach(async () => {
    await store.close();
    await world.close();
    await server.close();
  });

  const keep = () => keptPart(qdrantBackup, tenants.move.source, planContext(store));
  const restore = (part: Awaited<ReturnType<typeof keep>>) => qdrantBackup.restore(part, restoreContext(store));
  const compare = (part: Awaited<ReturnType<typeof keep>>) => qdrantBackup.compare(part, planContext(store));
  const wipe = async (collection: string) =>
    world.send('POST', `/collections/${collection}/points/delete?wait=true`, {
      filter: { must: [{ key: FIELD, match: { value: tenants.move.source } }] },
    });

  it('brings every vector, payload and number back as it was', async () => {
    const before = await world.states();
    const part = await keep();
    expect(part.written.records).toEqual({ collection: 2, point: tenants.points });
    await wipe(tenants.chunks);
    await wipe(tenants.named);
    expect(await compare(part)).toMatchObject({ absent: tenants.points, equal: 0, different: 0, work: true });
    expect(await restored(restore(part))).toBe(tenants.points);
    expect(await world.states()).toEqual(before);
    expect(await compare(part)).toMatchObject({ absent: 0, equal: tenants.points, work: false });
  });

  it('makes a collection that is gone again, with its configuration and indexes', async () => {
    const neighbours = ['eu', 'other'];
    expect(neighbours.length).toBe(2);
    const part = await keep();
    const before = await world.state(tenants.chunks);
    await world.drop(tenants.chunks);
    expect(await compare(part)).toMatchObject({ different: 0, work: true });
    await restored(restore(part));
    const after = await world.state(tenants.chunks);
    expect(after.config).toEqual(before.config);
    for (const [id, text] of Object.entries(after.points)) expect(text).toBe(before.points[id]);
    expect(JSON.stringify(after.schema)).toContain('"is_tenant":true');
  });

  it('sees a changed number as different, however it is written, and overwrites nothing', async () => {
    const part = await keep();
    await world.setPayload(tenants.chunks, chunkId(0), { one: 1 });
    await wipe(tenants.named);
    const look = await compare(part);
    expect(look).toMatchObject({ different: 1 });
    expect(look.samples[0]).toContain(chunkId(0).slice(1, -1));
    const disturbed = await world.state(tenants.chunks);
    await restored(restore(part));
    expect(await world.state(tenants.chunks)).toEqual(disturbed);
  });

  it('stopped anywhere goes on where it was', async () => {
    const before = await world.states();
    const part = await keep();
    await wipe(tenants.chunks);
    await wipe(tenants.named);
    await stoppedAfter(restore(part), 1);
    await restored(restore(part));
    expect(await world.states()).toEqual(before);
  });

  it('gives back the undo log of a move whose own is lost', async () => {
    const before = await world.states();
    const part = await keep();
    const plan = await qdrantStage.plan([tenants.move], planContext(store));
    const moving = await applyContext(store);
    await drain(qdrantStage.apply(plan, moving));
    await moving.undo.close();
    const ctx = await applyContext(store);
    for await (const entries of qdrantBackup.undoEntries(part, tenants.move, ragApi)) await ctx.undo.append(entries);
    expect(total(await drain(qdrantStage.undo(plan, ctx)), 'moved')).toBe(tenants.points);
    await ctx.undo.close();
    const after = await world.states();
    for (const [name, { points }] of Object.entries(before)) expect(after[name]?.points).toEqual(points);
  });
});

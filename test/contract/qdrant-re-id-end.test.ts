import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { qdrantStage } from '../../src/stages/qdrant.ts';
import type { QdrantWriter } from '../../src/stores/qdrant/qdrant-reader.ts';
import { openQdrantWriter } from '../../src/stores/qdrant/qdrant-store.ts';
import { ENTITIES, entity, lightRagId, makeReIdTenants, type ReIdTenants, reIdRun } from '../support/qdrant-re-id.ts';
import { startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { FIELD } from '../support/qdrant-tenants.ts';
import { QdrantWorld } from '../support/qdrant-world.ts';
import { drain } from '../support/stage-context.ts';

describe('old points at the end of a move to new ids', () => {
  let server: Awaited<ReturnType<typeof startQdrantStandIn>>;
  let world: QdrantWorld;
  let tenants: ReIdTenants;
  let store: QdrantWriter;

  beforeEach(async () => {
    server = await startQdrantStandIn();
    world = new QdrantWorld(server.url);
    tenants = await makeReIdTenants(world);
    store = await openQdrantWriter({ url: server.url, timeoutMs: 20_000 });
  });
  afterEach(async () => {
    await store.close();
    await world.close();
    await server.close();
  });

  const own = (index: number, tenant = tenants.move.source) => `"${lightRagId(tenant, `ent-${index}`)}"`;
  const idIn = (token: string) => token.slice(1, -1);

  /** Ids of which payload and vectors were asked for since so many requests. */
  const wholePoints = (since: number): readonly string[] =>
    server.requests.slice(since).flatMap(({ path, body }) => {
      const { with_vector, ids = [] } = JSON.parse(body || '{}') as { with_vector?: boolean; ids?: readonly string[] };
      if (path.includes('/scroll') && with_vector === true) throw new Error('read without being named');
      return with_vector === true ? ids : [];
    });

  it('are read once and their copies not at all, by the process that copied them and by another', async () => {
    const { move, entities } = tenants;
    const run = await reIdRun(store, move);
    await drain(qdrantStage.apply(run.plan, run.ctx));
    const later = await openQdrantWriter({ url: server.url, timeoutMs: 20_000 });
    for (const each of [store, later]) {
      const since = server.requests.length;
      await drain(qdrantStage.finalize(run.plan, { ...run.ctx, store: each }));
      const old = Array.from({ length: ENTITIES }, (_, index) => idIn(own(index)));
      const read = wholePoints(since).filter((id) => old.includes(id));
      expect(read.sort()).toEqual(old.sort());
      expect(wholePoints(since).filter((id) => id === idIn(own(1, move.target)))).toEqual([]);
      expect(Object.keys((await world.state(entities)).points).filter((id) => old.includes(id))).toEqual([]);
      // What has come back is copied anew.
      await drain(qdrantStage.undo(run.plan, run.ctx));
      await drain(qdrantStage.apply(run.plan, run.ctx));
    }
    await later.close();
  });

  it('stay or go with what was written last, wherever that was since the copies were read back', async () => {
    const { move, entities } = tenants;
    const run = await reIdRun(store, move);
    await world.upsert(entities, [entity(move.source, 0, 'first')]);
    await run.apply();
    // Copied a second time, and then given its first content back: the first copy's digest must not pass for the last's.
    await world.upsert(entities, [entity(move.source, 0, 'second')]);
    await drain(qdrantStage.apply(run.plan, run.ctx));
    await world.upsert(entities, [entity(move.source, 0, 'first')]);
    await world.setVector(entities, own(1), [9, 9, 9, 9]);
    await world.setPayload(entities, own(2, move.target), { content: 'newer under the new id' });
    await world.send('POST', `/collections/${entities}/points/delete?wait=true`, `{"points":[${own(3, move.target)}]}`);
    await world.setPayload(entities, own(4, move.target), { [FIELD]: 'somebody else' });
    const before = (await world.state(entities)).points;
    await drain(qdrantStage.finalize(run.plan, run.ctx));
    const { points } = await world.state(entities);
    expect(points[idIn(own(0, move.target))]).toContain('"first"');
    expect(points[idIn(own(1, move.target))]).toContain('[9.0,9.0,9.0,9.0]');
    expect(points[idIn(own(2, move.target))]).toContain('newer under the new id');
    for (const index of [0, 1, 2]) expect(points[idIn(own(index))]).toBeUndefined();
    for (const index of [3, 4]) expect(points[idIn(own(index))]).toBe(before[idIn(own(index))]);
    const left = (await qdrantStage.verify(run.plan, 'finalized', run.ctx)).filter(
      ({ kind }) => kind === 'left-behind',
    );
    expect(left).toMatchObject([{ severity: 'difference', count: 2 }]);
  });

  it('that were copied by a batch of which the end is not known are compared with their copies', async () => {
    const run = await reIdRun(store, tenants.move, { batchSize: 5 });
    const { undo } = run.ctx;
    let lost: number | undefined;
    const append: typeof undo.append = async (entries) => {
      const [entry] = entries as readonly { readonly kind: string; readonly of: number }[];
      if (entry?.kind !== 'copied' || lost !== undefined) return undo.append(entries);
      lost = entry.of;
      throw new Error('killed');
    };
    const killed = { ...run.ctx, undo: { append, read: () => undo.read() } };
    await expect(drain(qdrantStage.apply(run.plan, killed))).rejects.toThrow('killed');
    await drain(qdrantStage.apply(run.plan, run.ctx));
    const since = server.requests.length;
    await drain(qdrantStage.finalize(run.plan, run.ctx));
    const read = new Set(wholePoints(since));
    for await (const { id, entries } of undo.read()) {
      const [entry] = entries as unknown as readonly { kind: string; points: readonly [string, string][] }[];
      if (entry?.kind !== 'copy') continue;
      for (const [, to] of entry.points) expect(read.has(idIn(to))).toBe(id === lost);
    }
    expect(await qdrantStage.verify(run.plan, 'finalized', run.ctx)).toEqual([]);
  });
});

import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, inject, it, onTestFinished } from 'vitest';
import { ragApi } from '../../src/profiles/rag-api.ts';
import { qdrantBackup } from '../../src/stages/qdrant/backup.ts';
import { qdrantStage } from '../../src/stages/qdrant.ts';
import type { QdrantWriter } from '../../src/stores/qdrant/qdrant-reader.ts';
import { openQdrantWriter } from '../../src/stores/qdrant/qdrant-store.ts';
import { keptPart } from '../support/backup-part.ts';
import {
  ENTITIES,
  entity,
  lightRagId,
  makeReIdTenants,
  type ReIdTenants,
  reIded,
  reIdRun,
} from '../support/qdrant-re-id.ts';
import { startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { FIELD, loggedContext, planOf } from '../support/qdrant-tenants.ts';
import { pointsOf, QdrantWorld } from '../support/qdrant-world.ts';
import { applyContext, drain, planContext, total } from '../support/stage-context.ts';

const realUrl = inject('qdrantUrl') || process.env.TEST_QDRANT_URL;
const servers = [
  { server: 'stand-in', start: () => startQdrantStandIn() },
  ...(realUrl ? [{ server: 'real server', start: async () => ({ url: realUrl, close: async () => undefined }) }] : []),
];

describe.each(servers)('ids made from the tenant ($server)', ({ start }) => {
  let server: { readonly url: string; close(): Promise<void> };
  let world: QdrantWorld;
  let tenants: ReIdTenants;
  let store: QdrantWriter;

  beforeEach(async () => {
    server = await start();
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

  it.each(['counts', 'sample', 'full'] as const)(
    'are made from the target, float for float, and undone to the start from both ends of the run (verify %s)',
    async (verify) => {
      const before = await world.states();
      const run = await reIdRun(store, tenants.move, { verify, batchSize: 5 });
      expect(await run.apply()).toEqual([]);
      const both = await world.states();
      for (const [name, { points }] of Object.entries(before)) {
        for (const id of Object.keys(points)) expect(Object.keys(both[name]!.points)).toContain(id);
      }
      await run.undo();
      expect(await world.states()).toEqual(before);
      expect(await run.apply()).toEqual([]);
      expect(await run.finalize()).toEqual([]);
      expect(pointsOf(await world.states())).toEqual(reIded(before, tenants.move));
      await run.undo();
      expect(await world.states()).toEqual(before);
      await run.undo();
      expect(await world.states()).toEqual(before);
    },
  );

  it('are not called gone while they stand under their old ids, but once neither id is there', async () => {
    const { plan, ctx } = await reIdRun(store, tenants.move);
    const gone = async () => {
      const findings = await qdrantStage.verify(plan, 'finalized', ctx);
      return findings.flatMap(({ message, samples }) => (message.includes('are gone') ? [samples] : []));
    };
    expect(await gone()).toEqual([]);
    await world.send('POST', `/collections/${tenants.entities}/points/delete?wait=true`, `{"points":[${own(1)}]}`);
    expect(await gone()).toEqual([[own(1, tenants.move.target)]]);
  });

  it('are counted in the plan beside those that stay, with their bytes and an undo log that is large enough', async () => {
    const plan = await planOf(store, tenants.move, { batchSize: 3 });
    const { source, target } = tenants.move;
    expect(plan.moves).toEqual([{ source, target, found: tenants.points, atTarget: 0 }]);
    expect(plan.shapes.map(({ count }) => count).toSorted()).toEqual([14, 4, 8]);
    expect(plan.notices).toContainEqual(
      expect.objectContaining({ kind: 're-id', where: tenants.entities, count: ENTITIES }),
    );
    const ctx = await loggedContext(store, { options: { batchSize: 3 } });
    const events = await drain(qdrantStage.apply(plan, ctx));
    expect(total(events, 'moved')).toBe(tenants.points);
    await drain(qdrantStage.finalize(plan, ctx));
    let bytes = 0;
    for await (const batch of ctx.undo.read()) bytes += Buffer.byteLength(JSON.stringify(batch));
    expect(plan.undoBytes).toBeGreaterThanOrEqual(bytes);
    expect(plan.undoBytes).toBeLessThan(6 * bytes);
    expect((await planOf(store, tenants.move)).moves[0]).toMatchObject({ found: 0, atTarget: tenants.points });
  });

  it('killed at any batch of any step, the run goes on to the same end or back to the start', async () => {
    const before = await world.states();
    const end = reIded(before, tenants.move);
    for (let stop = 0; ; stop += 1) {
      const run = await reIdRun(store, tenants.move, { batchSize: 8 });
      const halted = { ...run.ctx, permit: stopAfter(stop) };
      const steps = async () => {
        await drain(qdrantStage.apply(run.plan, halted));
        await drain(qdrantStage.finalize(run.plan, halted));
      };
      const stopped = await steps().then(
        () => false,
        () => true,
      );
      if (stop % 2 === 0) {
        // As a continued run does: it plans anew, and compares with the first plan.
        const again = await reIdRun(store, tenants.move, { continuing: true, batchSize: 8 });
        await drain(qdrantStage.apply(again.plan, run.ctx));
        expect(differences(await qdrantStage.verify(run.plan, 'applied', run.ctx))).toEqual([]);
        await drain(qdrantStage.finalize(again.plan, run.ctx));
        expect(differences(await qdrantStage.verify(run.plan, 'finalized', run.ctx))).toEqual([]);
        expect(pointsOf(await world.states())).toEqual(end);
      }
      for (let undone = 0; ; undone += 1) {
        const undo = drain(qdrantStage.undo(run.plan, { ...run.ctx, permit: stopAfter(undone) }));
        if (
          await undo.then(
            () => true,
            () => false,
          )
        )
          break;
      }
      expect(await world.states()).toEqual(before);
      if (!stopped) return;
    }
  }, 60_000);

  it('that are taken by equal content count as done; by other content they refuse, or stay where told', async () => {
    const { move, entities } = tenants;
    const copy = entity(move.source, 1).replace(own(1), own(1, move.target)).replace(move.source, move.target);
    await world.upsert(entities, [copy]);
    await world.upsert(entities, [entity(move.target, 2, 'another')]);
    const before = await world.states();
    const refused = await planOf(store, move, { merge: true });
    expect([refused.conflicts, refused.problems.map(({ code }) => code)]).toEqual([1, ['conflict']]);
    const run = await reIdRun(store, move, { merge: true, onConflict: 'skip', verify: 'full' });
    expect(run.plan.moves[0]).toMatchObject({ found: tenants.points, atTarget: 1 });
    expect(await run.apply()).toEqual([]);
    expect(await run.finalize()).toEqual([]);
    const after = (await world.state(entities)).points;
    expect(after[idIn(own(2))]).toBe(before[entities]!.points[idIn(own(2))]);
    expect(after[idIn(own(2, move.target))]).toContain('another');
    expect(Object.keys(after)).toHaveLength(ENTITIES + 2 + 1);
    await run.undo();
    expect(await world.states()).toEqual(before);
  });

  it('that are taken after the plan are a conflict of apply, and the point there is left alone', async () => {
    const { move, entities } = tenants;
    const plan = await planOf(store, move);
    await world.upsert(entities, [entity(move.target, 3, 'foreign')]);
    const before = await world.states();
    const ctx = await loggedContext(store);
    expect(total(await drain(qdrantStage.apply(plan, ctx)), 'conflicts')).toBe(1);
    await drain(qdrantStage.undo(plan, ctx));
    expect(await world.states()).toEqual(before);
  });

  it('moved without new ids before are repaired, though the source is empty', async () => {
    const { move, entities } = tenants;
    const begun = await world.states();
    const first = await reIdRun(store, move, { qdrantMode: 'payload' });
    expect(first.plan.notices.map(({ kind }) => kind)).toContain('ids-derived-from-tenant');
    expect(await first.apply()).toEqual([]);
    expect(await first.finalize()).toEqual([]);
    const before = await world.states();
    expect(Object.keys(before[entities]!.points)).toEqual(Object.keys(begun[entities]!.points));
    for (const verify of ['sample', 'full'] as const) {
      const run = await reIdRun(store, move, { verify });
      const repaired = ENTITIES + 4;
      expect(run.plan.moves[0]).toMatchObject({ found: repaired, atTarget: tenants.points - repaired });
      expect(run.plan.notices.map(({ kind }) => kind)).toContain('re-id-repair');
      expect(await run.apply()).toEqual([]);
      expect(await run.finalize()).toEqual([]);
      expect(pointsOf(await world.states())).toEqual(reIded(begun, move));
      await run.undo();
      expect(await world.states()).toEqual(before);
    }
  });

  it('a writer who changes an old point after it was copied loses nothing', async () => {
    const { move, entities } = tenants;
    const run = await reIdRun(store, move, { verify: 'full' });
    await run.apply();
    await world.setPayload(entities, own(1), { content: 'newer' });
    const late = differences(await qdrantStage.verify(run.plan, 'applied', run.ctx));
    expect(late.map(({ kind, drainable }) => `${kind} ${drainable}`)).toEqual(['content true']);
    await drain(qdrantStage.apply(run.plan, run.ctx));
    await world.setPayload(entities, own(2), { content: 'newest' });
    await drain(qdrantStage.finalize(run.plan, run.ctx));
    const { points } = await world.state(entities);
    expect(points[idIn(own(1, move.target))]).toContain('newer');
    expect(points[idIn(own(2, move.target))]).toContain('newest');
    expect(Object.keys(points)).toHaveLength(ENTITIES + 2);
    await run.undo();
    const back = (await world.state(entities)).points;
    expect(back[idIn(own(1))]).toContain('newer');
    expect(back[idIn(own(2))]).toContain('newest');
    expect(Object.keys(back)).toHaveLength(ENTITIES + 2);
  });

  it('undone, a point that was written under its new id goes back with its new content, before and after the end', async () => {
    const { move, entities } = tenants;
    for (const finalized of [false, true]) {
      const run = await reIdRun(store, move);
      await run.apply();
      if (!finalized) await world.setPayload(entities, own(4, move.target), { content: 'written under the new id' });
      if (finalized) {
        await run.finalize();
        await world.setPayload(entities, own(5, move.target), { content: 'written after the end' });
        await world.upsert(entities, [entity(move.target, 99)]);
      }
      await run.undo();
    }
    const { points } = await world.state(entities);
    expect(points[idIn(own(4))]).toContain('written under the new id');
    expect(points[idIn(own(5))]).toContain('written after the end');
    expect(points[idIn(own(99, move.target))]).toContain(`"${move.target}"`);
    expect(Object.keys(points)).toHaveLength(ENTITIES + 2 + 1);
  });

  it('undone, points that were written at both ends both stay, and are told as failed', async () => {
    const { move, entities } = tenants;
    const run = await reIdRun(store, move);
    await run.apply();
    await world.setPayload(entities, own(6), { content: 'at the source' });
    await world.setPayload(entities, own(6, move.target), { content: 'at the target' });
    expect(total(await drain(qdrantStage.undo(run.plan, run.ctx)), 'failed')).toBe(1);
    const { points } = await world.state(entities);
    expect(points[idIn(own(6))]).toContain('at the source');
    expect(points[idIn(own(6, move.target))]).toContain('at the target');
  });

  it('limits of strict mode are kept, and one that the copies would break refuses before any write', async () => {
    const { move, entities } = tenants;
    const limit = (strict: object) =>
      world.send('PATCH', `/collections/${entities}`, { strict_mode_config: { enabled: true, ...strict } });
    await limit({ upsert_max_batchsize: 3, max_query_limit: 20, max_points_count: 40 });
    const before = await world.states();
    const run = await reIdRun(store, move, { verify: 'full' });
    expect([await run.apply(), await run.finalize()]).toEqual([[], []]);
    expect(pointsOf(await world.states())).toEqual(reIded(before, move));
    await run.undo();
    expect(pointsOf(await world.states())).toEqual(pointsOf(before));
    await limit({ max_points_count: 20, max_collection_vector_size_bytes: 300, upsert_max_batchsize: 0 });
    const { problems } = await planOf(store, move);
    expect(problems.map(({ code }) => code)).toEqual(Array(3).fill('strict-limit'));
    expect((await planOf(store, move, { qdrantMode: 'payload' })).problems).toEqual([]);
  });

  it('are asked for by re-id, which refuses where no id fits a scheme', async () => {
    const plain = await world.collection('plain', { vectors: { size: 1, distance: 'Dot' } }, { field: FIELD });
    await world.upsert(plain, [`{"id":1,"vector":[1],"payload":{"${FIELD}":"${tenants.move.source}","id":"x"}}`]);
    const plan = await planOf(store, tenants.move, { qdrantMode: 're-id' });
    expect(plan.problems).toEqual([
      expect.objectContaining({ code: 'no-id-scheme', message: expect.stringContaining(plain) }),
    ]);
    expect((await planOf(store, tenants.move, { qdrantMode: 'auto' })).problems).toEqual([]);
    expect(plan.basis).not.toEqual((await planOf(store, tenants.move)).basis);
  });

  it('are given back from a backup where the undo log is lost', async () => {
    const before = await world.states();
    const part = await keptPart(qdrantBackup, tenants.move.source, planContext(store));
    const run = await reIdRun(store, tenants.move);
    await run.apply();
    await run.finalize();
    const ctx = await applyContext(store);
    for await (const entries of qdrantBackup.undoEntries(part, tenants.move, ragApi)) await ctx.undo.append(entries);
    await drain(qdrantStage.undo(run.plan, ctx));
    await ctx.undo.close();
    expect(pointsOf(await world.states())).toEqual(pointsOf(before));
  });

  it('that LightRAG wrote are those that it will look for', async () => {
    const { qdrant } = JSON.parse(await readFile('test/fixtures/lightrag-workspace.json', 'utf8')) as {
      readonly qdrant: Readonly<Record<string, { readonly points: readonly object[] }>>;
    };
    const vectors = { size: 8, distance: 'Cosine' };
    const collection = await world.collection('lightrag', { vectors }, { field: FIELD });
    await world.upsert(
      collection,
      Object.values(qdrant)[0]!.points.map((one) => JSON.stringify(one)),
    );
    const before = await world.states();
    const move = { source: 'acme', target: world.name('acme2') };
    const run = await reIdRun(store, move, { verify: 'full' });
    expect([await run.apply(), await run.finalize()]).toEqual([[], []]);
    expect(pointsOf(await world.states())).toEqual(reIded(before, move));
    const { points } = await world.state(collection);
    for (let at = 0; at < 12; at += 1) expect(Object.keys(points)).toContain(lightRagId(move.target, `ent-${at}`));
  });
});

describe.each(['1.17.1', '1.16.3'] as const)('a copy on Qdrant %s', (version) => {
  const begin = async () => {
    const server = await startQdrantStandIn(version === '1.16.3' ? { version } : {});
    const world = new QdrantWorld(server.url);
    const tenants = await makeReIdTenants(world);
    const store = await openQdrantWriter({ url: server.url, timeoutMs: 2_000 });
    onTestFinished(async () => {
      await store.close();
      await server.close();
    });
    return { server, world, store, ...tenants };
  };

  it('kept with other last digits are never called done: verify tells, their old points stay, undo gives back the start', async () => {
    const { url, close } = await startQdrantStandIn({ renormalises: true });
    const [world, store] = [new QdrantWorld(url), await openQdrantWriter({ url, timeoutMs: 2_000 })];
    onTestFinished(async () => {
      await store.close();
      await close();
    });
    const move = { source: world.name('acme'), target: world.name('moved') };
    const name = await world.collection('cosine', { vectors: { size: 31, distance: 'Cosine' } }, { field: FIELD });
    const points = Array.from({ length: 40 }, (_, index) => {
      const vector = Array.from({ length: 31 }, (__, at) => Math.sin(1 + index * 31 + at));
      const payload = { [FIELD]: move.source, id: `ent-${index}` };
      return JSON.stringify({ id: lightRagId(move.source, `ent-${index}`), vector, payload });
    });
    await world.upsert(name, points);
    const before = await world.states();
    const notes: string[] = [];
    const run = await reIdRun(store, move, { verify: 'sample' }, (text) => notes.push(text));
    const differing = (await run.apply()).find(({ kind, where }) => kind === 'content' && where === name)?.count ?? 0;
    expect(differing).toBeGreaterThan(0);
    expect(notes.join()).toMatch(/ \d+ points of a copy with other last digits/);
    // A run that compares nothing but counts comes to its end.
    expect(await run.finalize()).toContainEqual(expect.objectContaining({ kind: 'left-behind' }));
    const { points: left } = await world.state(name);
    const old = Object.keys(before[name]!.points).filter((id) => left[id] !== undefined);
    expect(old.length).toBeGreaterThanOrEqual(differing);
    for (const id of old) expect(left[id]).toBe(before[name]!.points[id]);
    await run.undo();
    expect(await world.states()).toEqual(before);
  });

  it('never overwrites a point that is written while it is made', async () => {
    const { world, store, move, entities } = await begin();
    const plan = await planOf(store, move);
    const ctx = await loggedContext(store);
    let written = 0;
    const append: typeof ctx.undo.append = async (entries) => {
      const batch = await ctx.undo.append(entries);
      // The look has found this id free; nothing is inserted yet.
      if (written++ === 0) await world.upsert(entities, [entity(move.target, 3, 'foreign')]);
      return batch;
    };
    const undo = { append, read: () => ctx.undo.read() };
    const before = await world.states();
    expect(total(await drain(qdrantStage.apply(plan, { ...ctx, undo })), 'conflicts')).toBe(1);
    await drain(qdrantStage.undo(plan, ctx));
    const { [lightRagId(move.target, 'ent-3')]: foreign, ...rest } = (await world.state(entities)).points;
    expect(foreign).toContain('foreign');
    expect(rest).toEqual(before[entities]!.points);
  });

  it('that the server keeps with other last digits is taken back too where the run died before it could log that', async () => {
    const { world, store, move } = await begin();
    const before = await world.states();
    const altering = (real: QdrantWriter): QdrantWriter => ({
      ...real,
      stoppedBy: (signal) => altering(real.stoppedBy(signal)),
      insertPoints: (name, points) =>
        real.insertPoints(
          name,
          points.map((one) => one.replace('[0.1,', '[0.1000001,')),
        ),
    });
    for (const resumes of [true, false]) {
      const run = await reIdRun(altering(store), move);
      const append: typeof run.ctx.undo.append = async (entries) => {
        if (JSON.stringify(entries).includes('"copied"')) throw new Error('stop');
        return run.ctx.undo.append(entries);
      };
      const undo = { append, read: () => run.ctx.undo.read() };
      await expect(drain(qdrantStage.apply(run.plan, { ...run.ctx, undo }))).rejects.toThrow();
      // As the differences that verify sees: never passed over.
      if (resumes) expect(total(await drain(qdrantStage.apply(run.plan, run.ctx)), 'conflicts')).toBe(ENTITIES + 4);
      await run.undo();
      expect(pointsOf(await world.states())).toEqual(pointsOf(before));
    }
  });

  it.each([
    ['cut-before', 'PUT', /points\?wait/],
    ['cut-after', 'PUT', /points\?wait/],
    ['cut-after', 'POST', /points\/delete/],
    ['late', 'PUT', /points\?wait/],
    ['late', 'POST', /points\/delete/],
    ['half', 'POST', /points\/delete/],
  ] as const)('whose %s fault at %s %s leaves open what was done ends as without it', async (kind, method, path) => {
    const { server, world, store, move } = await begin();
    const before = await world.states();
    const run = await reIdRun(store, move, { verify: 'full', batchSize: 6 });
    const fault = kind === 'late' || kind === 'half' ? ({ kind: 'trouble', trouble: kind, ms: 50 } as const) : { kind };
    server.fail({ method, path, times: 2, ...fault });
    expect([await run.apply(), await run.finalize()]).toEqual([[], []]);
    expect(pointsOf(await world.states())).toEqual(reIded(before, move));
    server.fail({ method, path, times: 2, ...fault });
    await run.undo();
    expect(await world.states()).toEqual(before);
  });
});

function stopAfter(batches: number): () => Promise<void> {
  let left = batches;
  return async () => {
    if (left === 0) throw new Error('stop');
    left -= 1;
  };
}

function differences<T extends { readonly severity: string }>(findings: readonly T[]): readonly T[] {
  return findings.filter(({ severity }) => severity === 'difference');
}

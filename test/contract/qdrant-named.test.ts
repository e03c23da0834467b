import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import type { UndoLog } from '../../src/journal/undo-log.ts';
import { generic } from '../../src/profiles/generic.ts';
import type { Profile } from '../../src/profiles/profile.ts';
import { ragApi } from '../../src/profiles/rag-api.ts';
import type { QdrantPlan } from '../../src/stages/qdrant/qdrant-plan.ts';
import { qdrantStage } from '../../src/stages/qdrant.ts';
import type { Finding, StageEvent, StageOptions } from '../../src/stages/stage.ts';
import type { QdrantWriter } from '../../src/stores/qdrant/qdrant-reader.ts';
import { openQdrantWriter } from '../../src/stores/qdrant/qdrant-store.ts';
import { keptPart, restoreContext, restored } from '../support/backup-part.ts';
import { entity, lightRagId } from '../support/qdrant-re-id.ts';
import { startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { FIELD, loggedContext } from '../support/qdrant-tenants.ts';
import { type CollectionState, QdrantWorld } from '../support/qdrant-world.ts';
import { drain, planContext, total } from '../support/stage-context.ts';

const realUrl = inject('qdrantUrl') || process.env.TEST_QDRANT_URL;
const servers = [
  { server: 'stand-in', start: () => startQdrantStandIn() },
  ...(realUrl ? [{ server: 'real server', start: async () => ({ url: realUrl, close: async () => undefined }) }] : []),
];
const POINTS = 30;
const SETTINGS = {
  vectors: {
    text: { size: 2, distance: 'Cosine' },
    colbert: { size: 2, distance: 'Dot', multivector_config: { comparator: 'max_sim' } },
  },
  sparse_vectors: { bm25: {} },
  hnsw_config: { m: 0, payload_m: 16 },
  quantization_config: { scalar: { type: 'int8' } },
  strict_mode_config: { enabled: true, upsert_max_batchsize: 7 },
};

/** Every collection and alias of the tenant and its neighbours. */
interface Everything {
  readonly collections: Readonly<Record<string, CollectionState>>;
  readonly aliases: Readonly<Record<string, string>>;
}

describe.each(servers)('what is named after a tenant in Qdrant ($server)', ({ start }) => {
  let server: { readonly url: string; close(): Promise<void> };
  let world: QdrantWorld;
  let store: QdrantWriter;
  let move: { readonly source: string; readonly target: string };
  let profile: Profile;
  let before: Everything;
  const [from, to] = [() => `${move.source}_docs`, () => `${move.target}_docs`];

  beforeEach(async () => {
    server = await start();
    world = new QdrantWorld(server.url);
    store = await openQdrantWriter({ url: server.url, timeoutMs: 20_000 });
    move = { source: world.name('siraya'), target: world.name('moved') };
    profile = { ...generic, collectionTemplates: ['{tenant}_docs', 'find_{tenant}'] };
    await makeWorld();
    before = await everything();
  });
  afterEach(async () => {
    for (const name of Object.keys((await everything()).collections)) await world.drop(name);
    await store.close();
    await server.close();
  });

  const everything = async (): Promise<Everything> => {
    const { result } = JSON.parse(await world.send('GET', '/collections')) as {
      result: { collections: { name: string }[] };
    };
    const names = result.collections.map(({ name }) => name).filter((name) => name.startsWith(world.name('')));
    const aliases = JSON.parse(await world.send('GET', '/aliases')) as {
      result: { aliases: Record<string, string>[] };
    };
    return {
      collections: Object.fromEntries(
        await Promise.all(names.sort().map(async (name) => [name, await world.state(name)] as const)),
      ),
      aliases: Object.fromEntries(aliases.result.aliases.map((one) => [one.alias_name, one.collection_name]).sort()),
    };
  };
  const alias = (alias_name: string, collection_name: string) =>
    world.send('POST', '/collections/aliases', { actions: [{ create_alias: { alias_name, collection_name } }] });

  /** The tenant's own collection, one of a longer id, one that all share, and aliases of them. */
  async function makeWorld(): Promise<void> {
    const docs = await world.collection('siraya_docs', SETTINGS, { field: 'tenant' });
    const point = (at: number) => {
      const tenant = at % 3 === 0 ? '' : `"tenant":${JSON.stringify(at % 3 === 1 ? move.source : [move.source, 'x'])},`;
      const vector = `{"text":[0.${at + 1},0.5],"colbert":[[0.1,0.2],[0.3,0.${at + 1}]],"bm25":{"indices":[3,7],"values":[1.5,0.${at + 1}]}}`;
      return `{"id":${9_007_199_254_740_992n + BigInt(at)},"vector":${vector},"payload":{${tenant}"one":1.0,"big":-9007199254740993}}`;
    };
    await world.upsert(
      docs,
      Array.from({ length: POINTS }, (_, at) => point(at)),
      7,
    );
    const small = { vectors: { size: 1, distance: 'Dot' } };
    for (const name of ['siraya_eu_docs', 'mysiraya_docs', 'shared']) {
      const collection = await world.collection(name, small);
      await world.upsert(collection, ['{"id":1,"vector":[1],"payload":{"n":1}}']);
    }
    await alias(world.name('live'), docs);
    await alias(`find_${move.source}`, world.name('shared'));
    await alias(`find_${move.source}_eu`, world.name('shared'));
  }

  const planOf = async (options: Partial<StageOptions> = {}, more: Partial<Profile> = {}): Promise<QdrantPlan> => {
    const plan = await qdrantStage.plan([move], planContext(store, { profile: { ...profile, ...more }, options }));
    return JSON.parse(JSON.stringify(plan)) as QdrantPlan;
  };
  const context = (more: object = {}) => loggedContext(store, { profile, ...more });
  const differences = (findings: readonly Finding[]) => findings.filter(({ severity }) => severity === 'difference');

  /** The world after a move: the old name with the new id in field and name, and nothing else changed. */
  function expected(): Everything {
    const { [from()]: docs, ...others } = before.collections;
    const points = Object.fromEntries(
      Object.entries(docs?.points ?? {}).map(([id, text]) => [
        id,
        text.replaceAll(`"${move.source}"`, `"${move.target}"`),
      ]),
    );
    const { [`find_${move.source}`]: shared, ...aliases } = before.aliases;
    return {
      collections: { ...others, [to()]: { points, schema: docs?.schema, config: docs?.config } },
      aliases: { ...aliases, [`find_${move.target}`]: shared ?? '', [world.name('live')]: to() },
    };
  }

  async function applyAll(plan: QdrantPlan, ctx: Awaited<ReturnType<typeof context>>): Promise<void> {
    await drain(qdrantStage.apply(plan, ctx));
    expect(differences(await qdrantStage.verify(plan, 'applied', ctx))).toEqual([]);
    await drain(qdrantStage.finalize(plan, ctx));
    expect(differences(await qdrantStage.verify(plan, 'finalized', ctx))).toEqual([]);
  }

  it.each(['counts', 'sample', 'full'] as const)(
    'is copied with all it is, verified (%s), dropped, and taken back',
    async (verify) => {
      const options = { verify };
      expect(await qdrantStage.preflight([move], planContext(store, { profile }), store)).toEqual([]);
      const plan = await planOf(options);
      expect([plan.problems, plan.moves]).toEqual([[], [{ ...move, found: POINTS + 1, atTarget: 0 }]]);
      expect(plan.notices.find(({ kind }) => kind === 'unclaimed')).toMatchObject({
        samples: [`${move.source}_eu_docs`, `find_${move.source}_eu`],
        fix: expect.stringContaining(`--collection-template 'find_{tenant}_eu'`),
      });
      const ctx = await context({ options });
      expect(total(await drain(qdrantStage.apply(plan, ctx)), 'moved')).toBe(POINTS + 1);
      expect(differences(await qdrantStage.verify(plan, 'applied', ctx))).toEqual([]);
      expect((await everything()).collections).toHaveProperty(from());
      await drain(qdrantStage.finalize(plan, ctx));
      expect(differences(await qdrantStage.verify(plan, 'finalized', ctx))).toEqual([]);
      expect(await everything()).toEqual(expected());
      const again = await planOf(options);
      expect([again.problems, again.moves[0]?.found, again.moves[0]?.atTarget]).toEqual([[], 0, POINTS + 1]);
      expect(await drain(qdrantStage.finalize(plan, ctx))).toEqual([]);
      expect(total(await drain(qdrantStage.undo(plan, ctx)), 'moved')).toBeGreaterThanOrEqual(POINTS);
      expect(await everything()).toEqual(before);
      await drain(qdrantStage.undo(plan, ctx));
      expect(await everything()).toEqual(before);
    },
  );

  it('stopped after any step of apply, finalize or undo goes on to the end, or back to the start', async () => {
    const stopAfter = (most: number) => {
      let steps = 0;
      return async () => {
        steps += 1;
        if (steps > most) throw new Error('stop');
      };
    };
    const run = async (
      undo: UndoLog | undefined,
      permit: () => Promise<void>,
      phases: readonly ('apply' | 'finalize' | 'undo')[],
    ) => {
      const ctx = await context({
        permit,
        options: { continuing: undo !== undefined, batchSize: 9 },
        ...(undo === undefined ? {} : { undo }),
      });
      let stopped = false;
      for (const phase of phases) {
        const plan = await planOf({ continuing: true });
        expect(plan.problems).toEqual([]);
        await drain(qdrantStage[phase](plan, ctx)).catch((error: Error) => {
          expect(error.message).toContain('stop');
          stopped = true;
        });
        if (stopped) break;
      }
      return { undo: ctx.undo, stopped };
    };
    for (let most = 0, ended = 0; ended < 2; most += 1) {
      const first = await run(undefined, stopAfter(most), ['apply', 'finalize']);
      if (most % 2 === 0) {
        await run(first.undo, async () => undefined, ['apply', 'finalize']);
        expect(await everything()).toEqual(expected());
      }
      await run(first.undo, stopAfter(most % 7), ['undo']);
      await run(first.undo, async () => undefined, ['undo']);
      expect(await everything()).toEqual(before);
      if (!first.stopped) ended += 1;
    }
  });

  it('gets the new name as an alias where that is asked for, and loses it again', async () => {
    profile = { ...profile, collectionMode: 'alias' };
    const plan = await planOf();
    expect(plan.notices).toContainEqual(
      expect.objectContaining({ kind: 'named-collection', message: expect.stringContaining('nothing is copied') }),
    );
    const ctx = await context();
    await applyAll(plan, ctx);
    const after = await everything();
    expect(after.aliases[to()]).toBe(from());
    expect(Object.keys(after.collections)).toEqual(Object.keys(before.collections));
    expect((await world.state(to())).points).toEqual(expected().collections[to()]?.points);
    expect((await planOf()).moves[0]).toMatchObject({ found: 0, atTarget: POINTS + 1 });
    await drain(qdrantStage.undo(plan, ctx));
    expect(await everything()).toEqual(before);
  });

  it('is refused where the new name is taken, differs, or cannot be one', async () => {
    const codes = async (options: Partial<StageOptions> = {}, more: Partial<Profile> = {}) =>
      (await planOf(options, more)).problems.map(({ code }) => code);
    await alias(`find_${move.target}`, world.name('siraya_eu_docs'));
    expect(await codes()).toEqual(['conflict']);
    await world.send('POST', '/collections/aliases', {
      actions: [{ delete_alias: { alias_name: `find_${move.target}` } }],
    });
    const copy = await world.collection('moved_docs', SETTINGS);
    expect(await codes()).toEqual([]);
    await world.upsert(copy, ['{"id":9007199254740992,"vector":{"text":[1,0]},"payload":{"of":"another"}}']);
    expect(await codes()).toEqual(['both-have-data']);
    expect(await codes({ merge: true })).toEqual(['conflict']);
    await world.drop(copy);
    await world.collection('moved_docs', { vectors: { size: 3, distance: 'Dot' } });
    expect(await codes()).toEqual(['conflict']);
    await world.drop(copy);
    expect(await codes({ failOnUnclaimed: true })).toEqual(['unclaimed']);
    expect(await codes({}, { collectionTemplates: ['{tenant}_docs', `${world.name('')}{tenant}`] })).toEqual([]);
    move = { ...move, target: 'a/b' };
    expect(await codes()).toEqual(['collection-name', 'collection-name']);
  });

  it('is not copied where its strict mode allows less than it holds by now, and gets an alias', async () => {
    const limits = { max_points_count: 10, max_collection_vector_size_bytes: 10 };
    await world.send('PATCH', `/collections/${from()}`, { strict_mode_config: limits });
    const { problems } = await planOf();
    expect(problems.map(({ code }) => code)).toEqual(['strict-limit', 'strict-limit']);
    for (const setting of Object.keys(limits)) expect(problems.some(({ fix }) => fix.includes(setting))).toBe(true);
    expect((await planOf({}, { collectionMode: 'alias' })).problems).toEqual([]);
  });

  it('is not copied where its ids are made from the tenant, and gets an alias beside new ids', async () => {
    profile = { ...profile, qdrantField: FIELD, pointIdSchemes: ragApi.pointIdSchemes };
    await world.drop(from());
    const small = { vectors: { size: 4, distance: 'Dot' } };
    await world.collection('siraya_docs', small, { field: FIELD });
    await world.upsert(
      from(),
      [1, 2, 3].map((at) => entity(move.source, at)),
    );
    const refused = await planOf();
    expect(refused.problems).toEqual([
      expect.objectContaining({ code: 'unsupported', fix: expect.stringContaining('--collection-mode alias') }),
    ]);
    profile = { ...profile, collectionMode: 'alias' };
    before = await everything();
    const plan = await planOf();
    expect(plan.problems).toEqual([]);
    const ctx = await context();
    await applyAll(plan, ctx);
    const wanted = [1, 2, 3].map((at) => lightRagId(move.target, `ent-${at}`)).toSorted();
    expect(Object.keys((await world.state(to())).points).toSorted()).toEqual(wanted);
    await drain(qdrantStage.undo(plan, ctx));
    expect(await everything()).toEqual(before);
  });

  it('keeps what was written under the new name: changes go back, new points stay', async () => {
    const ctx = await context();
    const events: StageEvent[] = [];
    await applyAll(await planOf(), ctx);
    await world.setPayload(to(), '9007199254740993', { note: 'changed' });
    await world.upsert(to(), ['{"id":5,"vector":{"text":[1,0]},"payload":{"new":true}}']);
    await drain(qdrantStage.undo(await planOf(), { ...ctx, emit: (event) => void events.push(event) }));
    const after = await everything();
    expect(Object.keys(after.collections[to()]?.points ?? {})).toEqual(['5']);
    expect(events).toContainEqual(
      expect.objectContaining({ text: expect.stringContaining('1 points that are not the move’s'.replace('’', "'")) }),
    );
    const points = { ...before.collections[from()]?.points };
    const changed = points['9007199254740993'] ?? '';
    expect(after.collections[from()]?.points).toEqual({
      ...points,
      '9007199254740993': changed.replace('"one":1.0', '"note":"changed","one":1.0'),
    });
    expect(after.aliases).toEqual(before.aliases);
  });

  it('is not dropped while somebody writes under the old name', async () => {
    const ctx = await context();
    const plan = await planOf();
    await drain(qdrantStage.apply(plan, ctx));
    await world.upsert(from(), ['{"id":5,"vector":{"text":[1,0]},"payload":{"late":true}}']);
    expect(await qdrantStage.verify(plan, 'applied', ctx)).toContainEqual(
      expect.objectContaining({ kind: 'left-behind', drainable: true }),
    );
    await expect(drain(qdrantStage.finalize(plan, ctx))).rejects.toThrow('somebody still writes under the old name');
    const resumed = await planOf({ continuing: true });
    await drain(qdrantStage.apply(resumed, ctx));
    await drain(qdrantStage.finalize(resumed, ctx));
    expect((await everything()).collections[to()]?.points).toHaveProperty('5');
  });

  it('is not dropped where a point came under the old name while all were compared', async () => {
    const ctx = await context();
    const plan = await planOf();
    await drain(qdrantStage.apply(plan, ctx));
    const append: typeof ctx.undo.append = async (entries) => {
      if (JSON.stringify(entries).includes('named-dropped')) {
        await world.upsert(from(), ['{"id":5,"vector":{"text":[1,0]},"payload":{"late":true}}']);
      }
      return ctx.undo.append(entries);
    };
    const undo = { append, read: () => ctx.undo.read() };
    await expect(drain(qdrantStage.finalize(plan, { ...ctx, undo }))).rejects.toThrow(
      '31 points, and 30 were compared',
    );
    expect((await everything()).collections[from()]?.points).toHaveProperty('5');
  });

  it('undone, a point that was written under both names after the copy stays under both', async () => {
    const ctx = await context();
    const plan = await planOf();
    await drain(qdrantStage.apply(plan, ctx));
    const late = (of: string) => `{"id":5,"vector":{"text":[1,0]},"payload":{"of":"${of}"}}`;
    await world.upsert(from(), [late('old')]);
    await world.upsert(to(), [late('new')]);
    await drain(qdrantStage.undo(plan, ctx));
    const { collections } = await everything();
    expect(Object.keys(collections[to()]?.points ?? {})).toEqual(['5']);
    expect(collections[to()]?.points['5']).toContain('"new"');
    expect(collections[from()]?.points).toEqual({
      ...before.collections[from()]?.points,
      '5': expect.stringContaining('"old"'),
    });
  });

  it('whose ids could be numbers is compared as text and as number', async () => {
    move = { source: '420042', target: '430043' };
    const docs = world.name('numbers_420042');
    profile = { ...profile, collectionTemplates: [world.name('numbers_{tenant}')] };
    await world.collection('numbers_420042', { vectors: { size: 1, distance: 'Dot' } });
    await world.upsert(docs, ['{"id":1,"vector":[1],"payload":{"tenant":["420042","x"]}}']);
    before = await everything();
    const ctx = await context({ options: { verify: 'full' } });
    const plan = await planOf({ verify: 'full' });
    expect(plan.problems).toEqual([]);
    await applyAll(plan, ctx);
    const { points } = await world.state(world.name('numbers_430043'));
    expect(points['1']).toContain('["430043","x"]');
    await drain(qdrantStage.undo(plan, ctx));
    expect(await everything()).toEqual(before);
  });

  it('verify sees a point lost, a point changed, and an alias that was not taken along', async () => {
    const ctx = await context();
    const plan = await planOf();
    await drain(qdrantStage.apply(plan, ctx));
    await drain(qdrantStage.finalize(plan, ctx));
    await world.send('POST', `/collections/${to()}/points/delete?wait=true`, '{"points":[9007199254740992]}');
    await world.setPayload(to(), '9007199254740995', { one: 2 });
    await alias(world.name('live'), world.name('shared'));
    const kinds = differences(await qdrantStage.verify(plan, 'finalized', ctx)).map(({ kind }) => kind);
    expect(kinds.toSorted()).toEqual(['alias', 'content', 'count']);
  });

  it('goes into a backup as a whole and comes back out of it', async () => {
    const part = await keptPart(qdrantStage.backup, move.source, planContext(store, { profile }));
    expect(part.written.records).toEqual({ collection: 1, point: POINTS });
    expect(part.written.notKept).toEqual([expect.stringContaining(`find_${move.source}`)]);
    await world.drop(from());
    expect(
      await restored(
        qdrantStage.backup?.restore(part, restoreContext(store)) ?? (await Promise.reject(new Error('no backup'))),
      ),
    ).toBe(POINTS);
    expect((await everything()).collections).toEqual(before.collections);
    const ctx = await context();
    await applyAll(await planOf(), ctx);
    const lost = await context();
    for await (const entries of qdrantStage.backup?.undoEntries(part, move, profile) ?? [])
      await lost.undo.append(entries);
    await drain(qdrantStage.undo(await planOf(), lost));
    expect((await everything()).collections).toEqual(before.collections);
  });
});

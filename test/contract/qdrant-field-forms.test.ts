import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { canonicalPath } from '../../src/model/payload-path.ts';
import { generic } from '../../src/profiles/generic.ts';
import type { QdrantPlan } from '../../src/stages/qdrant/qdrant-plan.ts';
import { qdrantStage } from '../../src/stages/qdrant.ts';
import type { StageOptions } from '../../src/stages/stage.ts';
import type { QdrantWriter } from '../../src/stores/qdrant/qdrant-reader.ts';
import { openQdrantWriter } from '../../src/stores/qdrant/qdrant-store.ts';
import { keptPart } from '../support/backup-part.ts';
import { entity } from '../support/qdrant-re-id.ts';
import { startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { FIELD, loggedContext } from '../support/qdrant-tenants.ts';
import { type CollectionState, QdrantWorld } from '../support/qdrant-world.ts';
import { drain, planContext, total } from '../support/stage-context.ts';

const realUrl = inject('qdrantUrl') || process.env.TEST_QDRANT_URL;
const servers = [
  { server: 'stand-in', start: () => startQdrantStandIn() },
  ...(realUrl ? [{ server: 'real server', start: async () => ({ url: realUrl, close: async () => undefined }) }] : []),
];
const VECTORS = { vectors: { size: 1, distance: 'Dot' } };

/** A tenant in one form: the payloads before (`A`, `B` stand for the ids) and what a move makes of them. */
interface Case {
  readonly title: string;
  readonly field: string;
  readonly ids: readonly [string, string];
  readonly payloads: readonly (readonly [before: string, after: string])[];
  readonly foreign: readonly string[];
  readonly merge?: true;
  readonly notice?: string;
}

const cases: readonly Case[] = [
  {
    title: 'in a nested field',
    field: 'metadata.workspace',
    ids: ['acme', 'beta'],
    payloads: [
      [
        '{"metadata":{"workspace":"acme","n":1.0},"workspace":"acme"}',
        '{"metadata":{"workspace":"beta","n":1.0},"workspace":"acme"}',
      ],
      ['{"metadata":{"workspace":["acme","x"]}}', '{"metadata":{"workspace":["beta","x"]}}'],
    ],
    foreign: [
      '{"metadata":{"workspace":"acme_eu"}}',
      '{"metadata.workspace":"acme"}',
      '{"metadata":[{"workspace":"acme"}]}',
      '{"workspace":"acme"}',
    ],
  },
  {
    title: 'in a field whose name holds a dot',
    field: '"metadata.workspace"',
    ids: ['acme', 'beta'],
    payloads: [['{"metadata.workspace":"acme"}', '{"metadata.workspace":"beta"}']],
    foreign: ['{"metadata":{"workspace":"acme"}}'],
  },
  {
    title: 'as a number, beside the same id as text',
    field: 'tenant',
    ids: ['42', '9007199254740993'],
    payloads: [
      ['{"tenant":42,"one":1.0}', '{"tenant":9007199254740993,"one":1.0}'],
      ['{"tenant":"42"}', '{"tenant":"9007199254740993"}'],
      ['{"tenant":[7,42,"42x"]}', '{"tenant":[7,9007199254740993,"42x"]}'],
    ],
    foreign: ['{"tenant":420}', '{"tenant":42.5}', '{"tenant":"042"}'],
    notice: 'number-value',
  },
  {
    title: 'in arrays, alone and beside others',
    field: 'tenant',
    ids: ['acme', 'beta'],
    payloads: [
      ['{"tenant":"acme"}', '{"tenant":"beta"}'],
      ['{"tenant":["acme"]}', '{"tenant":["beta"]}'],
      ['{"tenant":["x","acme","y",3,true]}', '{"tenant":["x","beta","y",3,true]}'],
      ['{"tenant":["x","acme","y",3,true]}', '{"tenant":["x","beta","y",3,true]}'],
      ['{"tenant":["y","acme","x"]}', '{"tenant":["y","beta","x"]}'],
      ['{"tenant":["acme","x","beta"]}', '{"tenant":["beta","x"]}'],
      ['{"tenant":["beta","x","acme"]}', '{"tenant":["beta","x"]}'],
    ],
    foreign: ['{"tenant":["acme_eu","x"]}', '{"tenant":["beta"]}', '{"tenant":[["acme"]]}'],
    merge: true,
    notice: 'array-value',
  },
];

describe.each(servers)('a tenant in Qdrant ($server)', ({ start }) => {
  let server: { readonly url: string; close(): Promise<void> };
  let world: QdrantWorld;
  let store: QdrantWriter;

  beforeEach(async () => {
    server = await start();
    world = new QdrantWorld(server.url);
    store = await openQdrantWriter({ url: server.url, timeoutMs: 20_000 });
  });
  afterEach(async () => {
    await store.close();
    await world.close();
    await server.close();
  });

  describe.each(cases)('$title', ({ field, ids: [source, target], payloads, foreign, merge, notice }) => {
    const move = { source, target };
    const profile = { ...generic, qdrantField: canonicalPath(field) };
    const options: Partial<StageOptions> = { merge: merge === true, verify: 'full', batchSize: 2 };
    const planOf = async (more: Partial<StageOptions> = {}): Promise<QdrantPlan> =>
      JSON.parse(
        JSON.stringify(
          await qdrantStage.plan([move], planContext(store, { profile, options: { ...options, ...more } })),
        ),
      );
    const context = (more: object = {}) => loggedContext(store, { profile, options, ...more });
    const point = (payload: string, at: number) => `{"id":${at},"vector":[${at}],"payload":${payload}}`;
    const stored = (before: boolean) => payloads.map((pair) => pair[before ? 0 : 1]);
    let collection: string;
    let start: CollectionState;

    beforeEach(async () => {
      collection = await world.collection('docs', VECTORS);
      await world.upsert(collection, [...stored(true), ...foreign].map(point));
      start = await world.state(collection);
    });
    const expectAfter = async () => {
      const wanted = await world.collection('wanted', VECTORS);
      await world.upsert(wanted, [...stored(false), ...foreign].map(point));
      expect((await world.state(collection)).points).toEqual((await world.state(wanted)).points);
      await world.drop(wanted);
    };

    it('is moved, verified, moved no second time, and taken back', async () => {
      expect(await qdrantStage.preflight([move], planContext(store, { profile }), store)).toEqual([]);
      const plan = await planOf();
      expect(plan.problems).toEqual([]);
      expect(plan.moves[0]?.found).toBe(payloads.length);
      if (notice !== undefined) expect(plan.notices.map(({ kind }) => kind)).toContain(notice);
      const ctx = await context();
      expect(total(await drain(qdrantStage.apply(plan, ctx)), 'moved')).toBe(payloads.length);
      expect(await qdrantStage.verify(plan, 'applied', ctx)).toEqual([]);
      await expectAfter();
      expect((await planOf()).moves[0]?.found).toBe(0);
      expect(total(await drain(qdrantStage.apply(await planOf(), ctx)), 'moved')).toBe(0);
      expect(total(await drain(qdrantStage.undo(plan, ctx)), 'moved')).toBe(payloads.length);
      expect(await world.state(collection)).toEqual(start);
      expect(total(await drain(qdrantStage.undo(plan, ctx)), 'moved')).toBe(0);
      expect(await world.state(collection)).toEqual(start);
    });

    it('stopped after any batch goes on to the end, or back to the start', async () => {
      for (const stop of [1, 2, 3, 4]) {
        let batches = 0;
        const permit = async (units: number) => {
          batches += units > 0 ? 1 : 0;
          if (batches > stop) throw new Error('stop');
        };
        const ctx = await context({ permit });
        const plan = await planOf();
        await drain(qdrantStage.apply(plan, ctx)).catch(() => undefined);
        const resumed = await context({ undo: ctx.undo });
        if (stop % 2 === 0) {
          await drain(qdrantStage.apply(await planOf({ continuing: true }), resumed));
          expect(await qdrantStage.verify(plan, 'applied', resumed)).toEqual([]);
          await expectAfter();
        }
        await drain(qdrantStage.undo(plan, resumed));
        expect((await world.state(collection)).points).toEqual(start.points);
      }
    });

    it('goes back by a backup’s log too', async () => {
      const ctx = await context();
      const part = await keptPart(qdrantStage.backup, source, planContext(store, { profile }));
      expect(part.written.records.point).toBe(payloads.length);
      const plan = await planOf();
      await drain(qdrantStage.apply(plan, ctx));
      const again = await context();
      for await (const entries of qdrantStage.backup?.undoEntries(part, move, profile) ?? [])
        await again.undo.append(entries);
      await drain(qdrantStage.undo(plan, again));
      expect((await world.state(collection)).points).toEqual(start.points);
    });

    it('verify sees a point that did not arrive', async () => {
      const ctx = await context();
      const plan = await planOf();
      await drain(qdrantStage.apply(plan, ctx));
      const last = payloads.length - 1;
      await world.upsert(collection, [point(stored(true)[last] ?? '', last)]);
      const kinds = (await qdrantStage.verify(plan, 'applied', ctx)).map(({ kind }) => kind);
      expect(kinds).toContain('left-behind');
    });
  });

  describe('in an array', () => {
    const profile = { ...generic, qdrantField: 'tenant' };
    const move = { source: 'acme', target: 'beta' };
    const fieldOf = async (collection: string, id: number): Promise<unknown> => {
      const { points } = await world.state(collection);
      return (JSON.parse(points[String(id)] ?? '{}') as { payload: { tenant: unknown } }).payload.tenant;
    };
    const arrays = async (settings: object = VECTORS, indexed?: { readonly field: string }) => {
      const collection = await world.collection('docs', settings, indexed);
      await world.upsert(collection, ['{"id":1,"vector":[1],"payload":{"tenant":["x","acme"]}}']);
      return { collection, plan: await qdrantStage.plan([move], planContext(store, { profile })) };
    };

    it('is left where another changed the array after it was read, and found by verify', async () => {
      const { collection, plan } = await arrays();
      const permit = (units: number) =>
        units > 0 ? world.setPayload(collection, '1', { tenant: ['acme', 'x'] }) : Promise.resolve();
      const ctx = await loggedContext(store, { profile, permit });
      await drain(qdrantStage.apply(plan, ctx));
      expect(await fieldOf(collection, 1)).toEqual(['acme', 'x']);
      expect(await qdrantStage.verify(plan, 'applied', ctx)).toContainEqual(
        expect.objectContaining({ kind: 'left-behind', drainable: true }),
      );
    });

    it('goes back into an array that has grown since', async () => {
      const { collection, plan } = await arrays();
      const ctx = await loggedContext(store, { profile });
      await drain(qdrantStage.apply(plan, ctx));
      await world.setPayload(collection, '1', { tenant: ['new', 'x', 'beta'] });
      await drain(qdrantStage.undo(plan, ctx));
      expect(await fieldOf(collection, 1)).toEqual(['new', 'x', 'acme']);
    });

    it('goes back into an array that was the id alone when it was moved, and nobody else loses an entry', async () => {
      for (const strict of [false, true]) {
        const refuses = { enabled: true, unindexed_filtering_retrieve: false, unindexed_filtering_update: false };
        const settings = strict ? { ...VECTORS, strict_mode_config: refuses } : VECTORS;
        const collection = await world.collection('docs', settings, { field: 'tenant' });
        const alone = (id: number) => `{"id":${id},"vector":[1],"payload":{"tenant":"acme"}}`;
        await world.upsert(collection, [1, 2, 3].map(alone));
        const plan = await qdrantStage.plan([move], planContext(store, { profile }));
        const ctx = await loggedContext(store, { profile });
        await drain(qdrantStage.apply(plan, ctx));
        await world.setPayload(collection, '1', { tenant: ['x', 'beta'] });
        await world.setPayload(collection, '2', { tenant: ['acme', 'beta', 'x'] });
        expect(total(await drain(qdrantStage.undo(plan, ctx)), 'moved')).toBe(3);
        expect(await fieldOf(collection, 1)).toEqual(['x', 'acme']);
        expect(await fieldOf(collection, 2)).toEqual(['acme', 'beta', 'x']);
        expect(await fieldOf(collection, 3)).toBe('acme');
        await world.drop(collection);
      }
    });

    it('is moved where strict mode wants an index for every filter, and refused where it allows too few conditions', async () => {
      const strict_mode_config = {
        enabled: true,
        unindexed_filtering_retrieve: false,
        unindexed_filtering_update: false,
      };
      const { collection, plan } = await arrays({ ...VECTORS, strict_mode_config }, { field: 'tenant' });
      expect(plan.problems).toEqual([]);
      const ctx = await loggedContext(store, { profile });
      await drain(qdrantStage.apply(plan, ctx));
      expect(await fieldOf(collection, 1)).toEqual(['x', 'beta']);
      await drain(qdrantStage.undo(plan, ctx));
      expect(await fieldOf(collection, 1)).toEqual(['x', 'acme']);
      await world.send('PATCH', `/collections/${collection}`, { strict_mode_config: { filter_max_conditions: 3 } });
      const refused = await qdrantStage.plan([move], planContext(store, { profile }));
      expect(refused.problems.map(({ code }) => code)).toEqual(['array-value']);
    });
  });

  it('is moved in every shard that the application named', async () => {
    const collection = await world.collection('docs', { ...VECTORS, sharding_method: 'custom' }, { field: 'tenant' });
    for (const [shard_key, id] of [
      ['eu', 1],
      [7, 2],
      ['empty', undefined],
    ] as const) {
      await world.send('PUT', `/collections/${collection}/shards`, { shard_key });
      if (id === undefined) continue;
      const points = [id, id + 10].map((at) => ({
        id: at,
        vector: [at],
        payload: { tenant: at < 10 ? 'acme' : 'other' },
      }));
      await world.send('PUT', `/collections/${collection}/points?wait=true`, { points, shard_key });
    }
    const start = await world.state(collection);
    const profile = { ...generic, qdrantField: 'tenant' };
    const move = { source: 'acme', target: 'beta' };
    expect(await qdrantStage.preflight([move], planContext(store, { profile }), store)).toEqual([]);
    const plan = await qdrantStage.plan([move], planContext(store, { profile }));
    const ctx = await loggedContext(store, { profile });
    expect(total(await drain(qdrantStage.apply(plan, ctx)), 'moved')).toBe(2);
    expect(await qdrantStage.verify(plan, 'applied', ctx)).toEqual([]);
    const after = JSON.stringify((await world.state(collection)).points);
    expect(after).toBe(JSON.stringify(start.points).replaceAll('acme', 'beta'));
    await qdrantStage.quiesce?.([move], ctx);
    await drain(qdrantStage.undo(plan, ctx));
    expect(await world.state(collection)).toEqual(start);
  });

  it('in an array keeps ids that are made from it, and the plan says so', async () => {
    const collection = await world.collection('docs', { vectors: { size: 4, distance: 'Dot' } });
    const field = `"${FIELD}":"acme"`;
    await world.upsert(collection, [entity('acme', 1), entity('acme', 2).replace(field, `"${FIELD}":["x","acme"]`)]);
    const plan = await qdrantStage.plan([{ source: 'acme', target: 'beta' }], planContext(store));
    expect(plan.problems).toEqual([]);
    expect(plan.notices.map(({ kind }) => kind)).toContain('ids-derived-from-tenant');
    const ctx = await loggedContext(store);
    await drain(qdrantStage.apply(plan, ctx));
    expect(
      (await qdrantStage.verify(plan, 'applied', ctx)).filter(({ severity }) => severity === 'difference'),
    ).toEqual([]);
    expect(JSON.stringify((await world.state(collection)).points)).toContain('[\\"x\\",\\"beta\\"]');
  });

  it('as a number is refused a target that is none', async () => {
    const collection = await world.collection('docs', VECTORS);
    await world.upsert(collection, ['{"id":1,"vector":[1],"payload":{"tenant":42}}']);
    const profile = { ...generic, qdrantField: 'tenant' };
    const { problems } = await qdrantStage.plan([{ source: '42', target: 'beta' }], planContext(store, { profile }));
    expect(problems.map(({ code }) => code)).toEqual(['number-value']);
  });
});

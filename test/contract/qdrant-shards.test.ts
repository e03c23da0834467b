import { stringify } from 'lossless-json';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Move } from '../../src/model/move.ts';
import type { QdrantPlan } from '../../src/stages/qdrant/qdrant-plan.ts';
import { qdrantStage } from '../../src/stages/qdrant.ts';
import type { StageEvent, StageOptions } from '../../src/stages/stage.ts';
import type { QdrantWriter, ShardKey } from '../../src/stores/qdrant/qdrant-reader.ts';
import { openQdrantWriter } from '../../src/stores/qdrant/qdrant-store.ts';
import { lightRagId, reIdRun } from '../support/qdrant-re-id.ts';
import { startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { FIELD, loggedContext, planOf } from '../support/qdrant-tenants.ts';
import { QdrantWorld } from '../support/qdrant-world.ts';
import { drain, planContext } from '../support/stage-context.ts';

/** A real single server of this version takes no shard keys without a cluster: these run against the stand-in alone. */
describe('shards that the application named, in Qdrant (simulated)', () => {
  let server: Awaited<ReturnType<typeof startQdrantStandIn>>;
  let world: QdrantWorld;
  let store: QdrantWriter;
  let docs: string;
  const move: Move = { source: 'acme', target: 'beta' };
  const NUMBER = 9_007_199_254_740_993n;

  beforeEach(async () => {
    server = await startQdrantStandIn();
    world = new QdrantWorld(server.url);
    store = await openQdrantWriter({ url: server.url, timeoutMs: 20_000 });
    const vectors = { text: { size: 2, distance: 'Cosine' }, plain: { size: 2, distance: 'Dot' } };
    docs = await world.collection('docs', { vectors, sharding_method: 'custom' }, { field: FIELD });
  });
  afterEach(async () => {
    await store.close();
    await server.close();
  });

  const point = (tenant: unknown, at: number, id = String(NUMBER + BigInt(at))) =>
    `{"id":${id},"vector":{"text":[0.6,0.${at + 1}],"plain":[${at}.1,1e-38]},"payload":{"id":"ent-${at}","${FIELD}":${JSON.stringify(tenant)},"one":1.0,"big":${NUMBER}}}`;
  const derived = (tenant: string, at: number) => point(tenant, at, `"${lightRagId(tenant, `ent-${at}`)}"`);

  async function fill(key: ShardKey, points: readonly string[]): Promise<void> {
    await world.send('PUT', `/collections/${docs}/shards`, { shard_key: key });
    if (points.length > 0) await put(key, points);
  }
  const put = (key: ShardKey, points: readonly string[]) =>
    world.send(
      'PUT',
      `/collections/${docs}/points?wait=true`,
      `{"points":[${points.join(',')}],"shard_key":${JSON.stringify(key)}}`,
    );
  /** The tenant's shard, one of a longer id with some of the same ids, and one that many share. */
  async function fillAll(eighth: unknown = 'acme'): Promise<void> {
    const own = Array.from({ length: 6 }, (_, at) => (at % 3 === 0 ? derived('acme', at) : point('acme', at)));
    await fill('acme', [...own, point(eighth, 8)]);
    await fill('acme_eu', [point('acme_eu', 1), point('acme_eu', 2)]);
    await fill('shared', [point('acme', 1), point('other', 30)]);
  }

  /** Every point's text by shard and id, read without the code under test. */
  async function shards(): Promise<Readonly<Record<string, Readonly<Record<string, string>>>>> {
    const { shard_keys } = resultOf(await world.send('GET', `/collections/${docs}/shards`)) as {
      shard_keys: { key: ShardKey }[];
    };
    const read = shard_keys.map(async ({ key }) => {
      const body = `{"limit":100,"with_payload":true,"with_vector":true,"shard_key":${JSON.stringify(key)}}`;
      const text = await world.send('POST', `/collections/${docs}/points/scroll`, body);
      const points = [...text.matchAll(/\{"id":("[^"]+"|\d+),"payload".*?"shard_key":[^}]*\}/g)];
      return [String(key), Object.fromEntries(points.map(([all, id]) => [id, all]))] as const;
    });
    return Object.fromEntries((await Promise.all(read)).sort(([a], [b]) => (a < b ? -1 : 1)));
  }
  const resultOf = (text: string) => (JSON.parse(text) as { result: unknown }).result;

  /** What must stand after a move: the field, ids made from the tenant and the shard's name, and nothing else. */
  function moved(before: Awaited<ReturnType<typeof shards>>): Awaited<ReturnType<typeof shards>> {
    let text = stringify(before) ?? '';
    for (let at = 0; at < 6; at += 3)
      text = text.replaceAll(lightRagId('acme', `ent-${at}`), lightRagId('beta', `ent-${at}`));
    const after = JSON.parse(
      text.replaceAll('"acme"', '"beta"').replaceAll('\\"acme\\"', '\\"beta\\"'),
    ) as typeof before;
    return Object.fromEntries(
      Object.entries(after)
        .map(([key, points]) => [key, Object.fromEntries(Object.entries(points).sort())] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  }

  it.each(['sample', 'full'] as const)(
    'one named after the tenant gets the name of the target with its points, and its own again (verify %s)',
    async (verify) => {
      await fillAll();
      const before = await shards();
      const run = await reIdRun(store, move, { verify, batchSize: 2 });
      expect(run.plan.moves).toEqual([{ source: 'acme', target: 'beta', found: 8, atTarget: 0 }]);
      expect(await run.apply()).toEqual([]);
      const both = await shards();
      expect(Object.keys(both)).toEqual(['acme', 'acme_eu', 'beta', 'shared']);
      expect(both.beta).toEqual(moved(before).beta);
      await run.undo();
      expect(await shards()).toEqual(before);
      expect(await run.apply()).toEqual([]);
      expect(await run.finalize()).toEqual([]);
      expect(await shards()).toEqual(moved(before));
      expect(await planOf(store, move).then(({ moves }) => moves)).toMatchObject([{ found: 0, atTarget: 8 }]);
      await run.undo();
      expect(await shards()).toEqual(before);
    },
  );

  it('a run that dies around any of its writes goes on to the end, or back to the start; so does an undo', async () => {
    await fillAll();
    const before = await shards();
    const after = moved(before);
    const plan = await planOf(store, move, { verify: 'counts' });
    const forward = async (ctx: Awaited<ReturnType<typeof loggedContext<QdrantWriter>>>) => {
      await drain(qdrantStage.apply(plan, ctx));
      await drain(qdrantStage.finalize(plan, ctx));
    };
    let deaths = 0;
    for (const side of ['before', 'after'] as const) {
      for (let write = 1; ; write += 1) {
        const ctx = await loggedContext(store, { options: { verify: 'counts' } });
        const dead = await dies(forward({ ...ctx, store: dying(store, write, side) }));
        if (dead && (write % 2 === 0) === (side === 'before')) await drain(qdrantStage.undo(plan, ctx));
        else {
          const again = { ...ctx, options: { ...ctx.options, continuing: true } };
          const { moves, problems } = await qdrantStage.plan([move], again);
          expect([problems, moves[0]!.found + moves[0]!.atTarget]).toEqual([[], 8]);
          await forward(again);
          expect(await shards()).toEqual(after);
          await dies(
            Promise.resolve().then(() => drain(qdrantStage.undo(plan, { ...ctx, store: dying(store, write, side) }))),
          );
          await drain(qdrantStage.undo(plan, ctx));
        }
        expect(await shards()).toEqual(before);
        if (!dead) break;
        deaths += 1;
      }
    }
    // The field, the copies under new ids, the new shard, its points, the old ids, the old shard: on either side of each.
    expect(deaths).toBeGreaterThanOrEqual(12);
  });

  it('what the application wrote since comes back with it; what is not of the move stays in the new shard', async () => {
    // An array too: where some are, ids made from the tenant stay.
    await fillAll(['acme', 'x']);
    const before = await shards();
    const events: StageEvent[] = [];
    const plan = await planOf(store, move, { qdrantMode: 'payload' });
    const ctx = await loggedContext(store, { events });
    await drain(qdrantStage.apply(plan, ctx));
    await drain(qdrantStage.finalize(plan, ctx));
    const newer = point('beta', 1).replace('"one":1.0', '"one":2.5');
    await put('beta', [newer, point('beta', 77)]);
    await drain(qdrantStage.undo(plan, ctx));
    const { beta, acme, ...others } = await shards();
    expect(Object.keys(beta!)).toEqual([String(NUMBER + 77n)]);
    expect(acme![String(NUMBER + 1n)]).toContain('"one":2.5,');
    const changed = { ...acme, [String(NUMBER + 1n)]: before.acme![String(NUMBER + 1n)] };
    expect({ acme: changed, ...others }).toEqual(before);
    expect(JSON.stringify(events)).toContain('stays: it has 1 points');
  });

  it('a shard in which somebody still writes is not deleted', async () => {
    await fillAll();
    const run = await reIdRun(store, move, { qdrantMode: 'payload' });
    expect(await run.apply()).toEqual([]);
    await put('acme', [point('beta', 1).replace('"one":1.0', '"one":3.0'), point('beta', 50)]);
    const kinds = await qdrantStage.verify(run.plan, 'applied', run.ctx);
    expect(
      kinds
        .filter(({ severity }) => severity === 'difference')
        .map(({ kind }) => kind)
        .sort(),
    ).toEqual(['content', 'left-behind']);
    await expect(run.finalize()).rejects.toThrow('somebody still writes');
    await put('acme', [point('nobody', 60)]);
    await expect(run.finalize()).rejects.toThrow('somebody still writes');
    expect(Object.keys((await shards()).acme!)).toHaveLength(9);
  });

  it('is refused where points of others would go with it, where the new one holds points, and where it has no such name', async () => {
    await fillAll();
    const refusal = async (to: string, options: Partial<StageOptions> = {}) =>
      (await qdrantStage.plan([{ source: move.source, target: to }], planContext(store, { options }))).problems.map(
        ({ code, message }) => `${code}: ${message}`,
      );
    expect(await refusal('beta')).toEqual([]);
    expect(await refusal('acme_eu')).toEqual(
      expect.arrayContaining([expect.stringMatching(/shard-key: .*2 points.*not merged/)]),
    );
    await put('acme', [point('other', 90)]);
    expect(await refusal('beta')).toEqual([expect.stringMatching(/shard-key: .*1 points without "acme"/)]);
    await fill(7, [point('7', 91)]);
    const numbered = await qdrantStage.plan([{ source: '7', target: 'seven' }], planContext(store));
    expect(numbered.problems.map(({ message }) => message)).toEqual([expect.stringContaining('"seven" is none')]);
    const eight = await qdrantStage.plan([{ source: '7', target: '8' }], planContext(store));
    expect([eight.problems, eight.shards]).toMatchObject([[], [{ from: 7, to: 8, points: 1 }]]);
  });

  it('points with ids made from the tenant keep their shard; an id that stands in two shards is refused', async () => {
    await fill('eu', [derived('acme', 0), point('acme', 1)]);
    await fill('us', [derived('acme', 3), point('other', 4), derived('other', 0)]);
    const before = await shards();
    const run = await reIdRun(store, move, { verify: 'full' });
    expect(run.plan.collections).toMatchObject([{ source: 3, reId: { points: 2 } }]);
    expect(await run.apply()).toEqual([]);
    expect(await run.finalize()).toEqual([]);
    expect(await shards()).toEqual(moved(before));
    await run.undo();
    expect(await shards()).toEqual(before);
    const problemsOf = (plan: QdrantPlan) => plan.problems.map(({ code }) => code);
    await put('us', [derived('acme', 0)]);
    expect(problemsOf(await planOf(store, move))).toEqual(['unsupported']);
    expect(problemsOf(await planOf(store, move, { qdrantMode: 'payload' }))).toEqual([]);
    await world.send('POST', `/collections/${docs}/points/delete?wait=true`, {
      points: [lightRagId('acme', 'ent-0')],
      shard_key: 'us',
    });
    await put('us', [point('nobody', 0, `"${lightRagId('beta', 'ent-0')}"`)]);
    expect(problemsOf(await planOf(store, move))).toContain('unsupported');
  });

  async function dies(work: Promise<unknown>): Promise<boolean> {
    try {
      await work;
      return false;
    } catch (error) {
      if (
        !String(error).includes('died') &&
        !JSON.stringify((error as AggregateError).errors?.map(String)).includes('died')
      )
        throw error;
      return true;
    }
  }
});

const WRITES: ReadonlySet<string> = new Set([
  'setField',
  'setArray',
  'insertPoints',
  'replacePoints',
  'deletePoints',
  'createShardKey',
  'deleteShardKey',
]);

/** The store of a process that ends around its nth write, and can do nothing after. */
function dying(store: QdrantWriter, nth: number, side: 'before' | 'after'): QdrantWriter {
  let writes = 0;
  const wrap = (inner: QdrantWriter): QdrantWriter =>
    new Proxy(inner, {
      get(target, name: string) {
        const own = target[name as keyof QdrantWriter] as unknown;
        if (typeof own !== 'function') return own;
        const call = own as (...args: unknown[]) => unknown;
        if (name === 'within' || name === 'stoppedBy') return (arg: unknown) => wrap(call(arg) as QdrantWriter);
        if (!WRITES.has(name)) return call;
        return async (...args: unknown[]) => {
          writes += 1;
          if (writes > nth || (writes === nth && side === 'before')) throw new Error('died');
          const result = await call(...args);
          if (writes >= nth) throw new Error('died');
          return result;
        };
      },
    });
  return wrap(store);
}

import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { qdrantStage } from '../../src/stages/qdrant.ts';
import type { Finding, StageEvent } from '../../src/stages/stage.ts';
import type { QdrantReader, QdrantWriter } from '../../src/stores/qdrant/qdrant-reader.ts';
import { openQdrantReader, openQdrantWriter } from '../../src/stores/qdrant/qdrant-store.ts';
import { startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import {
  chunkId,
  FIELD,
  loggedContext,
  makeTenants,
  planOf,
  type Tenants,
  wholeMove,
} from '../support/qdrant-tenants.ts';
import { pointsOf, QdrantWorld, withField } from '../support/qdrant-world.ts';
import { drain, planContext, total } from '../support/stage-context.ts';

const realUrl = inject('qdrantUrl') || process.env.TEST_QDRANT_URL;

const servers = [
  { server: 'stand-in', start: () => startQdrantStandIn() },
  ...(realUrl ? [{ server: 'real server', start: async () => ({ url: realUrl, close: async () => undefined }) }] : []),
];

describe.each(servers)('Qdrant ($server)', ({ start }) => {
  let server: { readonly url: string; close(): Promise<void> };
  let world: QdrantWorld;
  let tenants: Tenants;
  let reader: QdrantReader;
  let writer: QdrantWriter;

  beforeEach(async () => {
    server = await start();
    world = new QdrantWorld(server.url);
    tenants = await makeTenants(world);
    reader = await openQdrantReader({ url: server.url, timeoutMs: 20_000 });
    writer = await openQdrantWriter({ url: server.url, timeoutMs: 20_000 });
  });

  afterEach(async () => {
    await Promise.all([reader.close(), writer.close()]);
    await world.close();
    await server.close();
  });

  describe('a move', () => {
    it.each(['counts', 'sample', 'full'] as const)(
      'changes the field of every point and nothing else (verify %s)',
      async (verify) => {
        const before = await world.states();
        const { plan, findings } = await wholeMove(writer, tenants.move, { verify, batchSize: 17 });
        expect(differences(findings)).toEqual([]);
        expect(plan.moves).toEqual([{ ...tenants.move, found: tenants.points, atTarget: 0 }]);
        expect(pointsOf(await world.states())).toEqual(withField(before, FIELD, tenants.move));
      },
    );

    it('undone is the start, indexes included', async () => {
      const before = await world.states();
      const { undo } = await wholeMove(writer, tenants.move);
      expect(await world.states()).not.toEqual(before);
      await undo();
      expect(await world.states()).toEqual(before);
      await undo();
      expect(await world.states()).toEqual(before);
    });

    it('undone and done again is the end', async () => {
      const { plan, undo } = await wholeMove(writer, tenants.move);
      const end = await world.states();
      await undo();
      const ctx = await loggedContext(writer);
      await drain(qdrantStage.apply(plan, ctx));
      expect(await world.states()).toEqual(end);
      expect(differences(await qdrantStage.verify(plan, 'applied', ctx))).toEqual([]);
    });

    it('a second time changes nothing', async () => {
      const { plan } = await wholeMove(writer, tenants.move);
      const end = await world.states();
      expect(total(await drain(qdrantStage.apply(plan, await loggedContext(writer))), 'moved')).toBe(0);
      expect(await world.states()).toEqual(end);
      const again = await planOf(reader, tenants.move);
      expect([again.moves, again.problems]).toEqual([[{ ...tenants.move, found: 0, atTarget: tenants.points }], []]);
    });

    it('tells its total, its progress and each collection', async () => {
      const events: StageEvent[] = [];
      const plan = await planOf(reader, tenants.move);
      const checkpoints = await drain(qdrantStage.apply(plan, await loggedContext(writer, { events })));
      expect(total(checkpoints, 'moved')).toBe(tenants.points);
      expect(events[0]).toEqual({ type: 'total', stage: 'qdrant', total: tenants.points, unit: 'points' });
      expect(events.filter(({ type }) => type === 'note').map((event) => 'text' in event && event.text)).toEqual([
        `Collection: ${tenants.chunks}`,
        '  Migrated: 120 points',
        `Collection: ${tenants.named}`,
        '  Migrated: 40 points',
      ]);
      expect(events.findLast(({ type }) => type === 'progress')).toMatchObject({ done: tenants.points });
    });

    it('leaves a point that another tenant took over after its id was read, and so does undo', async () => {
      const plan = await planOf(reader, tenants.move);
      const permit = async () => world.setPayload(tenants.chunks, chunkId(5), { [FIELD]: world.name('thief') });
      const ctx = await loggedContext(writer, { permit });
      await drain(qdrantStage.apply(plan, ctx));
      await world.setPayload(tenants.chunks, chunkId(6), { [FIELD]: world.name('thief') });
      await drain(qdrantStage.undo(plan, ctx));
      const match = { field: FIELD, value: world.name('thief') };
      expect(await reader.count({ collection: tenants.chunks, match })).toBe(2);
    });

    it('of two tenants moves both', async () => {
      const second = { source: `${tenants.move.source}_eu`, target: world.name('moved_eu') };
      const before = await world.states();
      const plan = await qdrantStage.plan([tenants.move, second], planContext(reader));
      const ctx = await loggedContext(writer);
      await drain(qdrantStage.apply(plan, ctx));
      expect(differences(await qdrantStage.verify(plan, 'applied', ctx))).toEqual([]);
      const after = pointsOf(await world.states());
      expect(JSON.stringify(after)).not.toContain(`"${second.source}"`);
      await drain(qdrantStage.undo(plan, ctx));
      expect(await world.states()).toEqual(before);
    });

    it('of two tenants into one brings both', async () => {
      const moves = [tenants.move, { source: `${tenants.move.source}_eu`, target: tenants.move.target }];
      const options = { verify: 'full' } as const;
      const plan = await qdrantStage.plan(moves, planContext(reader, { options }));
      const ctx = await loggedContext(writer, { options });
      await drain(qdrantStage.apply(plan, ctx));
      expect(await qdrantStage.verify(plan, 'applied', ctx)).toEqual([]);
    });

    it('stopped half-way goes on to the same end, or back to the start', async () => {
      const before = await world.states();
      const plan = await planOf(reader, tenants.move);
      const halted = await loggedContext(writer, { options: { batchSize: 10 }, permit: stopAfter(5) });
      await expect(drain(qdrantStage.apply(plan, halted))).rejects.toThrow('stop');
      expect(
        await reader.count({ collection: tenants.chunks, match: { field: FIELD, value: tenants.move.target } }),
      ).toBe(50);

      const resumed = await loggedContext(writer, { undo: halted.undo });
      await drain(qdrantStage.apply(plan, resumed));
      expect(differences(await qdrantStage.verify(plan, 'applied', resumed))).toEqual([]);
      expect(pointsOf(await world.states())).toEqual(withField(before, FIELD, tenants.move));

      await drain(qdrantStage.undo(plan, resumed));
      expect(await world.states()).toEqual(before);
    });

    it('stopped half-way can be undone at once, and an undo stopped half-way goes on', async () => {
      const before = await world.states();
      const plan = await planOf(reader, tenants.move);
      const ctx = await loggedContext(writer, { options: { batchSize: 10 }, permit: stopAfter(9) });
      await expect(drain(qdrantStage.apply(plan, ctx))).rejects.toThrow('stop');
      await expect(drain(qdrantStage.undo(plan, { ...ctx, permit: stopAfter(3) }))).rejects.toThrow('stop');
      await drain(qdrantStage.undo(plan, { ...ctx, permit: () => Promise.resolve() }));
      expect(await world.states()).toEqual(before);
    });

    it('undone leaves alone what the log does not name, and what was written since', async () => {
      const { undo } = await wholeMove(writer, tenants.move);
      await world.upsert(tenants.chunks, [point(900, tenants.move.target)]);
      await world.setPayload(tenants.chunks, chunkId(3), { content: 'newer' });
      await undo();
      const { points } = await world.state(tenants.chunks);
      expect(points[idOf(900)]).toContain(`"${tenants.move.target}"`);
      expect(points[idOf(3)]).toContain('newer');
      expect(points[idOf(3)]).toContain(`"${tenants.move.source}"`);
    });

    it('of a collection that vanishes meanwhile says which', async () => {
      const plan = await planOf(reader, tenants.move);
      const permit = async () => world.drop(tenants.chunks);
      const ctx = await loggedContext(writer, { options: { batchSize: 50 }, permit });
      await expect(drain(qdrantStage.apply(plan, ctx))).rejects.toMatchObject({
        code: 'missing',
        message: expect.stringContaining(tenants.chunks),
      });
      expect(kinds(await qdrantStage.verify(plan, 'applied', ctx))).toContain('missing');
      await expect(drain(qdrantStage.undo(plan, { ...ctx, permit: () => Promise.resolve() }))).rejects.toThrow(
        /deleted/,
      );
    });
  });

  describe('a plan', () => {
    it('names look-alikes and leaves them out of its counts', async () => {
      const { notices, shapes } = await planOf(reader, tenants.move);
      const lookAlike = notices.find(({ kind }) => kind === 'look-alike');
      const { source, target } = tenants.move;
      expect(lookAlike?.samples?.toSorted()).toEqual(
        [`${source}_eu (2)`, `my_${source} (2)`, `${source.toUpperCase()} (2)`].toSorted(),
      );
      expect(shapes).toContainEqual({
        from: `${tenants.chunks}  ${FIELD}=${source}`,
        to: `${FIELD}=${target}`,
        count: 120,
      });
    });

    it('says which index it will make', async () => {
      const { notices } = await planOf(reader, tenants.move);
      expect(notices).toContainEqual(expect.objectContaining({ kind: 'index-created', where: tenants.named }));
      await wholeMove(writer, tenants.move);
      expect((await world.state(tenants.named)).schema).toMatchObject({
        [FIELD]: { data_type: 'keyword', params: { is_tenant: true } },
      });
    });

    it.each(['counts', 'sample'] as const)(
      'in payload mode notices ids that LightRAG made from the tenant, before and after (%s)',
      async (verify) => {
        const { collection, move } = await lightRag(world);
        const notice = { kind: 'ids-derived-from-tenant', severity: 'notice', where: collection, count: 12 };
        const options = { verify, qdrantMode: 'payload' } as const;
        const before = await planOf(reader, move, options);
        expect(before.notices).toContainEqual(expect.objectContaining(notice));
        expect(before.notices[0]?.message).toContain('the application will not find these points by id');
        const ctx = await loggedContext(writer);
        await drain(qdrantStage.apply(before, ctx));
        const after = await planOf(reader, move, options);
        expect(after.notices).toContainEqual(expect.objectContaining(notice));
      },
    );

    it('refuses an array where the id should be that holds what no filter can ask for', async () => {
      await world.setPayload(tenants.chunks, chunkId(7), { [FIELD]: [tenants.move.source, { of: 'x' }] });
      const { problems } = await planOf(reader, tenants.move);
      expect(problems).toEqual([
        expect.objectContaining({ code: 'array-value', message: expect.stringContaining(chunkId(7)) }),
      ]);
    });

    it.each([['x'], []])('sees an array even where it reads no points (%s)', async (...others) => {
      await world.setPayload(tenants.chunks, chunkId(7), { [FIELD]: [tenants.move.source, ...others] });
      const { notices } = await planOf(reader, tenants.move, { verify: 'counts' });
      expect(notices).toContainEqual(expect.objectContaining({ kind: 'array-value', count: 1 }));
    });

    it('refuses a target with points of its own until told to merge, and then tells them apart', async () => {
      await world.upsert(tenants.unrelated, [`{"id":9,"vector":[2],"payload":{"${FIELD}":"${tenants.move.target}"}}`]);
      await world.upsert(tenants.chunks, [point(901, tenants.move.target)]);
      const before = await world.states();
      const { problems } = await planOf(reader, tenants.move);
      expect(problems).toEqual([
        expect.objectContaining({ code: 'both-have-data', fix: expect.stringContaining('--merge') }),
      ]);
      const { findings, undo } = await wholeMove(writer, tenants.move, { merge: true, verify: 'full' });
      expect(differences(findings)).toEqual([]);
      await undo();
      expect(await world.states()).toEqual(before);
    });

    it('has a basis that counts do not change', async () => {
      const { basis } = await planOf(reader, tenants.move);
      await world.upsert(tenants.chunks, [point(902, tenants.move.source)]);
      expect((await planOf(reader, tenants.move)).basis).toEqual(basis);
    });
  });

  describe('others who write meanwhile', () => {
    it('to the source, in any collection, are drained by planning and applying once more', async () => {
      const plan = await planOf(reader, tenants.move);
      let written = 0;
      const permit = async (): Promise<void> => {
        written += 1;
        // An id before all others: the pages of ids have passed it.
        if (written === 2) await world.upsert(tenants.named, [namedOf(1, tenants.move.source)]);
        if (written === 3) await world.upsert(tenants.unrelated, [unrelatedOf(7, tenants.move.source)]);
      };
      const ctx = await loggedContext(writer, { options: { batchSize: 60 }, permit });
      await drain(qdrantStage.apply(plan, ctx));
      await world.upsert(tenants.chunks, [point(904, tenants.move.source)]);
      const late = differences(await qdrantStage.verify(plan, 'applied', ctx));
      expect(new Set(late.map(({ kind, drainable }) => `${kind} ${drainable}`))).toEqual(new Set(['left-behind true']));
      expect(late.map(({ where }) => where)).toEqual(expect.arrayContaining([tenants.chunks, tenants.unrelated]));
      const again = await planOf(reader, tenants.move, { continuing: true });
      expect(again.problems).toEqual([]);
      await drain(qdrantStage.apply(again, ctx));
      expect(differences(await qdrantStage.verify(plan, 'applied', ctx))).toEqual([]);
      const match = { field: FIELD, value: tenants.move.source };
      for (const collection of [tenants.chunks, tenants.named, tenants.unrelated])
        expect(await reader.count({ collection, match })).toBe(0);
    });

    it('to the target are told with their number, and are no difference', async () => {
      const plan = await planOf(reader, tenants.move);
      const ctx = await loggedContext(writer);
      await drain(qdrantStage.apply(plan, ctx));
      await world.upsert(tenants.chunks, [point(905, tenants.move.target), point(906, tenants.move.target)]);
      expect(await qdrantStage.verify(plan, 'applied', ctx)).toEqual([
        expect.objectContaining({ kind: 'grew', severity: 'notice', where: tenants.chunks, count: 2 }),
      ]);
    });

    it('over points that were moved are a difference', async () => {
      const plan = await planOf(reader, tenants.move);
      const ctx = await loggedContext(writer);
      await drain(qdrantStage.apply(plan, ctx));
      await world.setPayload(tenants.chunks, chunkId(5), { [FIELD]: world.name('thief') });
      expect(kinds(differences(await qdrantStage.verify(plan, 'applied', ctx)))).toEqual(['count', 'content']);
    });
  });

  it.each([7, undefined])('the plan says how large the undo log will be at most (batches of %s)', async (batchSize) => {
    const plan = await planOf(reader, tenants.move, { batchSize });
    const ctx = await loggedContext(writer, { options: { batchSize } });
    await drain(qdrantStage.apply(plan, ctx));
    let bytes = 0;
    for await (const batch of ctx.undo.read()) bytes += Buffer.byteLength(JSON.stringify(batch));
    expect(plan.undoBytes).toBeGreaterThanOrEqual(bytes);
    expect(plan.undoBytes).toBeLessThan(4 * bytes);
  });

  describe('verify', () => {
    it('sees a point left behind, and apply settles it', async () => {
      const { plan } = await wholeMove(writer, tenants.move);
      await world.upsert(tenants.chunks, [point(903, tenants.move.source)]);
      const ctx = await loggedContext(writer);
      expect(differences(await qdrantStage.verify(plan, 'applied', ctx))).toEqual([
        expect.objectContaining({ kind: 'left-behind', drainable: true, count: 1, where: tenants.chunks }),
      ]);
      await drain(qdrantStage.apply(plan, ctx));
      const findings = await qdrantStage.verify(plan, 'applied', ctx);
      expect([differences(findings), kinds(findings)]).toEqual([[], ['grew']]);
    });

    it.each([
      ['payload', { options: { verify: 'sample' } }],
      ['payload', { options: { verify: 'full' } }],
    ] as const)('sees a changed %s (%o)', async (_what, { options }) => {
      const { plan } = await wholeMove(writer, tenants.move, options);
      await world.setPayload(tenants.chunks, chunkId(5), { one: 1 });
      const findings = await qdrantStage.verify(plan, 'applied', planContext(reader, { options }));
      expect(new Set(kinds(differences(findings)))).toEqual(new Set(['content']));
      expect(findings.flatMap(({ samples }) => samples ?? [])).toEqual([chunkId(5)]);
    });

    it('sees a changed vector among those it read, and any with the deepest verify', async () => {
      const { plan } = await wholeMove(writer, tenants.move, { verify: 'full' });
      const own = plan.collections.find(({ collection }) => collection === tenants.chunks);
      const read = own?.sample.find(({ vectors }) => vectors !== undefined)?.id ?? '';
      const unread = own?.sample.find(({ vectors }) => vectors === undefined)?.id ?? '';
      await world.setVector(tenants.chunks, unread, [4, 3, 2, 1]);
      const by = async (verify: 'sample' | 'full') =>
        kinds(differences(await qdrantStage.verify(plan, 'applied', planContext(reader, { options: { verify } }))));
      expect([await by('sample'), await by('full')]).toEqual([[], ['content']]);
      await world.setVector(tenants.chunks, read, [4, 3, 2, 1]);
      expect([await by('sample'), await by('full')]).toEqual([['content'], ['content', 'content']]);
    });

    it('sees points that are gone', async () => {
      const { plan } = await wholeMove(writer, tenants.move);
      await world.send('POST', `/collections/${tenants.chunks}/points/delete?wait=true`, `{"points":[${chunkId(4)}]}`);
      const findings = await qdrantStage.verify(plan, 'applied', planContext(reader));
      expect(kinds(differences(findings))).toEqual(['count', 'content']);
    });

    it('sees a collection that gained points of the source meanwhile', async () => {
      const { plan } = await wholeMove(writer, tenants.move);
      await world.upsert(tenants.unrelated, [`{"id":9,"vector":[2],"payload":{"${FIELD}":"${tenants.move.source}"}}`]);
      expect(differences(await qdrantStage.verify(plan, 'applied', planContext(reader)))).toEqual([
        expect.objectContaining({
          kind: 'left-behind',
          where: tenants.unrelated,
          fix: expect.stringContaining('--merge'),
        }),
      ]);
    });

    it('sees through an index that lies', async () => {
      const plan = await planOf(reader, tenants.move);
      const lying: QdrantReader = {
        ...reader,
        count: async (request) => {
          const { match } = request;
          if (match?.value === tenants.move.source) return 0;
          const own = plan.collections.find(({ collection }) => collection === request.collection);
          return match?.value === tenants.move.target ? (own?.source ?? 0) : reader.count(request);
        },
        stoppedBy: () => lying,
      };
      const drift = (await qdrantStage.verify(plan, 'applied', planContext(lying))).filter(
        ({ kind }) => kind === 'index-drift',
      );
      expect(new Set(drift.map(({ where }) => where))).toEqual(new Set([tenants.chunks, tenants.named]));
    });
  });

  it('the tenants of the server are listed with their points', async () => {
    const hits = await reader.tenants(FIELD, 1_000);
    expect(hits).toContainEqual({ value: tenants.move.source, count: 120 });
    expect(hits).toContainEqual({ value: `my_${tenants.move.source}`, count: 2 });
  });

  it('a collection that forbids filters stops a run only where it holds points of the source', async () => {
    const strict_mode_config = {
      enabled: true,
      unindexed_filtering_retrieve: false,
      unindexed_filtering_update: false,
    };
    const strict = await world.collection('strict', { vectors: { size: 1, distance: 'Dot' }, strict_mode_config });
    await world.upsert(strict, ['{"id":1,"vector":[1],"payload":{"note":"of nobody"}}']);
    expect((await planOf(reader, tenants.move)).problems).toEqual([]);
    await world.upsert(strict, [`{"id":2,"vector":[1],"payload":{"${FIELD}":"${tenants.move.source}"}}`]);
    expect((await planOf(reader, tenants.move)).problems).toEqual([
      expect.objectContaining({ code: 'index-required', message: expect.stringContaining(strict) }),
    ]);
  });

  it('limits of strict mode are kept', async () => {
    const strict_mode_config = {
      enabled: true,
      max_query_limit: 20,
      condition_max_size: 8,
      filter_max_conditions: 2,
      unindexed_filtering_retrieve: false,
      unindexed_filtering_update: false,
    };
    const strict = await world.collection(
      'strict',
      { vectors: { size: 4, distance: 'Dot' }, strict_mode_config },
      { field: FIELD },
    );
    await world.upsert(
      strict,
      Array.from({ length: 45 }, (_, index) => point(index, tenants.move.source)),
    );
    const before = await world.states();
    const { findings, undo } = await wholeMove(writer, tenants.move, { verify: 'full' });
    expect(differences(findings)).toEqual([]);
    expect(pointsOf(await world.states())).toEqual(withField(before, FIELD, tenants.move));
    await undo();
    expect(await world.states()).toEqual(before);
  });

  it('a write rate limit slows the move and does not fail it', async () => {
    const retries: number[] = [];
    const patient = await openQdrantWriter({
      url: server.url,
      timeoutMs: 20_000,
      onRetry: ({ delayMs }) => retries.push(delayMs),
    });
    const limited = await world.collection('limited', { vectors: { size: 4, distance: 'Dot' } }, { field: FIELD });
    await world.upsert(
      limited,
      Array.from({ length: 62 }, (_, index) => point(index, tenants.move.source)),
    );
    await world.send('PATCH', `/collections/${limited}`, {
      strict_mode_config: { enabled: true, write_rate_limit: 60 },
    });
    const plan = await planOf(reader, tenants.move);
    const slow = { ...plan, collections: plan.collections.filter(({ collection }) => collection === limited) };
    expect(total(await drain(qdrantStage.apply(slow, await loggedContext(patient))), 'moved')).toBe(62);
    expect(retries.some((delayMs) => delayMs >= 1_000)).toBe(true);
    await patient.close();
  });
});

function point(index: number, tenant: string): string {
  return `{"id":${chunkId(index)},"vector":[1,2,3,4],"payload":{"${FIELD}":${JSON.stringify(tenant)}}}`;
}

function namedOf(id: number, tenant: string): string {
  return `{"id":${id},"vector":{"text":[1,2]},"payload":{"${FIELD}":${JSON.stringify(tenant)}}}`;
}

function unrelatedOf(id: number, tenant: string): string {
  return `{"id":${id},"vector":[1],"payload":{"${FIELD}":${JSON.stringify(tenant)}}}`;
}

function idOf(index: number): string {
  return JSON.parse(chunkId(index)) as string;
}

function stopAfter(batches: number): () => Promise<void> {
  let left = batches;
  return async () => {
    if (left === 0) throw new Error('stop');
    left -= 1;
  };
}

function differences(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ severity }) => severity === 'difference');
}

function kinds(findings: readonly Finding[]): readonly string[] {
  return findings.map(({ kind }) => kind);
}

/** What LightRAG wrote, under a collection name of this test. */
async function lightRag(world: QdrantWorld): Promise<{ collection: string; move: { source: string; target: string } }> {
  const { qdrant } = JSON.parse(await readFile('test/fixtures/lightrag-workspace.json', 'utf8')) as {
    readonly qdrant: Readonly<Record<string, { readonly points: readonly object[] }>>;
  };
  const { points } = Object.values(qdrant)[0]!;
  const settings = { vectors: { size: 8, distance: 'Cosine' }, hnsw_config: { m: 0, payload_m: 16 } };
  const collection = await world.collection('entities', settings, { field: FIELD });
  await world.upsert(
    collection,
    points.map((one) => JSON.stringify(one)),
  );
  return { collection, move: { source: 'acme', target: world.name('acme') } };
}

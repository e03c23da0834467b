import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import type { UndoLog } from '../../src/journal/undo-log.ts';
import type { Json } from '../../src/model/json.ts';
import { canonicalJson } from '../../src/model/json.ts';
import type { Move } from '../../src/model/move.ts';
import type { GraphPlan } from '../../src/stages/graph/graph-plan.ts';
import { graphStage } from '../../src/stages/graph.ts';
import type { StageEvent, StageOptions } from '../../src/stages/stage.ts';
import { type GraphWriter, openGraphReader, openGraphWriter } from '../../src/stores/graph/graph-store.ts';
import { escapeLabel } from '../../src/stores/graph/label.ts';
import { freshLabel, type GraphAccess, graphSettings, type RawGraph, rawGraph } from '../support/graph.ts';
import { applyContext, drain, planContext, total } from '../support/stage-context.ts';

const access: GraphAccess = {
  url: inject('graphUrl'),
  username: inject('graphUsername'),
  password: inject('graphPassword'),
};

describe.skipIf(access.url === '')('the graph stage', () => {
  let raw: RawGraph;
  let store: GraphWriter;
  let move: Move;
  let planted: string[];
  let undo: UndoLog | undefined;

  beforeAll(async () => {
    raw = rawGraph(access);
    store = await openGraphWriter(graphSettings(access));
  });
  afterAll(async () => {
    await store.close();
    await raw.close();
  });
  beforeEach(() => {
    move = { source: freshLabel('siraya'), target: freshLabel('tenant_x') };
    planted = [move.source, move.target];
  });
  afterEach(async () => {
    await raw.clear(planted);
    await undo?.close();
    undo = undefined;
  });

  /** Small batches, and several under way. */
  const stage = graphStage({ atomicLimit: 40, batchesInFlight: 3 });
  const small: Partial<StageOptions> = { batchSize: 50 };

  const plan = (options: Partial<StageOptions> = {}, moves: readonly Move[] = [move]): Promise<GraphPlan> =>
    stage.plan(moves, planContext(store, { options: { ...small, ...options } }));
  const context = async (more: { permit?: (units: number) => Promise<void>; events?: StageEvent[] } = {}) => {
    const ctx = await applyContext(store, { options: small, ...more, ...(undo === undefined ? {} : { undo }) });
    undo = ctx.undo;
    return ctx;
  };
  const apply = async (planned: GraphPlan) => drain(stage.apply(planned, await context()));
  const rollBack = async (planned: GraphPlan) => drain(stage.undo(planned, await context()));
  const verify = (planned: GraphPlan, options: Partial<StageOptions> = {}) =>
    stage.verify(planned, 'applied', planContext(store, { options }));
  const entriesIn = async (log: Pick<UndoLog, 'read'> | undefined) => {
    const entries: Json[] = [];
    for await (const batch of log?.read() ?? []) entries.push(...batch.entries);
    return entries;
  };
  const picture = () => raw.picture(planted);
  /** The picture with every source label written as the target label. */
  const moved = (before: readonly string[]) =>
    before.map((node) => node.replaceAll(JSON.stringify(move.source), JSON.stringify(move.target)));
  const plant = async (label: string, n: number, labels: readonly string[] = []) => {
    planted.push(label);
    await raw.plant(label, n, { labels });
  };

  it('moves every node and nothing else: neighbours keep nodes, properties, relationships and indexes', async () => {
    await plant(move.source, 120, ['Person']);
    await plant(move.source, 30);
    const neighbours = [`${move.source}_eu`, `my_${move.source}`, move.source.repeat(2), move.source.toUpperCase()];
    for (const neighbour of neighbours) {
      await plant(neighbour, 5, ['Person']);
      await raw.run(`CREATE INDEX FOR (n:${escapeLabel(neighbour)}) ON (n.entity_id)`);
    }
    await raw.run(
      `MATCH (a:${escapeLabel(move.source)} {rank: 1}) MATCH (b:${escapeLabel(neighbours[0]!)} {rank: 1})
       CREATE (a)-[:KNOWS {since: date('2026-01-02')}]->(b)`,
    );
    // Other files make indexes on the same server meanwhile: these are the neighbours'.
    const ownIndexes = () =>
      raw.run(
        `SHOW INDEXES YIELD name, labelsOrTypes, properties
         WHERE any(label IN labelsOrTypes WHERE label IN ${JSON.stringify([move.source, move.target, ...neighbours])})
         RETURN name, labelsOrTypes, properties`,
      );
    const schemaBefore = await ownIndexes();
    expect(schemaBefore).toHaveLength(neighbours.length);
    const before = await picture();

    const planned = await plan();
    const checkpoints = await apply(planned);

    expect(total(checkpoints, 'moved')).toBe(150);
    expect(await picture()).toEqual(moved(before).sort());
    expect(await ownIndexes()).toEqual(schemaBefore);
    expect(await verify(planned)).toEqual([]);
    expect(planned.shapes).toContainEqual({
      from: `:${move.source}:Person`,
      to: `:${move.target}:Person`,
      count: 120,
    });
    expect(planned.notices.find(({ kind }) => kind === 'look-alike')?.count).toBe(neighbours.length);
  });

  it('gives the start back with undo, and the end again with apply', async () => {
    await plant(move.source, 130);
    const start = await picture();
    const planned = await plan({ verify: 'full' });
    await apply(planned);
    const end = await picture();

    const logged = Buffer.byteLength(JSON.stringify(await entriesIn(undo)));
    expect(planned.undoBytes).toBeGreaterThan(logged);
    expect(planned.undoBytes).toBeLessThan(1.5 * logged);
    expect(total(await rollBack(planned), 'moved')).toBe(130);
    expect(await picture()).toEqual(start);
    expect(total(await rollBack(planned), 'moved')).toBe(0);
    expect(await picture()).toEqual(start);

    await apply(planned);
    expect(await picture()).toEqual(end);
    expect(await verify(planned, { verify: 'full' })).toEqual([]);
  });

  it('a second apply changes nothing and yields nothing', async () => {
    await plant(move.source, 120);
    const planned = await plan();
    await apply(planned);
    const end = await picture();

    expect(await apply(planned)).toEqual([]);
    expect(await picture()).toEqual(end);
    expect((await plan()).moves).toEqual([{ ...move, found: 0, atTarget: 120 }]);
  });

  it.each(['continued', 'undone'] as const)('a run stopped half-way can be %s', async (what) => {
    await plant(move.source, 230);
    const start = await picture();
    const planned = await plan({ verify: 'full' });
    let permits = 0;
    const stopping = await context({
      permit: async () => {
        permits += 1;
        if (permits > 2) throw new Error('stopped');
      },
    });

    await expect(drain(stage.apply(planned, stopping))).rejects.toThrow('stopped');
    expect(await raw.count(move.target)).toBe(100);

    if (what === 'continued') {
      expect(total(await apply(planned), 'moved')).toBe(130);
      expect(await picture()).toEqual(moved(start).sort());
      expect(await verify(planned, { verify: 'full' })).toEqual([]);
    } else {
      await rollBack(planned);
      expect(await picture()).toEqual(start);
    }
  });

  it('moves a small tenant in one transaction, whatever the batch size', async () => {
    await plant(move.source, 40);
    expect(await apply(await plan({ batchSize: 5 }))).toEqual([{ batch: 1, moved: 40 }]);
  });

  it('undo leaves nodes alone whose move was logged but never sent', async () => {
    await plant(move.source, 10);
    const start = await picture();
    const planned = await plan();
    const ids = planned.expected[0]!.sample.map(({ id }) => id);
    const ctx = await context();
    await ctx.undo.append([{ move: { ...move }, ids, had: [] }]);
    await raw.run(`MATCH (n:${escapeLabel(move.source)} {rank: 3}) SET n:${escapeLabel(move.target)}`);
    const between = await picture();

    expect(total(await rollBack(planned), 'moved')).toBe(0);
    expect(await picture()).toEqual(between);
    expect(between).not.toEqual(start);
  });

  it('a node that carried both labels keeps the target label after undo', async () => {
    await plant(move.source, 60);
    await raw.run(`MATCH (n:${escapeLabel(move.source)}) WHERE n.rank <= 7 SET n:${escapeLabel(move.target)}`);
    const start = await picture();
    const planned = await plan();
    expect(planned.problems).toEqual([]);
    expect(planned.notices).toContainEqual(expect.objectContaining({ kind: 'both-labels', count: 7 }));

    await apply(planned);
    expect(await verify(planned)).toEqual([]);
    expect(await raw.count(move.source)).toBe(0);
    await rollBack(planned);
    expect(await picture()).toEqual(start);
  });

  it('refuses where both labels have nodes of their own, until it is told to merge', async () => {
    await plant(move.source, 12);
    await plant(move.target, 8);
    const [problem] = (await plan()).problems;
    expect(problem).toMatchObject({ stage: 'graph', code: 'both-have-data' });
    expect(problem?.fix).toContain('--merge');
    expect((await plan({ continuing: true })).problems).toEqual([]);

    const start = await picture();
    const planned = await plan({ merge: true, verify: 'full' });
    expect(planned.problems).toEqual([]);
    await apply(planned);
    expect(await raw.count(move.target)).toBe(20);
    expect(await verify(planned, { verify: 'full' })).toEqual([]);
    await rollBack(planned);
    expect(await picture()).toEqual(start);
  });

  it('moves several tenants in one run, each with batches of its own', async () => {
    const other = { source: freshLabel('first'), target: freshLabel('second') };
    planted.push(other.target);
    await plant(move.source, 70);
    await plant(other.source, 90);
    const planned = await plan({}, [move, other]);
    const events: StageEvent[] = [];
    const checkpoints = await drain(stage.apply(planned, await context({ events })));

    expect(total(checkpoints, 'moved')).toBe(160);
    expect(new Set(checkpoints.map(({ batch }) => batch)).size).toBe(checkpoints.length);
    expect([await raw.count(move.target), await raw.count(other.target)]).toEqual([70, 90]);
    expect(events[0]).toEqual({ type: 'total', stage: 'graph', total: 160, unit: 'nodes' });
    expect(events.at(-1)).toEqual({ type: 'progress', stage: 'graph', done: 160, total: 160 });
    expect(await verify(planned)).toEqual([]);
    await rollBack(planned);
    expect([await raw.count(move.source), await raw.count(other.source)]).toEqual([70, 90]);
  });

  it('counts nodes that were deleted on the way as vanished, and leaves alone those that left the tenant', async () => {
    const elsewhere = freshLabel('elsewhere');
    planted.push(elsewhere);
    await plant(move.source, 30);
    const planned = await plan({ verify: 'counts' });
    const ctx = await context();
    const meddling = {
      ...ctx,
      undo: {
        append: async (entries: readonly Json[]) => {
          const source = escapeLabel(move.source);
          await raw.run(`MATCH (n:${source}) WHERE n.rank <= 4 DETACH DELETE n`);
          await raw.run(`MATCH (n:${source}) WHERE n.rank > 28 SET n:${escapeLabel(elsewhere)} REMOVE n:${source}`);
          return ctx.undo.append(entries);
        },
        read: () => ctx.undo.read(),
      },
    };
    expect(await drain(stage.apply(planned, meddling))).toEqual([{ batch: 1, moved: 24, vanished: 6 }]);
    expect(await store.combinations({ label: elsewhere })).toEqual([{ labels: [elsewhere], count: 2 }]);
  });

  describe('verify', () => {
    const run = async (change: string, options: Partial<StageOptions> = {}) => {
      await plant(move.source, 60, ['Person']);
      const planned = await plan(options);
      await apply(planned);
      await raw.run(
        change.replaceAll('$target', escapeLabel(move.target)).replaceAll('$source', escapeLabel(move.source)),
      );
      return (await verify(planned, options)).map(({ kind, severity, drainable }) => ({ kind, severity, drainable }));
    };
    const difference = (kind: string) => ({ kind, severity: 'difference', drainable: undefined });

    it('finds nodes that were written at the source meanwhile, and another apply settles it', async () => {
      const findings = await run('CREATE (:$source {entity_id: "late"})');
      expect(findings).toContainEqual({ kind: 'left-behind', severity: 'difference', drainable: true });
      const planned = await plan({ continuing: true });
      expect(total(await apply(planned), 'moved')).toBe(1);
      expect(await verify(planned)).toEqual([]);
    });

    it('finds nodes that are gone', async () => {
      expect(await run('MATCH (n:$target) WHERE n.rank <= 3 DETACH DELETE n')).toEqual(
        expect.arrayContaining([difference('count'), difference('content'), difference('labels')]),
      );
    });

    it('tells nodes that were written at the target meanwhile as a notice', async () => {
      expect(await run('CREATE (:$target {entity_id: "late"})')).toEqual([
        { kind: 'grew', severity: 'notice', drainable: undefined },
      ]);
    });

    it('finds missing relationships', async () => {
      const findings = await run('MATCH (:$target)-[r]->() WITH r LIMIT 1 DELETE r');
      expect(findings).toEqual([difference('relationships'), difference('relationships')]);
    });

    it('finds another label', async () => {
      expect(await run('MATCH (n:$target) REMOVE n:Person')).toContainEqual(difference('labels'));
    });

    it('finds another property value in the sample', async () => {
      expect(await run('MATCH (n:$target) SET n.score = n.score + 1')).toEqual([difference('content')]);
    });

    it('finds one changed value anywhere with the full sums, and none by counts', async () => {
      const change = 'MATCH (n:$target {rank: 17}) SET n.rank = 17.0';
      expect(await run(change, { verify: 'counts' })).toEqual([]);
      await raw.clear(planted);
      expect(await run(change, { verify: 'full' })).toContainEqual(difference('content'));
    });
  });

  it('plans with lossless digests of every property type', async () => {
    await plant(move.source, 1);
    await raw.run(
      `MATCH (n:${escapeLabel(move.source)}) SET n.big = 9007199254740993, n.at = datetime('2026-01-02T03:04:05.006007008[Europe/Berlin]'),
       n.day = date('2026-01-02'), n.span = duration('P1M2DT3.5S'), n.place = point({longitude: 1.5, latitude: 2.5}), n.bytes = $bytes, n.nan = 0.0 / 0.0`,
      { bytes: new Int8Array([1, -2, 3]) },
    );
    const planned = await plan({ verify: 'full' });
    expect(canonicalJson((await plan({ verify: 'full' })).expected)).toBe(canonicalJson(planned.expected));
    await apply(planned);
    expect(await verify(planned, { verify: 'full' })).toEqual([]);
    await raw.run(`MATCH (n:${escapeLabel(move.target)}) SET n.big = 9007199254740992`);
    expect((await verify(planned)).map(({ kind, where }) => ({ kind, where }))).toEqual([
      { kind: 'content', where: `${move.source} → ${move.target}` },
      { kind: 'content', where: `:${move.target}` },
    ]);
  });

  it('a plan is JSON, and works the same after it was stored', async () => {
    await plant(move.source, 60);
    const planned = JSON.parse(JSON.stringify(await plan({ verify: 'full' }))) as GraphPlan;
    expect(total(await apply(planned), 'moved')).toBe(60);
    expect(await verify(planned, { verify: 'full' })).toEqual([]);
  });

  it('refuses values that the target’s constraint would refuse', async () => {
    await plant(move.source, 5);
    await plant(move.target, 3);
    const name = freshLabel('unique_entity');
    await raw.run(`CREATE INDEX ${name}_range FOR (n:${escapeLabel(move.source)}) ON (n.entity_id)`);
    await raw.run(`CREATE CONSTRAINT ${name} FOR (n:${escapeLabel(move.target)}) REQUIRE n.entity_id IS UNIQUE`);
    const planned = await plan({ merge: true });
    expect(planned.problems).toContainEqual(expect.objectContaining({ code: 'constraint-conflict' }));
    expect(planned.conflicts).toBe(3);
    expect(planned.basis).toMatchObject({
      dialect: 'neo4j',
      schema: [expect.stringContaining(`${name} `), expect.stringContaining(`${name}_range `)],
    });

    const ctx = await context();
    const failure = await drain(stage.apply(planned, ctx)).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'store' });
    expect(String(failure)).not.toContain("'e1'");
    expect(await raw.count(move.source)).toBe(5);
  });

  it('preflight finds nothing on a server that takes writes, and changes nothing', async () => {
    await plant(move.source, 3);
    const start = await picture();
    expect(await stage.preflight([move], planContext(store), store)).toEqual([]);
    expect(await picture()).toEqual(start);
    expect(await stage.preflight([{ source: 'a\\b', target: 'c' }], planContext(store), store)).toMatchObject([
      { code: 'bad-label' },
    ]);
  });

  it('preflight and plan do not even make the label known to the server', async () => {
    await plan();
    await stage.preflight([move], planContext(store), store);
    const warnings = await raw.warnings(`MATCH (n:${escapeLabel(move.source)}) RETURN n`);
    expect(warnings).toContain('Neo.ClientNotification.Statement.UnknownLabelWarning');
  });

  it('undo waits for a write that an earlier run left behind', async () => {
    await plant(move.source, 6);
    const planned = await plan();
    await apply(planned);
    const { default: neo4j } = await import('neo4j-driver');
    const driver = neo4j.driver(access.url, neo4j.auth.basic(access.username ?? '', access.password ?? ''));
    const session = driver.session();
    const late = await session.beginTransaction({ metadata: { application: 'tenant-migrate', ...move } });
    const order: string[] = [];
    const undoing = rollBack(planned).then(() => order.push('undone'));
    await new Promise((resolve) => setTimeout(resolve, 400));
    order.push('late write ends');
    await late.commit();
    await undoing;
    await driver.close();
    expect(order).toEqual(['late write ends', 'undone']);
    expect(await raw.count(move.source)).toBe(6);
  });

  it('a reader plans and verifies without ever writing', async () => {
    await plant(move.source, 6);
    const reader = await openGraphReader(graphSettings(access));
    const ctx = planContext(reader, { options: { verify: 'full' } });
    expect(await stage.preflight([move], ctx)).toEqual([]);
    const planned = await stage.plan([move], ctx);
    expect((await stage.verify(planned, 'applied', ctx)).map(({ kind }) => kind)).toContain('left-behind');
    expect('relabel' in reader).toBe(false);
    await reader.close();
  });
});

import neo4j, { type Driver } from 'neo4j-driver';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import type { Move } from '../../src/model/move.ts';
import { graphStage } from '../../src/stages/graph.ts';
import type { StageEvent } from '../../src/stages/stage.ts';
import { GraphConnection } from '../../src/stores/graph/connection.ts';
import { type GraphWriter, openGraphWriter } from '../../src/stores/graph/graph-store.ts';
import { idParameters, namePrefix, writing } from '../../src/stores/graph/statements.ts';
import { freshLabel, type GraphAccess, graphSettings, type RawGraph, rawGraph } from '../support/graph.ts';
import { type LateProxy, startLateProxy } from '../support/late-proxy.ts';
import { planContext } from '../support/stage-context.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const access: GraphAccess = {
  url: inject('graphUrl'),
  username: inject('graphUsername'),
  password: inject('graphPassword'),
};
const login = neo4j.auth.basic(access.username ?? '', access.password ?? '');

describe.skipIf(access.url === '')('what a broken process left at the graph', () => {
  let raw: RawGraph;
  let driver: Driver;
  let move: Move;
  let opened: GraphWriter[];
  let run: string;

  beforeAll(() => {
    raw = rawGraph(access);
    driver = neo4j.driver(access.url, login);
  });
  afterAll(async () => {
    await driver.close();
    await raw.close();
  });
  beforeEach(async () => {
    opened = [];
    run = freshLabel('run');
    move = { source: freshLabel('left'), target: freshLabel('left_to') };
    await raw.plant(move.source, 20);
  });
  afterEach(async () => {
    await Promise.all(opened.map((store) => store.close()));
    await raw.clear([move.source, move.target]);
  });

  const writer = async (runId: string, url = access.url): Promise<GraphWriter> => {
    const store = await openGraphWriter(graphSettings({ ...access, url }, { runId }));
    opened.push(store);
    return store;
  };
  const wanted = { settleMs: 1_000, signal: new AbortController().signal };
  const sourceIds = async (): Promise<string[]> =>
    (await raw.run(`MATCH (n:\`${move.source}\`) RETURN elementId(n) AS id`)).map(({ id }) => String(id));
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  it.each([
    { what: 'of this run can arrive no more', arrives: false },
    { what: 'of another run is left alone', arrives: true },
  ])('a write that is still on its way $what', async ({ arrives }) => {
    const proxy: LateProxy = await startLateProxy(Number(new URL(access.url).port));
    // As a writer of the store, but without its second try: the process is gone.
    const broken = neo4j.driver(`bolt://127.0.0.1:${proxy.port}`, login, {
      userAgent: `${namePrefix(arrives ? freshLabel('another') : run)}:broken`,
      disableAutoCommitRetries: true,
    });
    const held = proxy.holdFrom('REMOVE n:');
    const { text, parameters } = writing.relabel({ name: 'neo4j', idFunction: 'elementId' }, move);
    const ids = idParameters({ name: 'neo4j', idFunction: 'elementId' }, await sourceIds());
    const lost = broken
      .session()
      .run(text, { ...parameters, ...ids })
      .then(
        () => expect.unreachable(),
        (error: unknown) => error,
      );
    await held;
    proxy.loseClients();
    await lost;

    const next = await writer(run);
    const { connections, waited } = await next.quiesce({ ...wanted, moves: [move] });
    expect(waited).toBe(false);
    expect(connections > 0).toBe(!arrives);
    await proxy.deliver();
    await pause(300);
    expect(await raw.count(move.target)).toBe(arrives ? 20 : 0);
    // The one that looked goes on working.
    expect(await next.counts([[move.source, move.target]])).toEqual([0]);
    proxy.close();
    await broken.close();
  });

  it('a transaction of this run is ended and rolled back, and one’s own connections are not', async () => {
    const session = driver.session();
    const late = await session.beginTransaction({
      metadata: { application: 'tenant-migrate', run: run, ...move },
    });
    await late.run(`MATCH (n:\`${move.source}\`) SET n:\`${move.target}\``);
    const next = await writer(run);
    const before = await next.counts([[move.source]]);
    expect(await next.quiesce({ ...wanted, moves: [move] })).toEqual({
      connections: 0,
      transactions: 1,
      waited: false,
    });
    await expect(late.commit()).rejects.toMatchObject({ code: expect.stringContaining('Terminated') });
    expect(await next.counts([[move.source], [move.target]])).toEqual([...before, 0]);
    await session.close();
  });

  it('a transaction of another run on the same move is waited for, and told where it does not end', async () => {
    const session = driver.session();
    const late = await session.beginTransaction({ metadata: { application: 'tenant-migrate', run: 'other', ...move } });
    const next = await writer(run);
    await expect(next.quiesce({ ...wanted, settleMs: 200, moves: [move] })).rejects.toMatchObject({
      code: 'store',
      retryable: true,
      next: expect.stringContaining('SHOW TRANSACTIONS'),
    });
    const waiting = next.quiesce({ ...wanted, moves: [move] });
    await pause(200);
    await late.rollback();
    expect(await waiting).toMatchObject({ transactions: 0 });
    await session.close();
  });

  it('is told as a note by the stage; where there was nothing, it is silent and quick', async () => {
    const stage = graphStage();
    const events: StageEvent[] = [];
    const next = await writer(run);
    const ctx = planContext(next, { events, options: { settleMs: 5_000 } });
    const began = performance.now();
    await stage.quiesce?.([move], ctx);
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(events).toEqual([]);
    const other = await writer(run);
    await other.counts([[move.source]]);
    await stage.quiesce?.([move], ctx);
    expect(events).toEqual([{ type: 'note', stage: 'graph', text: expect.stringMatching(/^Ended \d+ connections/) }]);
  });

  it('is waited for where no run is named, so that its connections cannot be told', async () => {
    const nameless = await openGraphWriter(graphSettings(access));
    opened.push(nameless);
    const began = performance.now();
    expect(await nameless.quiesce({ ...wanted, settleMs: 300, moves: [move] })).toEqual({
      connections: 0,
      transactions: 0,
      waited: true,
    });
    expect(performance.now() - began).toBeGreaterThan(290);
    const stopped = AbortSignal.abort(new Error('stopped by SIGINT'));
    await expect(nameless.quiesce({ ...wanted, signal: stopped, moves: [move] })).rejects.toThrow('stopped by SIGINT');
  });
});

describe.skipIf(access.url === '')('a statement that takes too long', () => {
  it('is ended by the server after its time limit, and told as worth another try', async () => {
    const connection = await GraphConnection.open(graphSettings(access, { statementTimeoutMs: 300 }));
    const text = 'UNWIND range(1, 10000000000) AS i RETURN count(i) AS count';
    const began = performance.now();
    for (const work of [
      () => connection.read({ text }, () => 0),
      () => connection.write({ text }, () => 0),
      () => connection.rehearse({ text }),
    ]) {
      await expect(work()).rejects.toMatchObject({
        code: 'store',
        retryable: true,
        message: expect.stringContaining('longer than its time limit'),
        next: expect.stringMatching(/--batch-size.*--request-timeout/),
      });
    }
    expect(performance.now() - began).toBeLessThan(5_000);
    await connection.close();
  });

  it('or whose answer never comes is given up and done again, and what has hung does not keep the program', async () => {
    const raw = rawGraph(access);
    const move = { source: freshLabel('silent'), target: freshLabel('silent_to') };
    await raw.plant(move.source, 1_500);
    const { hostname, port } = new URL(access.url);
    const proxy = await startTcpProxy({ target: { host: hostname, port: Number(port) } });
    const retries: string[] = [];
    const store = await openGraphWriter(
      graphSettings(
        { ...access, url: `bolt://127.0.0.1:${proxy.port}` },
        {
          statementTimeoutMs: 300,
          graceMs: 200,
          onRetry: ({ reason }) => {
            retries.push(reason);
            proxy.hang(retries.length > 2);
          },
        },
      ),
    );
    proxy.hang(true);
    const ids: string[] = [];
    for await (const nodes of store.movable(move)) ids.push(...nodes.map(({ id }) => id));
    expect(ids).toHaveLength(1_500);
    proxy.hang(true);
    expect(await store.relabel(move, ids)).toEqual({ moved: 1_500, vanished: 0 });
    expect(retries).toEqual(['no answer in time', 'no answer in time']);

    proxy.hang(true);
    const began = performance.now();
    const last = store.counts([[move.target]]);
    await expect(last).rejects.toMatchObject({ code: 'unreachable', retryable: true });
    await store.close();
    expect(performance.now() - began).toBeLessThan(15_000);
    await proxy.close();
    expect(await raw.count(move.target)).toBe(1_500);
    await raw.clear([move.source, move.target]);
    await raw.close();
  });

  it('while it waits for somebody else’s lock is rolled back too, and can be repeated', async () => {
    const raw = rawGraph(access);
    const move = { source: freshLabel('slow'), target: freshLabel('slow_to') };
    await raw.plant(move.source, 5);
    const store = await openGraphWriter(graphSettings(access, { statementTimeoutMs: 400 }));
    const ids: string[] = [];
    for await (const nodes of store.movable(move)) ids.push(...nodes.map(({ id }) => id));
    const driver = neo4j.driver(access.url, login);
    const session = driver.session();
    const locking = await session.beginTransaction();
    await locking.run(`MATCH (n:\`${move.source}\`) SET n.locked = true`);

    const began = performance.now();
    await expect(store.relabel(move, ids)).rejects.toMatchObject({
      code: 'store',
      retryable: true,
      message: expect.stringContaining('time limit'),
      next: expect.stringMatching(/--batch-size.*--request-timeout/),
    });
    expect(performance.now() - began).toBeLessThan(5_000);
    await locking.rollback();
    expect(await raw.count(move.target)).toBe(0);
    expect(await store.relabel(move, ids)).toEqual({ moved: 5, vanished: 0 });
    await raw.clear([move.source, move.target]);
    await Promise.all([session.close(), driver.close(), store.close(), raw.close()]);
  });
});

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import neo4j from 'neo4j-driver';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { startNeo4j } from '../../scripts/services/neo4j.ts';
import type { MigrateError } from '../../src/model/errors.ts';
import { graphStage } from '../../src/stages/graph.ts';
import { GraphConnection, type GraphSettings } from '../../src/stores/graph/connection.ts';
import { openGraphReader, openGraphWriter } from '../../src/stores/graph/graph-store.ts';
import { escapeLabel } from '../../src/stores/graph/label.ts';
import { writeMark } from '../../src/stores/graph/statements.ts';
import { freshLabel, type GraphAccess, graphSettings, type RawGraph, rawGraph } from '../support/graph.ts';
import { applyContext, drain, planContext, total } from '../support/stage-context.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const access: GraphAccess = {
  url: inject('graphUrl'),
  username: inject('graphUsername'),
  password: inject('graphPassword'),
};

const failureOf = async (work: Promise<unknown>): Promise<MigrateError> =>
  work.then(
    () => expect.fail('it did not fail'),
    (error) => error as MigrateError,
  );

describe.skipIf(access.url === '')('the graph store', () => {
  let raw: RawGraph;
  beforeAll(() => {
    raw = rawGraph(access);
  });
  afterAll(() => raw.close());

  it('knows its server', async () => {
    const reader = await openGraphReader(graphSettings(access));
    expect(reader.server).toMatchObject({ dialect: { name: 'neo4j', idFunction: 'elementId' } });
    expect(reader.server.version).toMatch(/^\d+\.\d+/);
    expect(await reader.state()).toEqual({ replica: false });
    await reader.close();
  });

  it('reads in sessions in which the server refuses writes', async () => {
    const connection = await GraphConnection.open(graphSettings(access));
    const label = freshLabel('never');
    const write = { text: `CREATE (:${label})` };
    expect(await failureOf(connection.read(write, () => undefined))).toMatchObject({ code: 'denied' });
    expect(await failureOf(connection.again(() => connection.stream(write, 10).next()))).toMatchObject({
      code: 'denied',
    });
    expect(await raw.count(label)).toBe(0);
    await connection.close();
  });

  it('a rehearsed write changes nothing', async () => {
    const writer = await openGraphWriter(graphSettings(access));
    const label = freshLabel('rehearsed');
    await raw.plant(label, 3);
    const target = freshLabel('target');
    await raw.run(`MATCH (n:${label}) SET n.org = $label`, { label });
    const before = await raw.picture([label, target]);
    const values = { names: ['org', 'other'], from: label, to: target };
    await writer.rehearse({ source: label, target });
    await writer.rehearse({ source: label, target, values });
    expect(await raw.picture([label, target])).toEqual(before);
    const labels = await raw.run('CALL db.labels() YIELD label WHERE label = $target RETURN label', { target });
    expect(labels).toEqual([]);
    await raw.clear([label]);
    await writer.close();
  });

  it('moves hostile labels there and back and touches no other', async () => {
    const writer = await openGraphWriter(graphSettings(access));
    const mark = freshLabel('hostile');
    const piece = fc.constantFrom(
      '`',
      '``',
      "'",
      '"',
      ' ',
      '*',
      '?',
      '[',
      ')',
      '//',
      '{',
      '$x',
      'é',
      'e\u0301',
      '😀',
      'A',
      'a',
      ':',
      ';',
      '%',
      '-',
    );
    const id = fc.array(piece, { minLength: 1, maxLength: 8 }).map((pieces) => pieces.join(''));
    await fc.assert(
      fc.asyncProperty(id, id, async (a, b) => {
        fc.pre(a !== b);
        const move = { source: `${a}${mark}`, target: `${b}${mark}` };
        await raw.run(
          `CREATE (:${escapeLabel(move.source)} {v: 1}), (:${mark} {v: 2}), (:${escapeLabel(`${mark}${a}`)} {v: 3})`,
        );
        const labels = [move.source, move.target, mark, `${mark}${a}`];
        const before = await raw.picture(labels);
        const ids: string[] = [];
        for await (const nodes of writer.movable(move)) ids.push(...nodes.map((node) => node.id));
        expect(await writer.relabel(move, ids)).toEqual({ moved: 1, vanished: 0 });
        expect(await raw.run('MATCH (n) WHERE $label IN labels(n) RETURN n.v AS v', { label: move.target })).toEqual([
          { v: 1n },
        ]);
        expect(await writer.counts([[move.source], [move.target], [mark]])).toEqual([0, 1, 1]);
        expect(await writer.restore(move, ids, [])).toBe(1);
        expect(await raw.picture(labels)).toEqual(before);
        await raw.clear(labels);
      }),
      { numRuns: 25 },
    );
    await writer.close();
  });

  it('streams with a bounded number of rows in memory, however slowly they are taken', async () => {
    const connection = await GraphConnection.open(graphSettings(access));
    let taken = 0;
    // What is held counts, not what other tests of this process have left to be collected.
    const held = () => {
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    const before = held();
    const text = `UNWIND range(1, 1000000) AS i RETURN i AS id, '${'x'.repeat(200)}' AS filler`;
    for await (const rows of connection.stream({ text }, 1_000)) {
      taken += rows.length;
      if (taken % 200_000 === 0) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        expect(held() - before).toBeLessThan(150 * 2 ** 20);
      }
    }
    expect(taken).toBe(1_000_000);
    await connection.close();
  });

  describe('behind a network', () => {
    let proxy: TcpProxy;
    let retries: string[];
    let settings: GraphSettings;
    let label: string;

    beforeEach(async () => {
      const { hostname, port } = new URL(access.url);
      proxy = await startTcpProxy({ target: { host: hostname, port: Number(port) } });
      retries = [];
      settings = graphSettings(
        { ...access, url: `bolt://127.0.0.1:${proxy.port}` },
        { onRetry: ({ reason }) => void retries.push(reason) },
      );
      label = freshLabel('net');
    });
    afterEach(async () => {
      await raw.clear([label, `${label}_b`]);
      await proxy.close();
    });

    it.each([
      ['in the middle of the request', 'up', 0.5],
      ['with the last byte of the reply, after the commit', 'down', 1],
    ] as const)('a write whose connection is cut %s is done once and counted right', async (_, direction, share) => {
      await raw.plant(label, 2_000);
      const writer = await openGraphWriter(settings);
      const move = { source: label, target: `${label}_b` };
      const ids: string[] = [];
      for await (const nodes of writer.movable(move)) ids.push(...nodes.map((node) => node.id));
      const [rehearsal, rest] = [ids.slice(0, 1_000), ids.slice(1_000)];
      const before = proxy.passed[direction];
      await writer.relabel(move, rehearsal);
      // Cut once just before the end of the same exchange: the ids that are left may take a few bytes more or less.
      proxy.cutAfterBytes(Math.floor((proxy.passed[direction] - before - 10) * share), direction);

      expect(await writer.relabel(move, rest)).toEqual({ moved: 1_000, vanished: 0 });
      expect(retries).toHaveLength(1);
      expect(await raw.count(move.target)).toBe(2_000);
      expect(await raw.count(move.source)).toBe(0);
      await writer.close();
    });

    it('a lost reply is looked into without waiting for other batches of the same move', async () => {
      await raw.plant(label, 600);
      const writer = await openGraphWriter(settings);
      const move = { source: label, target: `${label}_b` };
      const ids: string[] = [];
      for await (const nodes of writer.movable(move)) ids.push(...nodes.map((node) => node.id));
      const [rehearsal, rest] = [ids.slice(0, 300), ids.slice(300)];
      const before = proxy.passed.down;
      await writer.relabel(move, rehearsal);
      const other = neo4j.driver(access.url, neo4j.auth.basic(access.username ?? '', access.password ?? ''));
      const session = other.session();
      const batch = await session.beginTransaction({ metadata: writeMark(move) });
      proxy.cutAfterBytes(proxy.passed.down - before - 10, 'down');
      const start = performance.now();
      expect(await writer.relabel(move, rest)).toEqual({ moved: 300, vanished: 0 });
      expect(performance.now() - start).toBeLessThan(3_000);
      await batch.rollback();
      await other.close();
      await writer.close();
    });

    it('a batch that is taken back is counted right where the reply to its commit is lost', async () => {
      await raw.plant(label, 2_000);
      const writer = await openGraphWriter(settings);
      const move = { source: label, target: `${label}_b` };
      const ids: string[] = [];
      for await (const nodes of writer.movable(move)) ids.push(...nodes.map((node) => node.id));
      const had = ids.slice(0, 3);
      await raw.run(`MATCH (n) WHERE elementId(n) IN $had SET n:${escapeLabel(move.target)}`, { had });
      await writer.relabel(move, ids);
      const [rehearsal, rest] = [ids.slice(1_000), ids.slice(0, 1_000)];
      const before = proxy.passed.down;
      await writer.restore(move, rehearsal, []);
      proxy.cutAfterBytes(proxy.passed.down - before - 10, 'down');

      expect(await writer.restore(move, rest, had)).toBe(1_000);
      expect(retries).toHaveLength(1);
      expect([await raw.count(move.source), await raw.count(move.target)]).toEqual([2_000, 3]);
      await writer.close();
    });

    it('a whole move survives cut connections, and can be undone', async () => {
      await raw.plant(label, 1_200);
      const before = await raw.picture([label]);
      const writer = await openGraphWriter(settings);
      const stage = graphStage({ atomicLimit: 10 });
      const options = { batchSize: 100, verify: 'full' as const };
      const move = { source: label, target: `${label}_b` };
      const plan = await stage.plan([move], planContext(writer, { options }));
      const ctx = await applyContext(writer, { options });
      let batches = 0;
      for await (const _ of stage.apply(plan, ctx)) {
        batches += 1;
        // In the middle of the next reply, however busy the machine is.
        if (batches % 5 === 2) proxy.cutAfterBytes(20, 'down');
      }
      expect(retries.length).toBeGreaterThan(0);
      expect(await raw.count(move.target)).toBe(1_200);
      expect(await stage.verify(plan, 'applied', planContext(writer, { options }))).toEqual([]);

      proxy.cutAll();
      await drain(stage.undo(plan, ctx));
      expect(await raw.picture([label])).toEqual(before);
      await ctx.undo.close();
      await writer.close();
    });

    it('a plan whose stream is cut half-way is made from the start again', async () => {
      await raw.plant(label, 12_000);
      const reader = await openGraphReader(settings);
      proxy.cutAfterBytes(200_000, 'down');
      const sums = await reader.sums({ source: label, target: `${label}_b` }, new AbortController().signal);
      expect(sums).toEqual([{ labels: [`${label}_b`], count: 12_000, sum: expect.stringMatching(/^[0-9a-f]{32}$/) }]);
      expect(retries).toHaveLength(1);
      await reader.close();
    });

    it('a move over a round trip of 50 ms costs few round trips', async () => {
      await raw.plant(label, 13_613);
      proxy.setLatency(25);
      const writer = await openGraphWriter(settings);
      const stage = graphStage();
      const plan = await stage.plan([{ source: label, target: `${label}_b` }], planContext(writer));
      const ctx = await applyContext(writer);
      const start = performance.now();
      expect(total(await drain(stage.apply(plan, ctx)), 'moved')).toBe(13_613);
      expect(performance.now() - start).toBeLessThan(5_000);
      await ctx.undo.close();
      await writer.close();
    });

    it('a server that stays away ends the write after three tries, and nothing is lost', async () => {
      await raw.plant(label, 10);
      const writer = await openGraphWriter(settings);
      await proxy.refuse(true);
      proxy.cutAll();
      const failure = await failureOf(writer.relabel({ source: label, target: `${label}_b` }, ['x']));
      expect(failure).toMatchObject({ code: 'unreachable', retryable: true });
      expect(retries).toHaveLength(2);
      await proxy.refuse(false);
      expect(await writer.counts([[label]])).toEqual([10]);
      await writer.close();
    });

    it('a server that is down is told within seconds, with its address and the flags', async () => {
      await proxy.refuse(true);
      const start = performance.now();
      const failure = await failureOf(openGraphReader(settings));
      expect(performance.now() - start).toBeLessThan(3_000);
      expect(failure).toMatchObject({ code: 'unreachable', store: settings.url, stage: 'graph' });
      expect(failure.message).toContain(`127.0.0.1:${proxy.port}`);
      expect(failure.next).toMatch(/--memgraph-host\/--memgraph-port or --graph-url/);
    });

    it('a server that takes connections and says nothing is told within the time limit', async () => {
      proxy.hang(true);
      const start = performance.now();
      const failure = await failureOf(openGraphReader({ ...settings, connectTimeoutMs: 500 }));
      expect(performance.now() - start).toBeLessThan(4_000);
      expect(failure).toMatchObject({ code: 'unreachable' });
    });
  });

  it('with a password and a time limit neither shows the one nor is ended by the other', async () => {
    const server = await startNeo4j({ password: 'right-password', settings: ['db.transaction.timeout=15s'] });
    try {
      const failure = await failureOf(
        openGraphReader(graphSettings({ url: server.url, username: 'neo4j', password: 'wrong-password' })),
      );
      expect(failure).toMatchObject({ code: 'unauthorised', store: server.url });
      expect(failure.next).toContain('GRAPH_PASSWORD');
      const inUrl = server.url.replace('//', '//neo4j:url-password@');
      const other = await failureOf(openGraphReader(graphSettings({ url: inUrl })));
      for (const { message, next, store, stack } of [failure, other]) {
        expect(`${message} ${next} ${store} ${stack}`).not.toMatch(/wrong-password|url-password/);
      }
      const reader = await openGraphReader(
        graphSettings({ url: server.url, username: 'neo4j', password: 'right-password' }),
      );
      const limited = rawGraph({ url: server.url, username: 'neo4j', password: 'right-password' });
      // More than the driver reads ahead.
      const count = 45_000;
      for (let at = 0; at < count; at += 5_000)
        await limited.run('UNWIND range(1, 5000) AS i CREATE (:Slow {rank: i})');
      const open = async () => {
        const rows = await limited.run(
          'SHOW TRANSACTIONS YIELD currentQuery, status WHERE status STARTS WITH "Running"',
        );
        return rows.filter(({ currentQuery }) => /Slow/.test(String(currentQuery))).length;
      };
      const ids = new Set<string>();
      for await (const some of reader.movable({ source: 'Slow', target: 'Other' })) {
        for (const { id } of some) ids.add(id);
        // A consumer that comes back when the server has lost its patience.
        while (ids.size < count && (await open()) > 0) await new Promise((resolve) => setTimeout(resolve, 100));
      }
      expect(ids.size).toBe(count);
      const signal = new AbortController().signal;
      const sums = await reader.sums({ source: 'Slow', target: 'Other' }, signal);
      expect(sums.map((each) => each.count)).toEqual([count]);
      await limited.close();
      await reader.close();
    } finally {
      await server.stop();
    }
  });

  it.each(['localhost:7687', 'http://127.0.0.1:7474', ''])('%j is refused as an address', async (url) => {
    expect(await failureOf(openGraphReader(graphSettings({ url })))).toMatchObject({ code: 'settings' });
  });

  it('a database that is not there is told', async () => {
    expect(await failureOf(openGraphReader(graphSettings(access, { database: 'nowhere' })))).toMatchObject({
      code: 'missing',
    });
  });
});

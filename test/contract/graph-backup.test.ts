import neo4j from 'neo4j-driver';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { ragApi } from '../../src/profiles/rag-api.ts';
import { graphBackup } from '../../src/stages/graph/backup.ts';
import { graphStage } from '../../src/stages/graph.ts';
import { type GraphWriter, openGraphWriter } from '../../src/stores/graph/graph-store.ts';
import { keptPart, restoreContext, restored, stoppedAfter } from '../support/backup-part.ts';
import { freshLabel, type GraphAccess, graphSettings, type RawGraph, rawGraph } from '../support/graph.ts';
import { applyContext, drain, planContext, total } from '../support/stage-context.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

const access: GraphAccess = {
  url: inject('graphUrl'),
  username: inject('graphUsername'),
  password: inject('graphPassword'),
};

describe.skipIf(access.url === '')('a backup of graph nodes', () => {
  let raw: RawGraph;
  let store: GraphWriter;
  let label: string;
  let other: string;

  beforeAll(async () => {
    raw = rawGraph(access);
    store = await openGraphWriter(graphSettings(access));
  });
  afterAll(async () => {
    await store.close();
    await raw.close();
  });
  beforeEach(() => {
    label = freshLabel('siraya');
    other = freshLabel('other');
  });
  afterEach(() => raw.clear([label, other]));

  type Part = Awaited<ReturnType<typeof keep>>;
  const keep = () => keptPart(graphBackup, label, planContext(store));
  const restore = (part: Part, to = store) => graphBackup.restore(part, restoreContext(to));
  const compare = (part: Part) => graphBackup.compare(part, planContext(store));

  /** The label's part of the graph without the ids, which are made anew: each node with what leaves it. */
  async function shape(): Promise<readonly string[]> {
    const rows = await raw.run(
      `MATCH (n:\`${label}\`) OPTIONAL MATCH (n)-[r]->(m)
       WITH n, collect([type(r), properties(r), labels(m), properties(m)]) AS leaving
       RETURN labels(n) AS labels, properties(n) AS properties, leaving`,
    );
    return rows
      .map(({ labels, properties, leaving }) =>
        text([[...(labels as string[])].sort(), properties, (leaving as unknown[]).map(text).sort()]),
      )
      .sort();
  }

  const schema = async () =>
    (
      await raw.run(
        'SHOW INDEXES YIELD name, type, labelsOrTypes, properties, options WHERE $label IN labelsOrTypes RETURN name, type, properties, options ORDER BY name',
        { label },
      )
    ).map(text);

  it('keeps the type of every property', async () => {
    await raw.run(
      `CREATE (n:\`${label}\`:Person {
        integer: 9007199254740993, small: -1, float: 1.0, exponent: 1e-300, huge: 1.7976931348623157e308, zero: -0.0,
        text: 'a"b\\\\c\\u2028 😀', empty: '', yes: true, integers: [1, 2], floats: [1.0, 2.5], texts: ['a', ''], none: [],
        date: date('2024-02-29'), time: time('12:34:56.123456789+02:00'), localtime: localtime('00:00:00.000000001'),
        datetime: datetime('2024-03-31T01:30:00[Europe/Berlin]'), offset: datetime('2024-01-01T00:00:00+05:30'),
        localdatetime: localdatetime('1969-12-31T23:59:59.999'), duration: duration('P1Y2M3DT4H5M6.789S'),
        flat: point({x: 1.5, y: -0.0}), solid: point({x: 1, y: 2, z: 3}), place: point({longitude: 13.4, latitude: 52.5}),
        dates: [date('2024-01-01'), date('2024-01-02')]
      })-[:SAW {at: datetime('2024-03-31T03:30:00[Europe/Berlin]'), n: 3}]->(:\`${label}\` {bytes: $bytes, nan: 0.0/0.0})`,
      { bytes: new Int8Array([0, -1, 127, -128]) },
    );
    const before = await shape();
    const part = await keep();
    expect(part.written.notKept).toEqual([]);
    await raw.run(`MATCH (n:\`${label}\`) DETACH DELETE n`);
    expect(await restored(restore(part))).toBe(3);
    expect(await shape()).toEqual(before);
    expect(await compare(part)).toMatchObject({ absent: 0, equal: 3, work: false });
  });

  it('keeps twins, loops, and several relationships between the same nodes', async () => {
    await raw.run(
      `CREATE (a:\`${label}\` {name: 'twin'}) CREATE (b:\`${label}\` {name: 'twin'}) CREATE (c:\`${label}\` {name: 'hub'})
       CREATE (a)-[:R {n: 1}]->(c) CREATE (a)-[:R {n: 1}]->(c) CREATE (b)-[:R {n: 2}]->(c)
       CREATE (c)-[:SELF]->(c) CREATE (c)-[:\`odd \`\` type\`]->(a)`,
    );
    const before = await shape();
    const part = await keep();
    await raw.run(`MATCH (n:\`${label}\`) DETACH DELETE n`);
    await restored(restore(part));
    expect(await shape()).toEqual(before);
    expect((await compare(part)).work).toBe(false);
    expect(await restored(restore(part))).toBe(0);
    expect(await shape()).toEqual(before);
  });

  it('stopped after any batch goes on where it was, and leaves no mark', async () => {
    await raw.plant(label, 30, { labels: ['Person'] });
    await raw.plant(label, 20);
    await raw.run(`CREATE INDEX FOR (n:\`${label}\`) ON (n.rank)`);
    const before = await shape();
    const indexes = await schema();
    const part = await keep();
    for (let stop = 1; stop <= 4; stop += 1) {
      await raw.clear([label]);
      await stoppedAfter(restore(part), stop);
      const look = await compare(part);
      expect(look).toMatchObject({ different: 0, work: true });
      await restored(restore(part));
      expect(await shape()).toEqual(before);
      expect(await schema()).toEqual(indexes);
      expect((await compare(part)).work).toBe(false);
    }
  });

  it('makes every node once though connections break under it', async () => {
    await raw.plant(label, 1_500);
    const before = await shape();
    const part = await keep();
    const { hostname, port } = new URL(access.url);
    const proxy: TcpProxy = await startTcpProxy({ target: { host: hostname, port: Number(port) } });
    const through = await openGraphWriter(graphSettings({ ...access, url: `bolt://127.0.0.1:${proxy.port}` }));
    try {
      for (const direction of ['up', 'down'] as const) {
        await raw
          .run(`MATCH (n:\`${label}\`) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 1000 ROWS`)
          .catch(() => raw.run(`MATCH (n:\`${label}\`) DETACH DELETE n`));
        let steps = 0;
        for await (const _ of restore(part, through)) {
          steps += 1;
          if (steps < 6) proxy.cutAfterBytes(direction === 'up' ? 30_000 : 200, direction);
        }
        expect(await shape()).toEqual(before);
      }
    } finally {
      await through.close();
      await proxy.close();
    }
  });

  it('refuses where a node of the label is not as in the backup, and leaves newer nodes alone where none is absent', async () => {
    await raw.plant(label, 5);
    const part = await keep();
    await raw.run(`CREATE (:\`${label}\` {entity_id: 'newer'})`);
    const newer = await compare(part);
    expect(newer).toMatchObject({ absent: 0, different: 0, work: false });
    expect(newer.notes).toEqual([expect.stringContaining('1 nodes and 0 relationships are not in the backup')]);
    await raw.run(`MATCH (n:\`${label}\` {entity_id: 'e1'}) SET n.rank = 99`);
    expect(await compare(part)).toMatchObject({ different: 2 });
  });

  it('brings constraints and full-text indexes back under their names', async () => {
    await raw.plant(label, 3);
    await raw.run(`CREATE CONSTRAINT \`c_${label}\` FOR (n:\`${label}\`) REQUIRE n.entity_id IS UNIQUE`);
    await raw.run(`CREATE FULLTEXT INDEX \`f_${label}\` FOR (n:\`${label}\`) ON EACH [n.entity_id]
      OPTIONS {indexConfig: {\`fulltext.analyzer\`: 'cjk'}}`);
    const before = await schema();
    const part = await keep();
    expect(part.written.records.schema).toBe(2);
    await raw.clear([label]);
    await restored(restore(part));
    expect(await schema()).toEqual(before);
    const constraints = await raw.run('SHOW CONSTRAINTS YIELD name, labelsOrTypes WHERE $label IN labelsOrTypes', {
      label,
    });
    expect(constraints.length).toBe(1);
  });

  it('leaves an index that has got the name of one in the backup, and says so', async () => {
    await raw.plant(label, 3);
    await raw.run(`CREATE INDEX \`i_${label}\` FOR (n:\`${label}\`) ON (n.rank)`);
    const part = await keep();
    await raw.clear([label]);
    await raw.run(`CREATE INDEX \`i_${label}\` FOR (n:\`${label}\`) ON (n.score)`);
    const wanted = await schema();
    expect(await compare(part)).toMatchObject({ absent: 5, notRestorable: 1 });
    expect(await restored(restore(part))).toBe(5);
    expect(await schema()).toEqual(wanted);
    expect(await compare(part)).toMatchObject({ absent: 0, notRestorable: 1, work: false });
  });

  it('never takes another node for an outside end, though it has got its id', async () => {
    await raw.run(`CREATE (:\`${label}\` {n: 1})-[:TO]->(:\`${other}\` {n: 2})`);
    const part = await keep();
    await raw.run(`MATCH (n:\`${label}\`) DETACH DELETE n`);
    await raw.run(`MATCH (n:\`${other}\`) SET n.n = 3`);
    expect(await compare(part)).toMatchObject({ absent: 1, notRestorable: 1 });
    expect(await restored(restore(part))).toBe(1);
    await raw.run(`MATCH (n:\`${other}\`) SET n.n = 2`);
    expect(await compare(part)).toMatchObject({ absent: 1, notRestorable: 0, equal: 1 });
    expect(await restored(restore(part))).toBe(1);
    expect((await compare(part)).work).toBe(false);
  });

  it('gives back the undo log of a move whose own is lost', async () => {
    await raw.plant(label, 20);
    await raw.run(`CREATE (:\`${label}\`:\`${other}\` {both: true})`);
    const before = await raw.picture([label, other]);
    const part = await keep();
    const stage = graphStage();
    const move = { source: label, target: other };
    const plan = await stage.plan([move], planContext(store, { options: { merge: true } }));
    const moving = await applyContext(store);
    await drain(stage.apply(plan, moving));
    await moving.undo.close();
    const ctx = await applyContext(store);
    for await (const entries of graphBackup.undoEntries(part, move, ragApi)) await ctx.undo.append(entries);
    expect(total(await drain(stage.undo(plan, ctx)), 'moved')).toBe(21);
    await ctx.undo.close();
    expect(await raw.picture([label, other])).toEqual(before);
  });
});

function text(value: unknown): string {
  return JSON.stringify(value, (_, member) => {
    if (typeof member === 'bigint') return `${member}n`;
    if (typeof member === 'number') return Object.is(member, -0) ? '-0' : `${member}`;
    if (ArrayBuffer.isView(member))
      return `bytes ${Buffer.from(member.buffer, member.byteOffset, member.byteLength).toString('hex')}`;
    return neo4j.isInt(member) ? String(member) : member;
  });
}

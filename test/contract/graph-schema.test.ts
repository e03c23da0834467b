import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import type { UndoLog } from '../../src/journal/undo-log.ts';
import type { Json } from '../../src/model/json.ts';
import type { Move } from '../../src/model/move.ts';
import { plainName } from '../../src/model/name-after.ts';
import { generic } from '../../src/profiles/generic.ts';
import type { Profile } from '../../src/profiles/profile.ts';
import { ragApi } from '../../src/profiles/rag-api.ts';
import { graphBackup } from '../../src/stages/graph/backup.ts';
import type { GraphPlan } from '../../src/stages/graph/graph-plan.ts';
import { graphStage } from '../../src/stages/graph.ts';
import type { StageOptions } from '../../src/stages/stage.ts';
import { type GraphWriter, openGraphWriter } from '../../src/stores/graph/graph-store.ts';
import { escapeLabel } from '../../src/stores/graph/label.ts';
import { keptPart } from '../support/backup-part.ts';
import { freshLabel, type GraphAccess, graphSettings, type RawGraph, rawGraph } from '../support/graph.ts';
import { applyContext, drain, planContext, temporaryUndoLog, total } from '../support/stage-context.ts';

const access: GraphAccess = {
  url: inject('graphUrl'),
  username: inject('graphUsername'),
  password: inject('graphPassword'),
};

describe.skipIf(access.url === '')('what hangs on a tenant’s nodes', () => {
  const stage = graphStage();
  let raw: RawGraph;
  let store: GraphWriter;
  let move: Move;
  let other: string;
  let logs: UndoLog[];

  beforeAll(async () => {
    raw = rawGraph(access);
    store = await openGraphWriter(graphSettings(access));
  });
  afterAll(async () => {
    await store.close();
    await raw.close();
  });
  beforeEach(() => {
    // With a character that LightRAG writes as `_` in names.
    move = { source: freshLabel('si-raya'), target: freshLabel('tenant.x') };
    other = freshLabel('other');
    logs = [];
  });
  afterEach(async () => {
    await Promise.all(logs.map((log) => log.close()));
    await raw.clear([move.source, move.target, other]);
    for (const type of [move.source, move.target]) await raw.run(`MATCH ()-[r:${escapeLabel(type)}]->() DELETE r`);
  });

  interface Given {
    readonly options?: Partial<StageOptions>;
    readonly profile?: Profile;
  }
  const plan = (given: Given = {}): Promise<GraphPlan> => stage.plan([move], planContext(store, given));
  const log = async () => {
    const made = await temporaryUndoLog();
    logs.push(made);
    return made;
  };
  const context = (undo: UndoLog, given: Given = {}) => applyContext(store, { ...given, undo });
  const verify = (planned: GraphPlan, phase: 'applied' | 'finalized', given: Given = {}) =>
    stage.verify(planned, phase, planContext(store, given));
  const kinds = (findings: readonly { readonly kind: string }[]) => findings.map(({ kind }) => kind);

  /** All indexes and constraints on our labels and types, with name, options and state. */
  const schema = async (): Promise<readonly string[]> => {
    const labels = [move.source, move.target, other];
    const rows = [
      ...(await raw.run('SHOW INDEXES YIELD name, type, entityType, labelsOrTypes, properties, options, state')),
      ...(await raw.run('SHOW CONSTRAINTS YIELD name, type, entityType, labelsOrTypes, properties')),
    ];
    return rows
      .filter(({ labelsOrTypes }) => (labelsOrTypes as string[] | null)?.some((label) => labels.includes(label)))
      .map((row) => JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? `${value}` : value)))
      .sort();
  };
  /** Names that the server makes are hashes of what is indexed. */
  const renamed = (items: readonly string[]) =>
    items
      .map((item) =>
        item
          .replaceAll(JSON.stringify(move.source), JSON.stringify(move.target))
          .replaceAll(plainName(move.source), plainName(move.target))
          .replaceAll(/index_[0-9a-f]{5,8}/g, 'index_hash'),
      )
      .sort();
  const s = () => escapeLabel(move.source);
  const named = (name: string) => escapeLabel(`${name}_${plainName(move.source)}`);
  const everyKind = async () => {
    for (const text of [
      `CREATE RANGE INDEX ${named('range')} FOR (n:${s()}) ON (n.entity_id, n.rank)`,
      `CREATE INDEX FOR (n:${s()}) ON (n.score)`,
      `CREATE TEXT INDEX ${named('text')} FOR (n:${s()}) ON (n.entity_id)`,
      `CREATE POINT INDEX ${named('point')} FOR (n:${s()}) ON (n.place) OPTIONS {indexConfig: {\`spatial.wgs-84.max\`: [90.0, 45.0]}}`,
      `CREATE FULLTEXT INDEX ${named('entity_id_fulltext_idx')} FOR (n:${s()}) ON EACH [n.entity_id]
       OPTIONS {indexConfig: {\`fulltext.analyzer\`: 'cjk', \`fulltext.eventually_consistent\`: true}}`,
      `CREATE VECTOR INDEX ${named('vector')} FOR (n:${s()}) ON (n.embedding)
       OPTIONS {indexConfig: {\`vector.dimensions\`: 8, \`vector.similarity_function\`: 'euclidean'}}`,
      `CREATE CONSTRAINT ${named('unique')} FOR (n:${s()}) REQUIRE n.rank IS UNIQUE`,
      `CREATE INDEX ${named('type')} FOR ()-[r:${s()}]-() ON (r.weight)`,
    ])
      await raw.run(text);
  };

  it('has the name that the application would give it, forwards and back', async () => {
    move = { source: freshLabel('007'), target: freshLabel('--a--b') };
    const [asSource, asTarget] = [`ws_${move.source}`, plainName(move.target).replace('__a__b', 'a_b')];
    await raw.plant(move.source, 3);
    await raw.run(`CREATE FULLTEXT INDEX entity_id_fulltext_idx_${asSource} FOR (n:${s()}) ON EACH [n.entity_id]`);
    const toNames = async () => ((await plan()).schema?.[0] ?? []).map(({ to }) => to.name);
    expect(await toNames()).toEqual([`entity_id_fulltext_idx_${asTarget}`]);
    const planned = await plan();
    const undo = await log();
    await drain(stage.apply(planned, await context(undo)));
    await drain(stage.finalize(planned, await context(undo)));
    expect(await verify(planned, 'finalized')).toEqual([]);
    move = { source: move.target, target: move.source };
    expect(await toNames()).toEqual([`entity_id_fulltext_idx_${asSource}`]);
    // One that an earlier move has named by its text is named rightly by the next.
    await raw.run(`DROP INDEX entity_id_fulltext_idx_${asTarget}`);
    const former = plainName(move.source);
    await raw.run(`CREATE FULLTEXT INDEX entity_id_fulltext_idx_${former} FOR (n:${s()}) ON EACH [n.entity_id]`);
    expect(await toNames()).toEqual([`entity_id_fulltext_idx_${asSource}`]);
  });

  it('is refused where another label’s has the name that the application would give it', async () => {
    move = { source: freshLabel('siraya'), target: freshLabel('a-b') };
    other = plainName(move.target);
    await raw.plant(move.source, 3);
    for (const label of [move.source, other]) {
      const name = `entity_id_fulltext_idx_${label}`;
      await raw.run(`CREATE FULLTEXT INDEX ${name} FOR (n:${escapeLabel(label)}) ON EACH [n.entity_id]`);
    }
    expect((await plan()).problems).toMatchObject([
      { code: 'schema-conflict', message: expect.stringContaining(`belongs to a index on :${other}`) },
    ]);
  });

  it('goes with them: every kind of index and constraint, with its options, under the target’s name, and back', async () => {
    await raw.plant(move.source, 25, { labels: ['Person'] });
    await everyKind();
    await raw.run('CALL db.awaitIndexes(30)');
    const before = await schema();
    const nodes = await raw.picture([move.source, move.target]);
    const planned = await plan();
    expect(planned.problems).toEqual([]);
    expect(planned.schema?.[0]).toHaveLength(8);
    expect(await stage.preflight([move], planContext(store), store)).toEqual([]);
    expect(await schema()).toEqual(before);

    const undo = await log();
    expect(total(await drain(stage.apply(planned, await context(undo))), 'moved')).toBe(25);
    expect(await verify(planned, 'applied')).toEqual([]);
    expect(kinds(await verify(planned, 'finalized'))).toEqual(['schema-left']);
    expect(await drain(stage.finalize(planned, await context(undo)))).toHaveLength(8);
    expect(await verify(planned, 'finalized')).toEqual([]);
    expect(renamed(await schema())).toEqual(renamed(before));
    const found = await raw.run(
      `CALL db.index.fulltext.awaitEventuallyConsistentIndexRefresh() CALL db.index.fulltext.queryNodes($name, 'e7') YIELD node RETURN node.rank AS rank`,
      { name: `entity_id_fulltext_idx_${plainName(move.target)}` },
    );
    expect(found).toEqual([{ rank: 7n }]);

    // A second run finds nothing to do.
    const again = await plan();
    expect(again.schema?.[0]).toEqual([]);
    expect(await drain(stage.apply(again, await context(await log())))).toEqual([]);

    await raw.run(`DROP INDEX ${escapeLabel(`text_${plainName(move.target)}`)}`);
    expect(await verify(planned, 'finalized')).toEqual([
      expect.objectContaining({ kind: 'schema', severity: 'difference', count: 1 }),
    ]);

    await drain(stage.undo(planned, await context(undo)));
    expect(await schema()).toEqual(before);
    expect(await raw.picture([move.source, move.target])).toEqual(nodes);
  });

  it('a run that dies at any step is taken back to its start, and goes on to its end', async () => {
    await raw.plant(move.source, 6);
    await raw.run(`CREATE FULLTEXT INDEX ${named('ft')} FOR (n:${s()}) ON EACH [n.entity_id]`);
    await raw.run(`CREATE CONSTRAINT ${named('unique')} FOR (n:${s()}) REQUIRE n.rank IS UNIQUE`);
    await raw.run('CALL db.awaitIndexes(30)');
    const start = [await schema(), await raw.picture([move.source, move.target])];
    const world = async () => [await schema(), await raw.picture([move.source, move.target])];
    const first = await plan();
    let end: unknown;
    // Two are made, one batch is moved, two are dropped.
    for (let death = 0; death < 5; death += 1) {
      const undo = await log();
      let appended = 0;
      const dying = {
        ...(await context(undo)),
        undo: {
          read: () => undo.read(),
          append: async (entries: readonly Json[]) => {
            const id = await undo.append(entries);
            appended += 1;
            // Logged, and never sent.
            if (appended > death) throw new Error('dead');
            return id;
          },
        },
      };
      const run = async (ctx: typeof dying, options: Partial<StageOptions> = {}) => {
        const planned = await plan({ options });
        expect(planned.problems).toEqual([]);
        await drain(stage.apply(planned, ctx));
        await drain(stage.finalize(planned, ctx));
      };
      if (death === 2 || death === 4) {
        await expect(run(dying)).rejects.toThrow('dead');
        await drain(stage.undo(first, await context(undo)));
        expect(await world()).toEqual(start);
      }

      appended = 0;
      await expect(run(dying)).rejects.toThrow('dead');
      await run({ ...dying, undo }, { continuing: true });
      end ??= await world();
      expect(await world()).toEqual(end);
      expect(await verify(first, 'finalized')).toEqual([]);
      await drain(stage.undo(first, await context(undo)));
      expect(await world()).toEqual(start);
    }
  }, 120_000);

  it('what the target has already is used, and stays after undo; what it has otherwise refuses', async () => {
    await raw.plant(move.source, 4);
    await raw.run(`CREATE INDEX own_${plainName(move.target)} FOR (n:${escapeLabel(move.target)}) ON (n.rank)`);
    await raw.run(`CREATE INDEX ${named('idx')} FOR (n:${s()}) ON (n.rank)`);
    await raw.run(`CREATE INDEX nameless_${plainName(other)} FOR (n:${s()}) ON (n.score)`);
    await raw.run(
      `CREATE FULLTEXT INDEX shared_${plainName(other)} FOR (n:${s()}|${escapeLabel(other)}) ON EACH [n.entity_id]`,
    );
    await raw.run('CALL db.awaitIndexes(30)');
    const before = await schema();
    const planned = await plan();
    expect(planned.schema?.[0]?.map(({ exists, shared }) => [exists, shared])).toEqual(
      expect.arrayContaining([
        [true, false],
        [false, false],
        [false, true],
      ]),
    );
    expect(kinds(planned.notices)).toEqual(expect.arrayContaining(['schema', 'schema-name', 'schema-shared']));
    const undo = await log();
    await drain(stage.apply(planned, await context(undo)));
    await drain(stage.finalize(planned, await context(undo)));
    expect(await verify(planned, 'finalized')).toEqual([]);
    const after = await schema();
    expect(after.filter((item) => item.includes(`"own_`))).toHaveLength(1);
    // Another label's index stays as it was, the target has one beside it.
    expect(after.filter((item) => item.includes(`"shared_${plainName(other)}"`))).toHaveLength(1);
    expect(
      after.filter((item) => item.includes(`"shared_${plainName(other)}_${plainName(move.target)}"`)),
    ).toHaveLength(1);
    await drain(stage.undo(planned, await context(undo)));
    expect(await schema()).toEqual(before);

    await raw.run(`CREATE INDEX idx_${plainName(move.target)} FOR (n:${escapeLabel(other)}) ON (n.rank)`);
    await raw.run(`DROP INDEX own_${plainName(move.target)}`);
    await raw.run(`CREATE CONSTRAINT ${named('unique')} FOR (n:${s()}) REQUIRE n.entity_id IS UNIQUE`);
    await raw.run(`CREATE INDEX rival_${plainName(move.target)} FOR (n:${escapeLabel(move.target)}) ON (n.entity_id)`);
    await raw.plant(move.target, 2);
    const refused = await plan({ options: { merge: true } });
    expect(refused.problems.map(({ code }) => code)).toEqual(['schema-conflict', 'schema-conflict']);
    expect(refused.problems.map(({ message }) => message).join()).toContain(`rival_${plainName(move.target)}`);
    // A rule that the move would make counts for the nodes of both.
    await raw.run(`DROP INDEX rival_${plainName(move.target)}`);
    const clashing = await plan({ options: { merge: true } });
    expect(clashing.problems.map(({ code }) => code)).toContain('constraint-conflict');
    expect(clashing.conflicts).toBe(2);
  });

  it('an index that is named after another tenant as well is left to that one', async () => {
    await raw.plant(move.source, 2);
    const both = `${plainName(move.source)}_${plainName(other)}`;
    const labels = `${s()}|${escapeLabel(other)}`;
    await raw.run(`CREATE FULLTEXT INDEX ${both} FOR (n:${labels}) ON EACH [n.entity_id]`);
    await raw.run(`CREATE FULLTEXT INDEX ${named('own')} FOR (n:${labels}) ON EACH [n.rank]`);
    await raw.run('CALL db.awaitIndexes(30)');
    const before = await schema();
    const planned = await plan();
    const undo = await log();
    await drain(stage.apply(planned, await context(undo)));
    await drain(stage.finalize(planned, await context(undo)));
    expect(await verify(planned, 'finalized')).toEqual([]);
    const after = (await schema()).map((item) => (JSON.parse(item) as { name: string }).name).sort();
    const target = plainName(move.target);
    expect(after).toEqual([both, `${target}_${plainName(other)}`, `own_${target}`].sort());
    await drain(stage.undo(planned, await context(undo)));
    expect(await schema()).toEqual(before);
  });

  it('indexes that a relabelling by hand has left behind are work to do, and follow', async () => {
    await raw.plant(move.target, 5);
    await raw.run(`CREATE FULLTEXT INDEX ${named('ft')} FOR (n:${s()}) ON EACH [n.entity_id]`);
    const planned = await plan();
    expect(planned).toMatchObject({ mends: 1, moves: [{ found: 0, atTarget: 5 }], problems: [] });
    expect(kinds(await verify(planned, 'finalized'))).toEqual(['schema', 'schema-left']);
    const undo = await log();
    await drain(stage.apply(planned, await context(undo)));
    await drain(stage.finalize(planned, await context(undo)));
    expect(await verify(planned, 'finalized')).toEqual([]);
    expect((await schema()).join()).toContain(`"ft_${plainName(move.target)}"`);
    expect(await plan()).not.toHaveProperty('mends');
  });

  it('the source’s indexes stay where nodes come to it after all was verified', async () => {
    await raw.plant(move.source, 3);
    await raw.run(`CREATE INDEX ${named('idx')} FOR (n:${s()}) ON (n.rank)`);
    const planned = await plan();
    const undo = await log();
    await drain(stage.apply(planned, await context(undo)));
    await raw.run(`CREATE (:${s()} {late: true})`);
    await expect(drain(stage.finalize(planned, await context(undo)))).rejects.toMatchObject({ code: 'store' });
    expect((await schema()).filter((item) => item.includes(`"idx_${plainName(move.source)}"`))).toHaveLength(1);
  });

  it('a backup gives the undo log of the indexes too', async () => {
    await raw.plant(move.source, 5);
    await raw.run(`CREATE INDEX ${named('idx')} FOR (n:${s()}) ON (n.rank)`);
    await raw.run(`CREATE INDEX ${named('kept')} FOR (n:${s()}) ON (n.score)`);
    await raw.run(`CREATE INDEX kept_${plainName(move.target)} FOR (n:${escapeLabel(move.target)}) ON (n.score)`);
    await raw.run('CALL db.awaitIndexes(30)');
    const start = [await schema(), await raw.picture([move.source, move.target])];
    const part = await keptPart(graphBackup, move.source, planContext(store));
    const planned = await plan();
    const undo = await log();
    await drain(stage.apply(planned, await context(undo)));
    await drain(stage.finalize(planned, await context(undo)));
    const fromBackup = {
      ...(await context(undo)),
      undo: {
        append: () => Promise.reject(new Error('a rollback logs nothing')),
        async *read() {
          let id = 0;
          for await (const entries of graphBackup.undoEntries(part, move, ragApi)) yield { id: ++id, entries };
        },
      },
    };
    expect(total(await drain(stage.undo(planned, fromBackup)), 'moved')).toBe(5);
    expect([await schema(), await raw.picture([move.source, move.target])]).toEqual(start);
  });

  describe('a tenant in properties', () => {
    const profile: Profile = { ...generic, graphLabel: 'T_{tenant}', graphProperties: ['workspace', 'owner'] };
    const labels = () => [`T_${move.source}`, `T_${move.target}`, other];
    afterEach(() => raw.clear(labels()));

    it('goes with its label, and without one, and comes back value by value', async () => {
      const { source } = move;
      await raw.run(
        `UNWIND range(1, 30) AS i CREATE (n:${escapeLabel(`T_${source}`)} {rank: i, workspace: $source})
         SET n.owner = CASE WHEN i % 3 = 0 THEN $source WHEN i % 3 = 1 THEN $other ELSE null END
         CREATE (:${escapeLabel(other)} {rank: i, owner: $source, name: $source})
         CREATE (:${escapeLabel(other)} {rank: i, owner: $source + '_eu', workspace: toUpper($source)})`,
        { source, other },
      );
      const before = await raw.picture(labels());
      const given: Given = { profile, options: { verify: 'full', batchSize: 7 } };
      const planned = await plan(given);
      expect(planned.moves).toEqual([{ ...move, found: 60, atTarget: 0 }]);
      expect(planned.notices).toContainEqual(
        expect.objectContaining({ kind: 'property-holds-tenant', samples: ['name'], fix: '--graph-property name' }),
      );
      const undo = await log();
      const small = graphStage({ atomicLimit: 1 });
      expect(total(await drain(small.apply(planned, await context(undo, given))), 'moved')).toBe(60);
      expect(await verify(planned, 'applied', given)).toEqual([]);
      expect(await drain(small.apply(planned, await context(undo, given)))).toEqual([]);
      const after = await raw.picture(labels());
      const expected = before.map((node) =>
        node
          .replaceAll(JSON.stringify(`T_${source}`), JSON.stringify(`T_${move.target}`))
          .replaceAll(/"(workspace|owner)":"([^"]*)"/g, (all, name, value) =>
            value === source ? `"${name}":${JSON.stringify(move.target)}` : all,
          ),
      );
      expect(after).toEqual(expected.sort());

      await raw.run(`MATCH (n:${escapeLabel(`T_${move.target}`)} {rank: 3}) SET n.owner = 'somebody new'`);
      expect(kinds(await verify(planned, 'applied', given))).toContain('content');
      expect(total(await drain(small.undo(planned, await context(undo, given))), 'moved')).toBe(60);
      const back = await raw.picture(labels());
      expect(back.filter((node) => !before.includes(node))).toEqual([expect.stringContaining('somebody new')]);
    });
  });

  it('is told of relationships and lists that hold the id of a tenant known by a property', async () => {
    await raw.run(
      `CREATE (a:${escapeLabel(other)} {org: $source, seen: [$source, 'x']})-[:R {org: $source}]->(:${escapeLabel(other)} {org: $source})`,
      { source: move.source },
    );
    const { notices } = await plan({ profile: { ...generic, graphProperties: ['org'] } });
    expect(notices).toContainEqual(expect.objectContaining({ kind: 'relationship-property', count: 1 }));
    expect(notices).toContainEqual(expect.objectContaining({ kind: 'list-holds-tenant', samples: ['seen'] }));
  });

  describe('a rule in which a written property takes part', () => {
    const given: Given = { profile: { ...generic, graphProperties: ['org'] }, options: { merge: true } };
    const rule = (label: string, properties: string) =>
      raw.run(`CREATE CONSTRAINT ${named('rule')} FOR (n:${escapeLabel(label)}) REQUIRE ${properties} IS UNIQUE`);
    const put = (org: string, names: readonly string[], label: string) =>
      raw.run(`UNWIND $names AS name CREATE (:${escapeLabel(label)} {org: $org, name: name})`, { org, names });
    afterEach(() => raw.run(`DROP CONSTRAINT ${named('rule')} IF EXISTS`));

    it('is told in the plan where both tenants have a value, with the rule and what the value is like', async () => {
      await rule(other, '(n.org, n.name)');
      await put(move.source, ['alpha', 'beta', 'mine'], other);
      await put(move.target, ['alpha', 'beta', 'theirs'], other);
      const { problems } = await plan(given);
      expect(problems).toMatchObject([
        { code: 'constraint-conflict', fix: 'remove the doubles, or drop the constraint' },
      ]);
      const [problem] = problems;
      expect(problem?.message).toContain(`2 values break the constraint rule_${plainName(move.source)} on :${other}`);
      expect(problem?.message).toMatch(/\(org, name\), such as a text of 5 characters$/);
      expect(problem?.message).not.toContain('alpha');
    });

    it('is told where the property alone must be unique', async () => {
      await rule(other, 'n.org');
      await put(move.source, ['alpha'], other);
      await put(move.target, ['beta'], other);
      expect((await plan(given)).problems).toMatchObject([{ code: 'constraint-conflict' }]);
    });

    it('counts for labels that become the target’s, by the values that will stand there', async () => {
      await rule(move.target, '(n.org, n.name)');
      await put(move.source, ['alpha'], move.source);
      await put(move.target, ['alpha'], move.target);
      expect((await plan(given)).problems).toMatchObject([{ code: 'constraint-conflict' }]);
    });

    it('is no matter where the values differ: the move is made, and back', async () => {
      await rule(other, '(n.org, n.name)');
      await put(move.source, ['alpha'], other);
      await put(move.target, ['beta'], other);
      const planned = await plan(given);
      expect(planned.problems).toEqual([]);
      const undo = await log();
      expect(total(await drain(stage.apply(planned, await context(undo, given))), 'moved')).toBe(1);
      expect(await verify(planned, 'applied', given)).toEqual([]);
      expect(total(await drain(stage.undo(planned, await context(undo, given))), 'moved')).toBe(1);
    });
  });

  describe('relationships of the tenant’s own type', () => {
    const plantTyped = async () => {
      await raw.plant(move.source, 12);
      await raw.run(
        `MATCH (a:${s()}) MATCH (b:${s()} {rank: 1 + a.rank % 12})
         CREATE (a)-[:${s()} {weight: a.rank, at: datetime('2026-01-02T03:04:05[Europe/Berlin]'), big: 9007199254740993}]->(b)
         CREATE (a)-[:${s()} {twin: true}]->(b) CREATE (a)-[:${s()} {twin: true}]->(b)`,
      );
    };
    /** Without the relationships' own ids, which are new. */
    const picture = async () => {
      const rows = await raw.run(
        `MATCH (a)-[r]->(b) WHERE any(label IN labels(a) WHERE label IN $labels)
         RETURN elementId(a) AS a, labels(a) AS labels, type(r) AS type, properties(r) AS properties, elementId(b) AS b`,
        { labels: [move.source, move.target] },
      );
      return rows
        .map((row) => JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? `${value}` : value)))
        .sort();
    };

    it('are made again with their properties, and back, wherever a run dies', async () => {
      await plantTyped();
      const start = await picture();
      const given: Given = { options: { batchSize: 10, verify: 'full' } };
      const planned = await plan(given);
      expect(planned).toMatchObject({ unit: 'nodes and relationships', moves: [{ found: 12 + 36 }], problems: [] });
      for (const death of [1, 2, 3, 99]) {
        const undo = await log();
        let appended = 0;
        const ctx = await context(undo, given);
        const dying = {
          ...ctx,
          undo: {
            read: () => undo.read(),
            append: async (entries: readonly Json[]) => {
              appended += 1;
              // Odd ones are logged and never sent; even ones were sent, and the new ids are lost.
              if (appended === death && death % 2 === 0) throw new Error('dead');
              const id = await undo.append(entries);
              if (appended === death) throw new Error('dead');
              return id;
            },
          },
        };
        if (death < 99) await expect(drain(stage.apply(planned, dying))).rejects.toThrow('dead');
        const fresh = await plan({ options: { ...given.options, continuing: true } });
        await drain(stage.apply(fresh, ctx));
        expect(await verify(planned, 'applied', given)).toEqual([]);
        expect(await picture()).toEqual(start.map((node) => node.replaceAll(move.source, move.target)).sort());
        await drain(stage.undo(planned, ctx));
        expect(await picture()).toEqual(start);
        await drain(stage.undo(planned, ctx));
        expect(await picture()).toEqual(start);
      }
    });

    it('refuse where the type is not the tenant’s alone', async () => {
      await plantTyped();
      await raw.run(`CREATE (:${escapeLabel(other)})-[:${s()}]->(:${escapeLabel(other)})`);
      expect((await plan()).problems).toEqual([expect.objectContaining({ code: 'foreign-relationships' })]);
    });
  });
});

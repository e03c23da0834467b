import { describe, expect, it } from 'vitest';
import {
  type Dialect,
  idParameters,
  leftover,
  reading,
  type Statement,
  server,
  writeMark,
  writing,
} from '../../../../src/stores/graph/statements.ts';
import { backupStatements } from '../../../../src/stores/graph/statements-backup.ts';
import {
  listedLabels,
  type MemgraphSchema,
  memgraphStatements,
  neo4jCopy,
  neo4jDrop,
  neo4jIfAbsent,
  schema,
} from '../../../../src/stores/graph/statements-schema.ts';

const move = { source: 'siraya', target: 'tenant `x`' };
const valued = { ...move, values: { names: ['workspace', 'odd `name`'], from: 'siraya', to: 'x' } };
const window = { low: 0n, high: 100_000n };
const dialects: readonly Dialect[] = [
  { name: 'neo4j', idFunction: 'elementId' },
  { name: 'neo4j', idFunction: 'id' },
  { name: 'memgraph', idFunction: 'id' },
];

/** Every statement that is ever sent, under what it is for. */
function statementsFor(dialect: Dialect): Readonly<Record<string, readonly Statement[]>> {
  const source = { label: move.source };
  const targetOnly = { label: move.target, without: move.source };
  return {
    'the server': [
      server.memgraphVersion,
      ...(dialect.name === 'memgraph'
        ? [
            server.memgraphSettings,
            ...[server.memgraphRole, server.memgraphStorage, server.memgraphDatabaseStorage],
            ...[server.triggers, server.memgraphRoles, server.memgraphPrivileges('analysts')],
          ]
        : [server.neo4jVersion, server.neo4jTimeLimit, server.neo4jHeap, server.neo4jPrivileges]),
      server.databases[dialect.name],
      server.labels[dialect.name],
      server.transactions[dialect.name],
    ],
    'what a broken process left': [
      ...(dialect.name === 'neo4j' ? [leftover.connections, leftover.killConnections(['bolt-1', 'bolt-2'])] : []),
      leftover.terminate([dialect.name === 'neo4j' ? 'neo4j-transaction-7' : '9223372036854775807', 'second-8']),
    ],
    'plan and verify': [
      reading.counts([[move.source], [move.target], [move.source, move.target]]),
      reading.combinations(source),
      reading.combinations(targetOnly),
      reading.relationships(source),
      reading.relationships(targetOnly),
      reading.ids(dialect, source).rows(),
      reading.ids(dialect, source).rows(window),
      reading.ids(dialect, source).bounds,
      reading.someIds(dialect, source.label, 5_000),
      reading.nodesById(dialect),
      reading.nodes(dialect, source).whole,
      reading.nodes(dialect, targetOnly).whole,
      reading.nodes(dialect, targetOnly).ids.rows(window),
      reading.clashes(move, ['entity_id', 'k']),
      reading.clashes(valued, ['workspace', 'k']),
      reading.valueClashes('Entity', ['workspace', 'name'], valued.values),
      reading.valueClashes('Entity', ['workspace', 'odd `name`'], valued.values),
      reading.duplicates(move.source, ['entity_id', 'k']),
      reading.lacking(move.source, ['entity_id', 'k']),
      reading.typeCounts([move.source, move.target]),
      reading.foreignTyped(move),
      ...writing.probes(move),
      ...writing.probes(valued),
    ],
    nodes: [
      reading.movable(dialect, move).rows(),
      reading.movable(dialect, move).rows(window),
      writing.relabel(dialect, move),
      reading.moved(dialect, move),
      writing.restore(dialect, move),
      writing.restoreBoth(dialect, move),
    ],
    'a tenant in properties': [
      reading.movable(dialect, valued).rows(),
      reading.bare(dialect, valued).rows(),
      reading.bare(dialect, valued).rows(window),
      reading.bare(dialect, valued).bounds,
      reading.bareCounts(valued),
      reading.bareNodes(dialect, valued).whole,
      reading.bareNodes(dialect, valued).ids.rows(window),
      reading.valuedRelationships(valued),
      reading.foreignTyped(valued),
      writing.relabel(dialect, valued),
      reading.moved(dialect, valued),
      writing.restoreValue(dialect, 'odd `name`', valued.values),
    ],
    'a tenant as a relationship type': [
      reading.typed(dialect, move.source),
      reading.typedFrom(dialect, move.source),
      writing.retype(dialect, move),
    ],
    backups: [
      ...backupStatements.relationships(dialect, move.source),
      ...backupStatements.relationships(dialect, move.source, true),
      backupStatements.createNodes(dialect, [move.source, 'Person'], []),
      backupStatements.marked(dialect, move.source, []),
      backupStatements.createRelationships(dialect, 'odd `type`', []),
      backupStatements.unmark.nodes(dialect),
      backupStatements.unmark.relationships(dialect),
    ],
    'indexes and constraints': [
      schema.indexes[dialect.name],
      schema.constraints[dialect.name],
      ...(dialect.name === 'memgraph'
        ? [schema.vectorIndexes, ...memgraphSchema()]
        : [schema.awaitIndex('x'), schema.dropNothing('index'), schema.dropNothing('constraint'), ...neo4jSchema()]),
    ],
  };
}

/** One of each kind that Memgraph has. */
function memgraphSchema(): readonly Statement[] {
  const labels = [move.target];
  const index = { kind: 'index', entity: 'node', labels, properties: ['a'] } as const;
  const edge = { ...index, entity: 'relationship' } as const;
  const rule = { ...index, kind: 'constraint' } as const;
  const vector = { dimension: 3, capacity: 64, metric: 'cos', scalarKind: 'f32' };
  return [
    { ...index, type: 'label', properties: [] },
    { ...index, type: 'label+property' },
    { ...index, type: 'label+property', properties: ['a', 'odd `name`'] },
    { ...index, type: 'point' },
    { ...index, type: 'text', name: 'all_of_it', properties: [] },
    { ...index, type: 'text', name: 'two', properties: ['a', 'b'] },
    { ...index, type: 'vector', name: 'near', vector },
    { ...index, type: 'vector', name: 'older', vector: { dimension: 3, capacity: 64, metric: 'l2sq' } },
    { ...edge, type: 'edge-type', properties: [] },
    { ...edge, type: 'edge-type+property' },
    { ...edge, type: 'text', name: 'edges' },
    { ...edge, type: 'vector', name: 'near_edges', vector },
    { ...rule, type: 'unique', properties: ['a', 'b'] },
    { ...rule, type: 'exists' },
    { ...rule, type: 'data_type', dataType: 'STRING' },
  ].flatMap((item) => {
    const { create, drop } = memgraphStatements(item as MemgraphSchema) ?? { create: 'none', drop: 'none' };
    return [{ text: create }, { text: drop }];
  });
}

/** Neo4j's own statements as 5.26 tells them, for the target. Node keys, existence and types are Enterprise's. */
function neo4jSchema(): readonly Statement[] {
  const told = [
    'CREATE RANGE INDEX `idx_siraya` FOR (n:`siraya`) ON (n.`a`, n.`b`)',
    'CREATE RANGE INDEX `index_d0baff98` FOR (n:`siraya`) ON (n.`q`)',
    'CREATE TEXT INDEX `idx_siraya` FOR (n:`siraya`) ON (n.`a`)',
    'CREATE POINT INDEX `idx_siraya` FOR (n:`siraya`) ON (n.`a`) OPTIONS {indexConfig: {`spatial.wgs-84.max`: [180.0, 90.0]}}',
    "CREATE FULLTEXT INDEX `idx_siraya` FOR (n:`siraya`|`Other`) ON EACH [n.`a`, n.`siraya`] OPTIONS {indexConfig: {`fulltext.analyzer`: 'cjk',`fulltext.eventually_consistent`: true}}",
    "CREATE VECTOR INDEX `idx_siraya` FOR (n:`siraya`) ON (n.`v`) OPTIONS {indexConfig: {`vector.dimensions`: 3,`vector.similarity_function`: 'COSINE'}}",
    'CREATE RANGE INDEX `idx_siraya` FOR ()-[r:`siraya`]-() ON (r.`q`)',
    'CREATE CONSTRAINT `idx_siraya` FOR (n:`siraya`) REQUIRE (n.`c`, n.`d`) IS UNIQUE',
    'CREATE CONSTRAINT `idx_siraya` FOR (n:`siraya`) REQUIRE (n.`c`) IS NODE KEY',
    'CREATE CONSTRAINT `idx_siraya` FOR (n:`siraya`) REQUIRE (n.`c`) IS NOT NULL',
    'CREATE CONSTRAINT `idx_siraya` FOR (n:`siraya`) REQUIRE (n.`c`) IS :: STRING',
    'CREATE CONSTRAINT `idx_siraya` FOR ()-[r:`siraya`]-() REQUIRE (r.`c`) IS RELATIONSHIP KEY',
  ];
  const copies = told.map((create) => neo4jCopy(create, { ...move, name: 'idx_x' }) ?? 'none');
  return [
    ...copies,
    neo4jCopy(told[1] ?? '', { ...move, name: undefined }) ?? 'none',
    neo4jIfAbsent(told[4] ?? ''),
    neo4jDrop({ kind: 'index', name: 'odd `name`' }),
    neo4jDrop({ kind: 'constraint', name: 'idx_siraya' }),
  ].map((text) => ({ text }));
}

describe.each(dialects)('the statements for $name with $idFunction()', (dialect) => {
  const statements = statementsFor(dialect);
  const all = Object.values(statements).flat();

  it('are those of the golden file', async () => {
    const text = Object.entries(statements)
      .map(([title, some]) => [`// ${title}`, ...some.map((each) => `${each.text};`), ''].join('\n'))
      .join('\n');
    await expect(text).toMatchFileSnapshot(`golden/${dialect.name}-${dialect.idFunction}.cypher`);
  });

  it('hold no label but in backticks, and none that could not be made', () => {
    for (const { text } of all) {
      expect(text.replaceAll(/`(``|[^`])*`/g, '').replaceAll('tenant_migrate_', '')).not.toMatch(/siraya|tenant/);
      expect(text).not.toBe('none');
    }
  });
});

describe('the statements for Memgraph', () => {
  const all = Object.values(statementsFor({ name: 'memgraph', idFunction: 'id' })).flat();
  const isSchema = ({ text }: Statement) => /^(CREATE|DROP|SHOW|TERMINATE) (?!\()/.test(text);

  it.each([
    'elementId',
    'YIELD',
    'COUNT {',
    'EXISTS {',
    'SHOW INDEXES',
    'SHOW CONSTRAINTS',
    '$(',
    'IF NOT EXISTS',
    'FOR (',
  ])('keep clear of %s, which it does not know or answers otherwise', (word) => {
    expect(all.filter(({ text }) => text.includes(word))).toEqual([]);
  });

  it('take no parameters where they list, make or drop', () => {
    const some = all.filter(isSchema);
    expect(some.length).toBeGreaterThan(40);
    for (const { text, parameters } of some) {
      expect(text).not.toContain('$');
      expect(parameters).toBeUndefined();
    }
  });

  it('commit in batches of the client’s, never by a clause that takes neither RETURN nor a parameter', () => {
    for (const { text } of all) expect(text).not.toMatch(/PERIODIC COMMIT|IN TRANSACTIONS/);
  });

  it('hold one statement each, with no semicolon, and integer literals alone in configurations', () => {
    for (const { text } of all) {
      expect(text.replaceAll(/`(``|[^`])*`/g, '')).not.toContain(';');
      for (const [, number] of text.matchAll(/"(?:dimension|capacity)": ([^,}]+)/g)) expect(number).toMatch(/^\d+$/);
    }
  });

  it.each([
    ['STRING', 'STRING'],
    ['BOOL', 'BOOLEAN'],
    ['INTEGER', 'INTEGER'],
    ['FLOAT', 'FLOAT'],
    ['LIST', 'LIST'],
    ['MAP', 'MAP'],
    ['DURATION', 'DURATION'],
    ['DATE', 'DATE'],
    ['LOCAL TIME', 'LOCALTIME'],
    ['LOCAL DATE TIME', 'LOCALDATETIME'],
    ['ZONED DATE TIME', 'ZONEDDATETIME'],
    ['ENUM', 'ENUM'],
    ['POINT', 'POINT'],
  ])('write the type that is listed as %s as %s', (dataType, written) => {
    const rule = { kind: 'constraint', entity: 'node', type: 'data_type', labels: ['A'], properties: ['p'] } as const;
    const create = `CREATE CONSTRAINT ON (n:\`A\`) ASSERT n.\`p\` IS TYPED ${written}`;
    expect(memgraphStatements({ ...rule, dataType })?.create).toBe(create);
  });

  it('read the labels of an index as each release lists them', () => {
    expect(listedLabels('siraya')).toEqual({ labels: ['siraya'] });
    expect(listedLabels(':siraya')).toEqual({ labels: ['siraya'] });
    expect(listedLabels(':siraya|Other')).toEqual({ labels: ['siraya', 'Other'], set: 'any' });
    expect(listedLabels(':siraya&Other')).toEqual({ labels: ['siraya', 'Other'], set: 'all' });
    expect(listedLabels('*')).toEqual({ labels: [] });
    const vector = { dimension: 3, capacity: 64, metric: 'cos' };
    const item = { kind: 'index', entity: 'node', type: 'vector', properties: ['v'], name: 'near', vector } as const;
    expect(memgraphStatements({ ...item, ...listedLabels(':siraya') })?.create).toContain('ON :`siraya`(`v`)');
    expect(memgraphStatements({ ...item, ...listedLabels(':siraya|Other') })).toBeUndefined();
  });

  it('are not made for what it tells too little of', () => {
    const item = { kind: 'index', entity: 'node', properties: ['a'] } as const;
    const untold: readonly MemgraphSchema[] = [
      { ...item, type: 'label', labels: ['A', 'B'], properties: [] },
      { ...item, type: 'label+property', labels: ['A'], properties: ['a.b'] },
      { ...item, type: 'vector', labels: ['A'], name: 'v' },
      { ...item, type: 'text', labels: ['A'] },
      { ...item, type: 'something new', labels: ['A'] },
      { ...item, kind: 'constraint', type: 'data_type', labels: ['A'], dataType: 'x; DROP' },
    ];
    expect(untold.map(memgraphStatements)).toEqual(untold.map(() => undefined));
  });

  it('take ids as integers', () => {
    expect(idParameters({ name: 'memgraph', idFunction: 'id' }, ['0', '9007199254740993'])).toEqual({
      ids: [0n, 9007199254740993n],
    });
  });
});

it('a statement that Neo4j writes in another way is not guessed at', () => {
  const to = { ...move, name: 'x' };
  expect(neo4jCopy('CREATE INDEX foo FOR (n:siraya) ON (n.a)', to)).toBeUndefined();
  expect(neo4jCopy('CREATE LOOKUP INDEX `x` FOR (n) ON EACH labels(n)', to)).toBeUndefined();
});

describe('element ids', () => {
  const dialect: Dialect = { name: 'neo4j', idFunction: 'elementId' };

  it.each([[['4:abc:1', '4:abc:17', '4:abc:2']], [['4:abc:1']], [['x', 'y']], [['4:abc:1', '4:abc:1']], [['ab', 'a']]])(
    'travel without what they share: %j',
    (ids) => {
      const { prefix, ids: rest } = idParameters(dialect, ids) as { prefix: string; ids: string[] };
      expect(rest.map((each) => prefix + each)).toEqual(ids);
      expect(rest.some((each) => each === '') || new Set(rest.map((each) => each[0])).size > 1).toBe(true);
    },
  );
});

it('transactions are ended by ids of the known form alone, since these stand in the text', () => {
  expect(leftover.terminate(['neo4j-transaction-7', 'x" DETACH', '']).text).toBe(
    'TERMINATE TRANSACTIONS "neo4j-transaction-7"',
  );
});

it('a write is marked with its move, and with its run where that is named', () => {
  expect(writeMark(move, 'run-1')).toEqual({ ...writeMark(move), run: 'run-1' });
  expect(writeMark(move)).toEqual({ application: 'tenant-migrate', source: 'siraya', target: 'tenant `x`' });
});

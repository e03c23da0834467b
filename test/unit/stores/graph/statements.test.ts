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

const move = { source: 'siraya', target: 'tenant `x`' };
const dialects: readonly Dialect[] = [
  { name: 'neo4j', idFunction: 'elementId' },
  { name: 'neo4j', idFunction: 'id' },
  { name: 'memgraph', idFunction: 'id' },
];

/** Every statement that a move sends, in one list. */
function statementsFor(dialect: Dialect): readonly Statement[] {
  const source = { label: move.source };
  const targetOnly = { label: move.target, without: move.source };
  return [
    server.memgraphVersion,
    ...(dialect.name === 'memgraph'
      ? [server.memgraphRole, server.memgraphStorage, server.memgraphDatabaseStorage]
      : [server.neo4jVersion]),
    server.indexes[dialect.name],
    server.constraints[dialect.name],
    server.labels[dialect.name],
    server.transactions[dialect.name],
    ...(dialect.name === 'neo4j' ? [leftover.connections, leftover.killConnections(['bolt-1', 'bolt-2'])] : []),
    leftover.terminate([dialect.name === 'neo4j' ? 'neo4j-transaction-7' : '9223372036854775807', 'second-8']),
    reading.counts([[move.source], [move.target], [move.source, move.target]]),
    reading.combinations(source),
    reading.combinations(targetOnly),
    reading.relationships(source),
    reading.relationships(targetOnly),
    reading.ids(dialect, source),
    reading.ids(dialect, source, 5_000),
    reading.nodesById(dialect),
    reading.nodes(dialect, source),
    reading.nodes(dialect, targetOnly),
    reading.clashes(move, ['entity_id', 'k']),
    reading.duplicates(move, ['entity_id', 'k']),
    writing.probe(move.source),
    reading.movable(dialect, move),
    writing.relabel(dialect, move),
    reading.moved(dialect, move),
    writing.restore(dialect, move),
    writing.restoreBoth(dialect, move),
  ];
}

describe.each(dialects)('the statements for $name with $idFunction()', (dialect) => {
  const statements = statementsFor(dialect);

  it('are these', () => {
    expect(statements.map(({ text }) => text).join(';\n')).toMatchSnapshot();
  });

  it('hold no label but in backticks', () => {
    for (const { text } of statements) expect(text.replaceAll(/`(``|[^`])*`/g, '')).not.toMatch(/siraya|tenant/);
  });
});

describe('the statements for Memgraph', () => {
  const all = statementsFor({ name: 'memgraph', idFunction: 'id' }).map(({ text }) => text);

  it.each(['elementId', 'YIELD', 'COUNT {', 'EXISTS {', 'SHOW INDEXES', 'SHOW CONSTRAINTS', '$(', 'IN TRANSACTIONS'])(
    'keep clear of %s, which it does not know or answers otherwise',
    (word) => {
      expect(all.filter((text) => text.includes(word))).toEqual([]);
    },
  );

  it('take ids as integers', () => {
    expect(idParameters({ name: 'memgraph', idFunction: 'id' }, ['0', '9007199254740993'])).toEqual({
      ids: [0n, 9007199254740993n],
    });
  });
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

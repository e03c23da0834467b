import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { graphChecks } from '../../src/doctor/graph-checks.ts';
import type { MigrateError } from '../../src/model/errors.ts';
import { preflightGraph } from '../../src/stages/graph/preflight.ts';
import { openGraphHealth } from '../../src/stores/graph/graph-health.ts';
import {
  type GraphReader,
  type GraphWriter,
  openGraphReader,
  openGraphWriter,
} from '../../src/stores/graph/graph-store.ts';
import {
  clientError,
  pairs,
  type Script,
  type ScriptedMemgraph,
  startScriptedMemgraph,
  TIMED_OUT,
  transientError,
} from '../support/scripted-memgraph.ts';
import { planContext } from '../support/stage-context.ts';

const move = { source: 'siraya', target: 'other' };

let memgraph: ScriptedMemgraph;
let writer: GraphWriter;
let retries: string[];
beforeEach(async () => {
  memgraph = await startScriptedMemgraph();
  retries = [];
  writer = await openGraphWriter({
    ...settings(),
    retry: { retries: 2, delayMs: 1, backoff: 1 },
    onRetry: ({ reason }) => retries.push(reason),
  });
});
afterEach(async () => {
  await writer.close();
  await memgraph.close();
});

const settings = () => ({ url: memgraph.url, connectTimeoutMs: 3_000 });
const failureOf = (work: Promise<unknown>): Promise<MigrateError> =>
  work.then(
    () => expect.fail('it did not fail'),
    (error) => error as MigrateError,
  );
/** Statements that write or alter, as they came. */
const written = () => memgraph.sent.map(({ text }) => text).filter((text) => / SET |^CREATE|^DROP/.test(text));
const drained = async (chunks: AsyncIterable<unknown>): Promise<void> => {
  for await (const _ of chunks);
};
/** Fails the first time, and is answered by the rest of the script from then on. */
const once = (pattern: RegExp, first: Script[number][1], then: Script[number][1]): Script[number] => {
  let times = 0;
  const answerOf = (
    answer: Script[number][1],
    sent: Parameters<Extract<Script[number][1], (...of: never[]) => unknown>>[0],
  ) => (typeof answer === 'function' ? answer(sent) : answer);
  return [pattern, (sent) => answerOf(times++ === 0 ? first : then, sent)];
};
const counted = (count: number) => ({ columns: ['count'], rows: [[BigInt(count)]] });

describe('a scripted Memgraph’s errors', () => {
  it.each([
    [
      'out of memory',
      'Memory limit exceeded! Attempting to allocate a chunk of 1.00MiB which would put the current use to 4.00GiB, while the maximum allowed size for allocation is set to 4.00GiB.',
      'store',
    ],
    ['ended by another user', 'Transaction was asked to abort by another user.', 'store'],
    ['a shutdown', 'Transaction was asked to abort because of database shutdown.', 'store'],
    ['an unknown database', 'Tried to retrieve an unknown database "other".', 'missing'],
  ])('%s is not tried again', async (_, message, code) => {
    memgraph.script = [[/ SET /, transientError(message)]];
    expect(await failureOf(writer.relabel(move, ['1']))).toMatchObject({ code });
    expect(written()).toHaveLength(1);
  });

  it('a commit that a SYNC replica has not confirmed is told as made, looked after, and gone on from', async () => {
    const message =
      "Replication Exception: At least one SYNC replica has not confirmed committing last transaction. Check the status of the replicas using 'SHOW REPLICAS' query.";
    memgraph.script = [
      once(/ SET /, { columns: ['count'], rows: [[2n]], ...transientError(message) }, counted(0)),
      [/ RETURN count\(n\)/, counted(2)],
    ];
    expect(await writer.relabel(move, ['1', '2'])).toEqual({ moved: 2, vanished: 0 });
    expect(retries).toEqual(['committed, but a SYNC replica has not confirmed it']);
  });

  it('of a STRICT_SYNC replica it is told that it was rolled back', async () => {
    const message =
      "Replication Exception: At least one STRICT_SYNC replica has not confirmed committing last transaction. Transaction will be aborted on all instances. Check the status of the replicas using 'SHOW REPLICAS' query.";
    memgraph.script = [[/ SET /, transientError(message)]];
    const error = await failureOf(writer.relabel(move, ['1']));
    expect(error).toMatchObject({ code: 'store', retryable: true });
    expect(error.message).toContain('rolled a statement back');
    expect(retries.join()).not.toContain('committed');
  });

  it.each([
    'Cannot get read only access to the storage. Try stopping other queries that are running in parallel.',
    'Cannot get read-only access to the storage. Try stopping other queries that are running in parallel.',
    'Cannot get unique access to the storage. Try stopping other queries that are running in parallel.',
  ])('an index is tried again after: %s', async (message) => {
    const made = { columns: ['index type', 'label', 'property', 'count'] };
    memgraph.script = [once(/^CREATE INDEX/, transientError(message), { columns: [] }), [/^SHOW INDEX INFO/, made]];
    await writer.alterSchema({ move, statement: 'CREATE INDEX ON :`other`', isDone: () => false });
    expect(written()).toHaveLength(2);
  });

  it.each([
    'Vertex not created due to not having enough permission!',
    'You are not authorized to execute this query! Please contact your database administrator.',
  ])('the right to set the target’s label is tried, and refused as denied: %s', async (message) => {
    memgraph.script = [
      [/SET n:`other`/, clientError(message)],
      [/ SET /, counted(0)],
    ];
    const problems = await preflightGraph([move], planContext<GraphReader>(writer), writer);
    expect(problems.map(({ code }) => code)).toEqual(['denied']);
  });
});

describe('what a scripted Memgraph tells', () => {
  const GIB = 1_024 ** 3;
  it.each([
    ['2.12', { memory_allocated: '3.80GiB', allocation_limit: '4.00GiB' }],
    ['3.0', { memory_res: '1.00GiB', memory_tracked: '3.80GiB', allocation_limit: '4.00GiB' }],
    [
      '3.10',
      {
        memory_res: '1.00GiB',
        global_memory_tracked: '3.80GiB',
        global_runtime_allocation_limit: '4.00GiB',
        global_license_allocation_limit: 'unlimited',
      },
    ],
    [
      '3.11',
      { memory_res: '1.00GiB', memory_tracked: '3.80GiB', memory_limit: '4.00GiB', license_memory_limit: 'unlimited' },
    ],
  ])('of its memory in %s is seen by the probe and by doctor', async (_, told) => {
    memgraph.script = [[/^SHOW STORAGE INFO/, pairs(['storage info', 'value'], told)]];
    expect(await writer.memory()).toEqual({ usedBytes: 3.8 * GIB, limitBytes: 4 * GIB });
    const probe = await openGraphHealth(settings());
    const [memory] = graphChecks(await probe.health()).filter(({ name }) => name === 'memory');
    expect(memory?.level).toBe('error');
    await probe.close();
  });

  it('of a vector index on one label or several, in 3.11, is planned or named', async () => {
    const indexes = [
      ['label_vector (name: near_siraya)', ':siraya', 'v', 3n],
      ['label_vector (name: near_two)', ':siraya|Other', 'v', 3n],
      ['label_vector (name: near_all)', '*', 'v', 3n],
    ];
    const columns = ['index_name', 'label', 'property', 'capacity', 'dimension', 'metric', 'size', 'scalar_kind'];
    const config = [64n, 3n, 'cos', 3n, 'f32'];
    memgraph.script = [
      [/^SHOW INDEX INFO/, { columns: ['index type', 'label', 'property', 'count'], rows: indexes }],
      [
        /^SHOW VECTOR INDEX INFO/,
        {
          columns,
          rows: [
            ['near_siraya', ':siraya', 'v', ...config],
            ['near_two', ':siraya|Other', 'v', ...config],
            ['near_all', '*', 'v', ...config],
          ],
        },
      ],
    ];
    const schema = await writer.schema();
    expect(schema.map(({ name, labels, create }) => [name, labels, create !== undefined])).toEqual([
      ['near_siraya', ['siraya'], true],
      ['near_two', ['siraya', 'Other'], false],
    ]);
    expect(await writer.storedSchema('siraya')).toHaveLength(2);
  });

  it.each([
    ['BOOL', 'BOOLEAN'],
    ['LOCAL TIME', 'LOCALTIME'],
    ['LOCAL DATE TIME', 'LOCALDATETIME'],
    ['ZONED DATE TIME', 'ZONEDDATETIME'],
  ])('of a type as %s is written as %s', async (told, written) => {
    const columns = ['constraint type', 'label', 'properties', 'data_type'];
    memgraph.script = [[/^SHOW CONSTRAINT INFO/, { columns, rows: [['data_type', 'siraya', 'p', told]] }]];
    const [rule] = await writer.schema();
    expect(rule && writer.schemaCopy(rule, move)).toBe(
      `CREATE CONSTRAINT ON (n:\`other\`) ASSERT n.\`p\` IS TYPED ${written}`,
    );
  });
});

describe('a scripted Memgraph that cannot be used', () => {
  it('below 2.10 is refused with its version', async () => {
    memgraph.script = [[/^SHOW VERSION/, { columns: ['version'], rows: [['2.9.1']] }]];
    const reader = await openGraphReader(settings());
    const [problem] = await preflightGraph([move], planContext(reader));
    expect(problem).toMatchObject({ code: 'unsupported', message: expect.stringContaining('Memgraph 2.9.1') });
    expect(problem?.message).toContain('Memgraph 2.10');
    const probe = await openGraphHealth(settings());
    expect(graphChecks(await probe.health())[0]).toMatchObject({ name: 'version', level: 'error' });
    await Promise.all([reader.close(), probe.close()]);
  });

  it('with no version of Bolt in common is named as too old', async () => {
    memgraph.bolt = 'none';
    const error = await failureOf(openGraphReader(settings()));
    expect(error).toMatchObject({ code: 'unsupported', message: expect.stringContaining('Memgraph 2.10') });
  });

  it('behind neo4j:// is refused by name', async () => {
    const url = memgraph.url.replace('bolt:', 'neo4j:');
    const error = await failureOf(openGraphReader({ ...settings(), url }));
    expect(error).toMatchObject({ code: 'unsupported', message: expect.stringContaining('neo4j://') });
    expect(error.next).toContain('bolt://');
  });

  it('as a cluster that routes neo4j:// is refused by name, too', async () => {
    memgraph.routes = true;
    const url = memgraph.url.replace('bolt:', 'neo4j:');
    const probe = await openGraphHealth({ ...settings(), url });
    const refused = { code: 'unsupported', message: expect.stringContaining('neo4j://') };
    expect(await failureOf(openGraphReader({ ...settings(), url }))).toMatchObject(refused);
    expect(await failureOf(openGraphWriter({ ...settings(), url }))).toMatchObject(refused);
    expect(await failureOf(probe.health())).toMatchObject(refused);
    await probe.close();
  });

  it('without properties of relationships still gets those that have none under another type', async () => {
    const refused = clientError("Can't set property because properties on edges are disabled.");
    memgraph.script = [
      [
        /DELETE r/,
        ({ text }) => (/^(?:(?!FOREACH).)* SET x/.test(text) ? refused : { columns: ['old', 'id'], rows: [[7n, 9n]] }),
      ],
      [/MERGE/, refused],
    ];
    const rows = [{ id: '7', start: '1', end: '2', properties: {} }];
    expect(await writer.retype(move, rows)).toEqual(new Map([['7', '9']]));
    const error = await failureOf(
      writer.createRelationships('KNOWS', [{ start: '1', end: '2', mark: 'm', properties: {} }]),
    );
    expect(error).toMatchObject({
      code: 'unsupported',
      next: expect.stringContaining('--storage-properties-on-edges'),
    });
  });
});

describe('a scripted Memgraph’s time limit', () => {
  const limit = (seconds: string) =>
    pairs(['setting_name', 'setting_value'], { 'server.name': 'Memgraph', 'query.timeout': seconds });

  it.each([
    ['600', 'ok', '600 s'],
    ['0', 'ok', 'none'],
    ['20', 'warning', '20 s'],
  ])('of %s is told by doctor as %s', async (seconds, level, text) => {
    memgraph.script = [[/^SHOW DATABASE SETTINGS/, limit(seconds)]];
    const probe = await openGraphHealth(settings());
    const [told] = graphChecks(await probe.health()).filter(({ name }) => name === 'time limit');
    expect(told).toMatchObject({ level, text: expect.stringContaining(text) });
    await probe.close();
  });

  it('does not run while the ids that it gave are worked on', async () => {
    memgraph.script = nodes(30_000);
    const seen: string[] = [];
    for await (const some of writer.movable(move)) {
      expect(memgraph.open).toBe(0);
      seen.push(...some.map(({ id }) => id));
    }
    expect(new Set(seen).size).toBe(30_000);
    expect(seen).toHaveLength(30_000);
  });

  it('is given fewer ids at once where there are many, and halves of what it ends', async () => {
    let ended = 0;
    memgraph.script = nodes(200_001, (found) => found > 40_000 && ++ended > 0);
    const seen = new Set<string>();
    let rows = 0;
    for await (const some of writer.movable(move)) {
      rows += some.length;
      for (const { id } of some) seen.add(id);
    }
    expect([rows, seen.size]).toEqual([200_001, 200_001]);
    expect(ended).toBeGreaterThan(0);
  });

  it('that no walk over the label fits in is told after a few tries', async () => {
    memgraph.script = nodes(2_500, () => true);
    const error = await failureOf(drained(writer.movable(move)));
    expect(error).toMatchObject({ code: 'store', message: expect.stringContaining('longer than its time limit') });
    expect(memgraph.sent.length).toBeLessThan(20);
  });

  it('ends no content, sample or backup that takes longer', async () => {
    memgraph.script = nodes(2_500);
    const { signal } = new AbortController();
    expect(await writer.sums(move, signal)).toMatchObject([{ labels: ['other'], count: 2_500 }]);
    expect(await writer.sample({ move, size: 5, seed: 1, signal })).toHaveLength(5);
    const ids = new Set<string>();
    for await (const some of writer.storedNodes('siraya')) for (const { id } of some) ids.add(id);
    expect(ids.size).toBe(2_500);
    const relationships = new Set<string>();
    for await (const some of writer.storedRelationships('siraya')) for (const { id } of some) relationships.add(id);
    expect(relationships.size).toBe(2_500);
  });

  it('that ends a stream of relationships lets it go on with those that are left', async () => {
    const row = (i: number) => [BigInt(i), 1n, 2n, {}];
    const all = Array.from({ length: 3_000 }, (_, i) => row(i));
    let reads = 0;
    memgraph.script = [
      [
        /\(a\)-\[r:`siraya`\]/,
        () => ({
          columns: ['id', 'start', 'end', 'properties'],
          ...(reads++ === 0 ? { rows: all.slice(0, 2_000), ...TIMED_OUT } : { rows: all.slice(1_000) }),
        }),
      ],
    ];
    const seen = new Set<string>();
    for await (const some of writer.typed('siraya')) for (const { id } of some) seen.add(id);
    expect([seen.size, reads]).toEqual([3_000, 2]);
  });

  it('that a Neo4j keeps to itself is met with windows once it ends a stream', async () => {
    memgraph.agent = 'Neo4j/4.4.30';
    const timedOut = {
      failure: {
        code: 'Neo.ClientError.Transaction.TransactionTimedOut',
        message: 'The transaction has been terminated.',
      },
    };
    memgraph.script = [
      [/^SHOW VERSION/, { failure: { code: 'Neo.ClientError.Statement.SyntaxError', message: 'Invalid input' } }],
      ...nodes(2_500, undefined, timedOut),
    ];
    const reader = await openGraphReader(settings());
    expect(reader.server.dialect).toEqual({ name: 'neo4j', idFunction: 'id' });
    const { signal } = new AbortController();
    expect(await reader.sums(move, signal)).toMatchObject([{ labels: ['other'], count: 2_500 }]);
    await reader.close();
    const another = await openGraphReader(settings());
    const seen = new Set<string>();
    for await (const some of another.movable(move)) for (const { id } of some) seen.add(id);
    expect(seen.size).toBe(2_500);
    await another.close();
  });
});

/**
 * So many nodes of the source with a relationship each. Statements over all of them end in the time limit, after some rows;
 * those of a window only where there are so many of them that `isEnded`.
 */
function nodes(count: number, isEnded: (found: number) => boolean = () => false, timedOut = TIMED_OUT): Script {
  const ids = Array.from({ length: count }, (_, i) => BigInt(i) * 3n);
  const content = (id: bigint) => [id, ['siraya'], { name: `n${id}` }];
  const relationship = (id: bigint) => [id, 'KNOWS', {}, id, id + 3n, null, null, null];
  const contentColumns = ['id', 'labels', 'properties'];
  const relationshipColumns = ['id', 'type', 'properties', 'start', 'end', 'outside', 'otherLabels', 'otherProperties'];
  const none = (columns: string[]) => ({ columns, rows: [] });
  return [
    [/NOT n:`siraya` RETURN min/, { columns: ['low', 'high', 'count'], rows: [[null, null, 0n]] }],
    [/RETURN min\(id\(n\)\)/, { columns: ['low', 'high', 'count'], rows: [[ids[0], ids.at(-1), BigInt(count)]] }],
    [/^UNWIND .*<-\[r\]-/, none(relationshipColumns)],
    [
      /^UNWIND .*-\[r\]->/,
      (sent) => ({ columns: relationshipColumns, rows: (sent.parameters.ids as bigint[]).map(relationship) }),
    ],
    [
      /^UNWIND .*RETURN id\(n\)/,
      (sent) => ({ columns: contentColumns, rows: (sent.parameters.ids as bigint[]).map(content) }),
    ],
    [/^MATCH \(n:`other`\).*AS id$/, none(['id'])],
    [/^MATCH \(n:`other`\)/, none(contentColumns)],
    [
      /id\(n\) >= \$low/,
      ({ text, parameters }) => {
        const window = parameters as { low: bigint; high: bigint };
        const rows = ids.filter((id) => id >= window.low && id < window.high).map((id) => [id, false]);
        const columns = text.includes('AS had') ? ['id', 'had'] : ['id'];
        const told = columns.length === 1 ? rows.map(([id]) => [id]) : rows;
        return isEnded(rows.length) ? { columns, rows: told.slice(0, 10), ...timedOut } : { columns, rows: told };
      },
    ],
    [/-\[r\]-/, { columns: relationshipColumns, rows: ids.slice(0, 1_500).map(relationship), ...timedOut }],
    [/AS properties/, { columns: contentColumns, rows: ids.slice(0, 1_500).map(content), ...timedOut }],
    [/AS had/, { columns: ['id', 'had'], rows: ids.slice(0, 25_000).map((id) => [id, false]), ...timedOut }],
    [/RETURN id\(n\) AS id/, { columns: ['id'], rows: ids.slice(0, 25_000).map((id) => [id]), ...timedOut }],
  ];
}

describe('a scripted Memgraph’s SHOW TRANSACTIONS', () => {
  it('is asked once more where it lists nothing, since it leaves out what is committing', async () => {
    const columns = ['username', 'transaction_id', 'query', 'status', 'metadata'];
    const running = { application: 'tenant-migrate', ...move };
    const looks = [[['', '1', [], 'running', running]], [], [['', '1', [], 'running', running]], []];
    let look = 0;
    memgraph.script = [[/^SHOW TRANSACTIONS/, () => ({ columns, rows: looks[look++] ?? [] })]];
    await writer.settle(move);
    // Not ended by the empty second answer.
    expect(look).toBe(5);
  });
});

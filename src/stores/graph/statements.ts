import type { Move } from '../../model/move.ts';
import { escapeLabel } from './label.ts';

/** One Cypher statement with its parameters. Ids travel in `$ids`; labels stand in the text, escaped. */
export interface Statement {
  readonly text: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** Shown by the server beside the transaction while it runs. */
  readonly metadata?: WriteMark;
}

/** Marks a write, so that one whose reply was lost can be told to be running still. */
export type WriteMark = {
  readonly application: 'tenant-migrate';
  readonly source: string;
  readonly target: string;
  readonly run?: string;
  /** Tells one write from the others that are under way, also through its repetitions. */
  readonly write?: string;
};

/** A move as a graph knows it: its ends are labels, which are also relationship types. */
export type GraphMove = Move & {
  /** Properties that hold the tenant's id, and the ids. Nodes with such a value are the tenant's without its label too. */
  readonly values?: Values;
};

/** Properties that hold a tenant's id, which becomes another. */
export interface Values {
  readonly names: readonly string[];
  readonly from: string;
  readonly to: string;
}

/** The mark of the writes of a move, and of one run's where that is named. */
export const writeMark = ({ source, target }: Move, run?: string): WriteMark => ({
  application: 'tenant-migrate',
  source,
  target,
  ...(run === undefined ? {} : { run }),
});

/** How the connections of a run's writers begin to name themselves to the server. */
export const namePrefix = (runId: string): string => `tenant-migrate:${runId}`;

/** The two servers that are spoken to. */
export type DialectName = 'neo4j' | 'memgraph';

/** What the statements for nodes by id depend on. */
export interface Dialect {
  readonly name: DialectName;
  /** `elementId` gives strings (Neo4j 5 and later), `id` integers (Memgraph, Neo4j 4). */
  readonly idFunction: 'elementId' | 'id';
}

/** A label, and one that the nodes must not carry. */
export interface LabelScope {
  readonly label: string;
  readonly without?: string | undefined;
}

const scan = ({ label, without }: LabelScope, pattern = ''): string =>
  `MATCH (n:${escapeLabel(label)})${pattern}${without === undefined ? '' : ` WHERE NOT n:${escapeLabel(without)}`}`;

const nodeId = (dialect: Dialect): string => `${dialect.idFunction}(n)`;

/**
 * A lookup by id, which both servers try before any label index. Neo4j's element ids share a long beginning: it travels
 * once, as `$prefix`, since ids are most of what a move sends.
 */
const byIds = (dialect: Dialect, guard: string): string => {
  const id = dialect.idFunction === 'elementId' ? '$prefix + i' : 'i';
  return `UNWIND $ids AS i MATCH (n) WHERE ${nodeId(dialect)} = ${id}${guard}`;
};

/** What the statements for nodes by id take. */
export function idParameters(dialect: Dialect, ids: readonly string[]): Readonly<Record<string, unknown>> {
  if (dialect.idFunction === 'id') return { ids: ids.map(BigInt) };
  const prefix = commonPrefix(ids);
  return { prefix, ids: ids.map((id) => id.slice(prefix.length)) };
}

function commonPrefix(texts: readonly string[]): string {
  return texts.reduce((prefix, text) => {
    let end = Math.min(prefix.length, text.length);
    while (!text.startsWith(prefix.slice(0, end))) end -= 1;
    return prefix.slice(0, end);
  }, texts[0] ?? '');
}

type ValuedMove = GraphMove & { readonly values: NonNullable<GraphMove['values']> };

/** True, and never null, where one of the properties holds the id. */
const anyValue = ({ names }: { names: readonly string[] }, id: '$from' | '$to', of = 'n'): string =>
  `(${names.map((name) => `coalesce(${of}.${escapeLabel(name)} = ${id}, false)`).join(' OR ')})`;

/** Which of the properties hold it, in their order. */
const held = ({ names }: { names: readonly string[] }): string =>
  `[${names.map((name) => `coalesce(n.${escapeLabel(name)} = $from, false)`).join(', ')}] AS held`;

/** Nodes whose internal number is `low` or above and below `high`. */
export interface IdWindow {
  readonly low: bigint;
  readonly high: bigint;
}

/** A pass over nodes: all at once, or those in a window of ids; and how many there are in which window. */
export interface NodePass {
  rows(window?: IdWindow): Statement;
  /** One row `low, high, count`, null where there are none. */
  readonly bounds: Statement;
}

/** What nodes hold, in one statement; or their ids, by which it can be read piece by piece. */
export interface ContentPass {
  readonly ids: NodePass;
  readonly whole: Statement;
}

const content = (dialect: Dialect): string =>
  `RETURN ${nodeId(dialect)} AS id, labels(n) AS labels, properties(n) AS properties`;

function passOver(match: string, tail: string, parameters?: Statement['parameters']): NodePass {
  const given = parameters === undefined ? {} : { parameters };
  return {
    rows: (window) =>
      window === undefined
        ? { text: `${match} ${tail}`, ...given }
        : {
            text: `${match} WITH n WHERE id(n) >= $low AND id(n) < $high ${tail}`,
            parameters: { ...parameters, low: window.low, high: window.high },
          },
    bounds: { text: `${match} RETURN min(id(n)) AS low, max(id(n)) AS high, count(n) AS count`, ...given },
  };
}

/** Statements that only read. */
export const reading = {
  /** How many nodes carry all labels of each set; rows `i, count`. From Neo4j's count store where a set has one label. */
  counts: (labelSets: readonly (readonly string[])[]): Statement => ({
    text: labelSets
      .map((labels, i) =>
        `MATCH (n${labels.map((label) => `:${escapeLabel(label)}`).join('')})`.concat(
          ` RETURN ${i} AS i, count(n) AS count`,
        ),
      )
      .join(' UNION ALL '),
  }),

  /** Rows `labels, count`. */
  combinations: (scope: LabelScope): Statement => ({
    text: `${scan(scope)} RETURN labels(n) AS labels, count(n) AS count`,
  }),

  /** Rows `direction, type, count`; a relationship between two nodes of the label counts once in each direction. */
  relationships: (scope: LabelScope): Statement => ({
    text: [
      `${scan(scope, '-[r]->()')} RETURN 'out' AS direction, type(r) AS type, count(r) AS count`,
      `${scan(scope, '<-[r]-()')} RETURN 'in' AS direction, type(r) AS type, count(r) AS count`,
    ].join(' UNION ALL '),
  }),

  /** Rows `id`. */
  ids: (dialect: Dialect, scope: LabelScope): NodePass => passOver(scan(scope), `RETURN ${nodeId(dialect)} AS id`),

  /** Rows `id` of the first few. */
  someIds: (dialect: Dialect, label: string, limit: number): Statement => ({
    text: `${scan({ label })} RETURN ${nodeId(dialect)} AS id LIMIT $limit`,
    parameters: { limit: BigInt(limit) },
  }),

  /**
   * Rows `id, had`. The labels are read once, and both ends are looked for in that one reading: two tests of their own
   * could see the source label before and the target label after another transaction's relabelling.
   */
  movable: (dialect: Dialect, { source, target, values }: GraphMove): NodePass =>
    passOver(
      `MATCH (n:${escapeLabel(source)})`,
      `WITH n, labels(n) AS labels WHERE $source IN labels ` +
        `RETURN ${nodeId(dialect)} AS id, $target IN labels AS had${values === undefined ? '' : `, ${held(values)}`}`,
      { source, target, ...(values === undefined ? {} : { from: values.from }) },
    ),

  /** Rows `id, had, held` of the nodes that hold the source's id in a property and do not carry its label. */
  bare: (dialect: Dialect, { source, target, values }: ValuedMove): NodePass =>
    passOver(
      `MATCH (n) WHERE ${anyValue(values, '$from')}`,
      `WITH n, labels(n) AS labels WHERE NOT $source IN labels ` +
        `RETURN ${nodeId(dialect)} AS id, $target IN labels AS had, ${held(values)}`,
      { source, target, from: values.from },
    ),

  /** One row `source, target`: how many nodes are either end's by a property alone. */
  bareCounts: ({ source, target, values }: ValuedMove): Statement => {
    const [from, to] = [anyValue(values, '$from'), anyValue(values, '$to')];
    return {
      text:
        `MATCH (n) WHERE (${from} OR ${to}) AND NOT n:${escapeLabel(source)} WITH n, ${from} AS ours ` +
        `WHERE ours OR NOT n:${escapeLabel(target)} ` +
        `RETURN sum(CASE WHEN ours THEN 1 ELSE 0 END) AS source, sum(CASE WHEN ours THEN 0 ELSE 1 END) AS target`,
      parameters: { from: values.from, to: values.to },
    };
  },

  /** Rows `id`, or `id, labels, properties`, of nodes that are either end's by a property alone. */
  bareNodes: (dialect: Dialect, { source, target, values }: ValuedMove): ContentPass => {
    const match =
      `MATCH (n) WHERE (${anyValue(values, '$from')} OR ${anyValue(values, '$to')}) ` +
      `AND NOT n:${escapeLabel(source)} AND NOT n:${escapeLabel(target)}`;
    const parameters = { from: values.from, to: values.to };
    return {
      ids: passOver(match, `RETURN ${nodeId(dialect)} AS id`, parameters),
      whole: { text: `${match} ${content(dialect)}`, parameters },
    };
  },

  /** One row `count`: relationships at the source's nodes that hold the id in one of the properties. */
  valuedRelationships: ({ source, values }: ValuedMove): Statement => ({
    text:
      `MATCH (n) WHERE n:${escapeLabel(source)} OR ${anyValue(values, '$from')} ` +
      `MATCH (n)-[r]-() WHERE ${anyValue(values, '$from', 'r')} RETURN count(DISTINCT r) AS count`,
    parameters: { from: values.from },
  }),

  /** Rows `i, count` of relationships of each type. From Neo4j's count store. */
  typeCounts: (types: readonly string[]): Statement => ({
    text: types
      .map((type, i) => `MATCH ()-[r:${escapeLabel(type)}]->() RETURN ${i} AS i, count(r) AS count`)
      .join(' UNION ALL '),
  }),

  /** One row `count`: relationships of the source's type neither end of which is the tenant's. */
  foreignTyped: ({ source, target, values }: GraphMove): Statement => {
    const ours = (node: string): string =>
      [
        `${node}:${escapeLabel(source)}`,
        `${node}:${escapeLabel(target)}`,
        ...(values === undefined ? [] : [anyValue(values, '$from', node), anyValue(values, '$to', node)]),
      ].join(' OR ');
    return {
      text: `MATCH (a)-[r:${escapeLabel(source)}]->(b) WHERE NOT (${ours('a')} OR ${ours('b')}) RETURN count(r) AS count`,
      ...(values === undefined ? {} : { parameters: { from: values.from, to: values.to } }),
    };
  },

  /** Rows `id, start, end, properties` of all relationships of a type. */
  typed: (dialect: Dialect, type: string): Statement => ({
    text:
      `MATCH (a)-[r:${escapeLabel(type)}]->(b) RETURN ${dialect.idFunction}(r) AS id, ${dialect.idFunction}(a) AS start, ` +
      `${dialect.idFunction}(b) AS end, properties(r) AS properties`,
  }),

  /** The same of those that leave the nodes `$ids`. */
  typedFrom: (dialect: Dialect, type: string): Statement => ({
    text:
      `UNWIND $ids AS i MATCH (a)-[r:${escapeLabel(type)}]->(b) WHERE ${dialect.idFunction}(a) = ` +
      `${dialect.idFunction === 'elementId' ? '$prefix + i' : 'i'} RETURN ${dialect.idFunction}(r) AS id, ` +
      `${dialect.idFunction}(a) AS start, ${dialect.idFunction}(b) AS end, properties(r) AS properties`,
  }),

  /** Rows `id`, or `id, labels, properties`. */
  nodes: (dialect: Dialect, scope: LabelScope): ContentPass => ({
    ids: reading.ids(dialect, scope),
    whole: { text: `${scan(scope)} ${content(dialect)}` },
  }),

  /** The same for `$ids`. */
  nodesById: (dialect: Dialect): Statement => ({
    text: `${byIds(dialect, '')} ${content(dialect)}`,
  }),

  /** How many of `$ids` have been moved: they carry the target and no longer the source. One row `count`. */
  moved: (dialect: Dialect, { source, target, values }: GraphMove): Statement => {
    const [from, to] = [escapeLabel(source), escapeLabel(target)];
    const guard =
      values === undefined
        ? ` AND n:${to} AND NOT n:${from}`
        : ` AND (n:${to} OR ${anyValue(values, '$to')}) AND NOT n:${from} AND NOT ${anyValue(values, '$from')}`;
    return {
      text: `${byIds(dialect, guard)} RETURN count(n) AS count`,
      ...(values === undefined ? {} : { parameters: { from: values.from, to: values.to } }),
    };
  },

  /** How many pairs of a source node and a target-only node will agree in all these properties. One row `count`. */
  clashes: ({ source, target, values }: GraphMove, properties: readonly string[]): Statement => {
    const [from, to] = [escapeLabel(source), escapeLabel(target)];
    return {
      text: `MATCH (a:${from}) MATCH (b:${to}) WHERE ${willAgree(properties, values)} AND NOT b:${from} RETURN count(*) AS count`,
      ...idsOf(properties, values),
    };
  },

  /**
   * How many nodes of a label will agree with another in all these properties, some of which get another value. One row
   * `count, value`: the latter one of theirs in the first property that keeps its value, null where none does.
   */
  valueClashes: (label: string, properties: readonly string[], values: Values): Statement => {
    const written = properties.filter((name) => values.names.includes(name));
    const kept = properties.find((name) => !values.names.includes(name));
    const changed = written.map((name) => `a.${escapeLabel(name)} = $from`).join(' OR ');
    return {
      text:
        `MATCH (a:${escapeLabel(label)}) WHERE ${changed} MATCH (b:${escapeLabel(label)}) ` +
        `WHERE ${willAgree(properties, values)} AND b <> a ` +
        `RETURN count(DISTINCT a) AS count, ${kept === undefined ? 'null' : `min(a.${escapeLabel(kept)})`} AS value`,
      ...idsOf(properties, values),
    };
  },

  /** How many nodes of a label lack one of these properties. One row `count`. */
  lacking: (label: string, properties: readonly string[]): Statement => ({
    text:
      `MATCH (n:${escapeLabel(label)}) WHERE ${properties.map((name) => `n.${escapeLabel(name)} IS NULL`).join(' OR ')} ` +
      `RETURN count(n) AS count`,
  }),

  /** How many values two or more nodes of a label share. One row `count`. */
  duplicates: (label: string, properties: readonly string[]): Statement => {
    const names = properties.map((name, i) => `n.${escapeLabel(name)} AS v${i}`).join(', ');
    const present = properties.map((_, i) => `v${i} IS NOT NULL`).join(' AND ');
    return {
      text:
        `MATCH (n:${escapeLabel(label)}) WITH ${names}, count(n) AS nodes ` +
        `WHERE nodes > 1 AND ${present} RETURN count(*) AS count`,
    };
  },
} as const;

/** That `a` and `b` have the same in each property once the ids are changed; nothing agrees where one has none. */
function willAgree(properties: readonly string[], values: Values | undefined): string {
  const written = properties.filter((name) => values?.names.includes(name));
  const after = (node: string, name: string) =>
    `CASE WHEN ${node}.${escapeLabel(name)} = $from THEN $to ELSE ${node}.${escapeLabel(name)} END`;
  return properties
    .map((name) =>
      written.includes(name)
        ? `${after('b', name)} = ${after('a', name)}`
        : `b.${escapeLabel(name)} = a.${escapeLabel(name)}`,
    )
    .join(' AND ');
}

function idsOf(properties: readonly string[], values: Values | undefined): Pick<Statement, 'parameters'> {
  if (values === undefined || !properties.some((name) => values.names.includes(name))) return {};
  return { parameters: { from: values.from, to: values.to } };
}

/** Statements that write; each is right to run again, since its guard leaves out what is done already. */
export const writing = {
  /** Takes `$ids` from source to target. One row `count`: the nodes that this run changed. */
  relabel: (dialect: Dialect, { source, target, values }: GraphMove): Statement => {
    const [from, to] = [escapeLabel(source), escapeLabel(target)];
    if (values !== undefined) {
      const each = (test: string, then: string): string =>
        `FOREACH (_ IN CASE WHEN ${test} THEN [1] ELSE [] END | ${then})`;
      const names = values.names.map(escapeLabel);
      return {
        text: [
          byIds(dialect, ` AND (n:${from} OR ${anyValue(values, '$from')})`),
          each(`n:${from}`, `SET n:${to} REMOVE n:${from}`),
          ...names.map((name) => each(`n.${name} = $from`, `SET n.${name} = $to`)),
          'RETURN count(n) AS count',
        ].join(' '),
        parameters: { from: values.from, to: values.to },
      };
    }
    return { text: `${byIds(dialect, ` AND n:${from}`)} SET n:${to} REMOVE n:${from} RETURN count(n) AS count` };
  },

  /** Gives `$ids` their source label back and takes the target label. A node that carries the source was never moved. */
  restore: (dialect: Dialect, { source, target }: Move): Statement => {
    const [from, to] = [escapeLabel(source), escapeLabel(target)];
    const guard = ` AND n:${to} AND NOT n:${from}`;
    return { text: `${byIds(dialect, guard)} SET n:${from} REMOVE n:${to} RETURN count(n) AS count` };
  },

  /** The same for nodes that carried both labels: they keep the target label. */
  restoreBoth: (dialect: Dialect, { source, target }: Move): Statement => {
    const [from, to] = [escapeLabel(source), escapeLabel(target)];
    return { text: `${byIds(dialect, ` AND n:${to} AND NOT n:${from}`)} SET n:${from} RETURN count(n) AS count` };
  },

  /** Gives one property its source value back where it has the target's. Rows `id` of those that it changed. */
  restoreValue: (dialect: Dialect, name: string, { from, to }: { from: string; to: string }): Statement => ({
    text: `${byIds(dialect, ` AND n.${escapeLabel(name)} = $to`)} SET n.${escapeLabel(name)} = $from RETURN ${nodeId(dialect)} AS id`,
    parameters: { from, to },
  }),

  /**
   * Makes each relationship of `$rows` again under another type, with its properties, and deletes the old one, all in one
   * transaction. Rows `old, id`. The start is named, since Memgraph finds relationships through their nodes. Where there
   * are no properties none are set: a Memgraph that keeps none of relationships would refuse that.
   */
  retype: (dialect: Dialect, { source, target }: Move): Statement => {
    const id = dialect.idFunction;
    return {
      text:
        `UNWIND $rows AS row MATCH (a)-[r:${escapeLabel(source)}]->(b) ` +
        `WHERE ${id}(r) = row.id AND ${id}(a) = row.start AND ${id}(b) = row.end ` +
        `CREATE (a)-[x:${escapeLabel(target)}]->(b) ` +
        `FOREACH (one IN CASE WHEN size(keys(r)) = 0 THEN [] ELSE [1] END | SET x = properties(r)) DELETE r ` +
        `RETURN row.id AS old, ${id}(x) AS id`,
    };
  },

  /**
   * Run and rolled back: what the move writes, at one node of the source. The right to set a label differs from label to
   * label (Memgraph asks for CREATE on the one that is set), and that to set a property too.
   */
  probes: ({ source, target, values }: GraphMove): readonly Statement[] => {
    const [from, to] = [escapeLabel(source), escapeLabel(target)];
    const same = (values?.names ?? []).map((name) => `n.${escapeLabel(name)} = n.${escapeLabel(name)}`).join(', ');
    const labels: Statement = { text: `MATCH (n:${from}) WITH n LIMIT 1 SET n:${to} REMOVE n:${from}` };
    if (values === undefined) return [labels];
    const text = `MATCH (n) WHERE ${anyValue(values, '$from')} WITH n LIMIT 1 SET ${same}`;
    return [labels, { text, parameters: { from: values.from } }];
  },
} as const;

/** Statements that find and end what a broken process left behind. */
export const leftover = {
  /** Neo4j; rows `id, name` of the connections that this user may see, named as the client calls itself. */
  connections: {
    text: 'CALL dbms.listConnections() YIELD connectionId, userAgent RETURN connectionId AS id, userAgent AS name',
  },
  killConnections: (ids: readonly string[]): Statement => ({
    text: 'CALL dbms.killConnections($ids) YIELD connectionId RETURN connectionId',
    parameters: { ids },
  }),
  /** Both servers; ids stand in the text, since Memgraph takes no parameters there. Ids of any other form are left out. */
  terminate: (ids: readonly string[]): Statement => ({
    text: `TERMINATE TRANSACTIONS ${ids
      .filter((id) => /^[\w.-]+$/.test(id))
      .map((id) => `"${id}"`)
      .join(', ')}`,
  }),
} as const;

/** Statements about the server itself; each runs alone, since Memgraph refuses them inside explicit transactions. */
export const server = {
  /** Memgraph 2.2 and later; a syntax error on Neo4j. */
  memgraphVersion: { text: 'SHOW VERSION' },
  /** Neo4j; `YIELD` keeps it legal wherever it is tried. */
  neo4jVersion: { text: 'CALL dbms.components() YIELD versions RETURN versions[0] AS version' },
  /** Also its memory, under names that differ from release to release: see `memgraphMemory`. */
  memgraphStorage: { text: 'SHOW STORAGE INFO' },
  /** Neo4j; how long a statement may last, such as `0s` or `10m`. */
  neo4jTimeLimit: { text: "SHOW SETTINGS 'db.transaction.timeout' YIELD value RETURN value" },
  /** Memgraph; rows `setting_name, setting_value`, for users with the privilege CONFIG. */
  memgraphSettings: { text: 'SHOW DATABASE SETTINGS' },
  /** Neo4j; for administrators. Of the heap with what is yet to be collected. */
  neo4jHeap: {
    text: "CALL dbms.queryJmx('java.lang:type=Memory') YIELD attributes RETURN attributes.HeapMemoryUsage.value.properties AS heap",
  },
  /** From Memgraph 3.11 on the storage mode stands here only. */
  memgraphDatabaseStorage: { text: 'SHOW STORAGE INFO ON CURRENT DATABASE' },
  /** An id and `metadata`: what runs now, as far as this user may see it; one's own always. */
  transactions: {
    neo4j: { text: 'SHOW TRANSACTIONS YIELD transactionId, status, metaData AS metadata' },
    memgraph: { text: 'SHOW TRANSACTIONS' },
  },
  memgraphRole: { text: 'SHOW REPLICATION ROLE' },
  /** Neo4j all editions, Memgraph Enterprise. The first column is the name. */
  databases: { neo4j: { text: 'SHOW DATABASES YIELD name' }, memgraph: { text: 'SHOW DATABASES' } },
  /** Memgraph; columns `trigger name` and `statement`. */
  triggers: { text: 'SHOW TRIGGERS' },
  /** Enterprise editions. */
  neo4jPrivileges: { text: 'SHOW PRIVILEGES AS COMMANDS YIELD command RETURN command' },
  memgraphRoles: { text: 'SHOW ROLES' },
  memgraphPrivileges: (role: string): Statement => ({ text: `SHOW PRIVILEGES FOR ${escapeLabel(role)}` }),
  labels: {
    neo4j: { text: 'CALL db.labels() YIELD label RETURN label' },
    /** Answers only where `--storage-enable-schema-metadata` is set. */
    memgraph: { text: 'SHOW NODE_LABELS INFO' },
  },
} as const;

/** What a move and its undo send for nodes and relationships, for people: `$…` stands for what travels beside the text. */
export function movingStatements(dialect: Dialect, move: GraphMove): readonly string[] {
  const { values, ...labels } = move;
  const back = { source: move.target, target: move.source };
  return [
    reading.movable(dialect, move).rows(),
    ...(values === undefined ? [] : [reading.bare(dialect, { ...labels, values }).rows()]),
    writing.relabel(dialect, move),
    reading.typed(dialect, move.source),
    writing.retype(dialect, move),
    writing.restore(dialect, move),
    writing.restoreBoth(dialect, move),
    ...(values?.names ?? []).map((name) =>
      writing.restoreValue(dialect, name, { from: values?.from ?? '', to: values?.to ?? '' }),
    ),
    writing.retype(dialect, back),
  ].map(({ text }) => text);
}

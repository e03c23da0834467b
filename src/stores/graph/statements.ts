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

  /** Rows `id`; all of them, or the first few. */
  ids: (dialect: Dialect, scope: LabelScope, limit?: number): Statement => {
    const text = `${scan(scope)} RETURN ${nodeId(dialect)} AS id`;
    return limit === undefined ? { text } : { text: `${text} LIMIT $limit`, parameters: { limit: BigInt(limit) } };
  },

  /**
   * Rows `id, had`. The labels are read once, and both ends are looked for in that one reading: two tests of their own
   * could see the source label before and the target label after another transaction's relabelling.
   */
  movable: (dialect: Dialect, { source, target }: Move): Statement => ({
    text:
      `MATCH (n:${escapeLabel(source)}) WITH n, labels(n) AS labels WHERE $source IN labels ` +
      `RETURN ${nodeId(dialect)} AS id, $target IN labels AS had`,
    parameters: { source, target },
  }),

  /** Rows `id, labels, properties`. */
  nodes: (dialect: Dialect, scope: LabelScope): Statement => ({
    text: `${scan(scope)} RETURN ${nodeId(dialect)} AS id, labels(n) AS labels, properties(n) AS properties`,
  }),

  /** The same for `$ids`. */
  nodesById: (dialect: Dialect): Statement => ({
    text: `${byIds(dialect, '')} RETURN ${nodeId(dialect)} AS id, labels(n) AS labels, properties(n) AS properties`,
  }),

  /** How many of `$ids` have been moved: they carry the target and no longer the source. One row `count`. */
  moved: (dialect: Dialect, { source, target }: Move): Statement => ({
    text: `${byIds(dialect, ` AND n:${escapeLabel(target)} AND NOT n:${escapeLabel(source)}`)} RETURN count(n) AS count`,
  }),

  /** How many pairs of a source node and a target-only node agree in all these properties. One row `count`. */
  clashes: ({ source, target }: Move, properties: readonly string[]): Statement => {
    const same = properties.map((name) => `b.${escapeLabel(name)} = a.${escapeLabel(name)}`).join(' AND ');
    const [from, to] = [escapeLabel(source), escapeLabel(target)];
    return { text: `MATCH (a:${from}) MATCH (b:${to}) WHERE ${same} AND NOT b:${from} RETURN count(*) AS count` };
  },

  /** How many values two or more source nodes share. One row `count`. */
  duplicates: ({ source }: Move, properties: readonly string[]): Statement => {
    const names = properties.map((name, i) => `n.${escapeLabel(name)} AS v${i}`).join(', ');
    const present = properties.map((_, i) => `v${i} IS NOT NULL`).join(' AND ');
    return {
      text:
        `MATCH (n:${escapeLabel(source)}) WITH ${names}, count(n) AS nodes ` +
        `WHERE nodes > 1 AND ${present} RETURN count(*) AS count`,
    };
  },
} as const;

/** Statements that write; each is right to run again, since its guard leaves out what is done already. */
export const writing = {
  /** Takes `$ids` from source to target. One row `count`: the nodes that this run changed. */
  relabel: (dialect: Dialect, { source, target }: Move): Statement => {
    const [from, to] = [escapeLabel(source), escapeLabel(target)];
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

  /** Run and rolled back: sets a label that is there already, so that it changes nothing even if it were committed. */
  probe: (label: string): Statement => ({
    text: `MATCH (n:${escapeLabel(label)}) WITH n LIMIT 1 SET n:${escapeLabel(label)}`,
  }),
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
  memgraphStorage: { text: 'SHOW STORAGE INFO' },
  /** From Memgraph 3.11 on the storage mode stands here only. */
  memgraphDatabaseStorage: { text: 'SHOW STORAGE INFO ON CURRENT DATABASE' },
  /** An id and `metadata`: what runs now, as far as this user may see it; one's own always. */
  transactions: {
    neo4j: { text: 'SHOW TRANSACTIONS YIELD transactionId, status, metaData AS metadata' },
    memgraph: { text: 'SHOW TRANSACTIONS' },
  },
  memgraphRole: { text: 'SHOW REPLICATION ROLE' },
  labels: {
    neo4j: { text: 'CALL db.labels() YIELD label RETURN label' },
    /** Answers only where `--storage-enable-schema-metadata` is set. */
    memgraph: { text: 'SHOW NODE_LABELS INFO' },
  },
  indexes: {
    neo4j: { text: 'SHOW INDEXES YIELD name, type, entityType, labelsOrTypes, properties' },
    memgraph: { text: 'SHOW INDEX INFO' },
  },
  constraints: {
    neo4j: { text: 'SHOW CONSTRAINTS YIELD name, type, entityType, labelsOrTypes, properties' },
    memgraph: { text: 'SHOW CONSTRAINT INFO' },
  },
} as const;

import { escapeLabel } from './label.ts';
import type { Statement } from './statements.ts';

/**
 * Statements that list, make and drop indexes and constraints. They take no parameters, and each runs alone: Memgraph
 * refuses them inside explicit transactions, Neo4j beside writes.
 */
export const schema = {
  indexes: {
    neo4j: { text: 'SHOW INDEXES YIELD *' },
    memgraph: { text: 'SHOW INDEX INFO' },
  },
  constraints: {
    neo4j: { text: 'SHOW CONSTRAINTS YIELD *' },
    memgraph: { text: 'SHOW CONSTRAINT INFO' },
  },
  /** Memgraph with vector indexes: how each was configured. */
  vectorIndexes: { text: 'SHOW VECTOR INDEX INFO' },
  /** Neo4j; ends when the index answers. */
  awaitIndex: (name: string): Statement => ({ text: 'CALL db.awaitIndex($name, 300)', parameters: { name } }),
  /** Neo4j: asks for the right to drop without dropping anything. */
  dropNothing: (kind: 'index' | 'constraint'): Statement => ({
    text: `DROP ${kind.toUpperCase()} tenant_migrate_no_such_name IF EXISTS`,
  }),
} as const;

/** What an index or constraint is made of, as Memgraph tells it. */
export interface MemgraphSchema {
  readonly kind: 'index' | 'constraint';
  readonly entity: 'node' | 'relationship';
  readonly type: string;
  readonly labels: readonly string[];
  readonly properties: readonly string[];
  /** Text and vector indexes. */
  readonly name?: string | undefined;
  /** Whether an index on several labels holds the nodes with any of them, or with all. */
  readonly set?: 'any' | 'all' | undefined;
  /** Type constraints: the word by which Memgraph lists it, such as `STRING` or `ZONED DATE TIME`. */
  readonly dataType?: string | undefined;
  readonly vector?: VectorConfig | undefined;
}

/** Memgraph's vector indexes. `resize_coefficient` is not told: the copy has the default. */
export interface VectorConfig {
  readonly dimension: number;
  readonly capacity: number;
  readonly metric: string;
  readonly scalarKind?: string | undefined;
}

/**
 * The labels of an index as Memgraph lists them: from 3.11 a vector index's stand as `:a`, `:a|b` (any of them), `:a&b` (all
 * of them) or `*` (whatever the labels, so that it is no label's own); before as `a`.
 */
export function listedLabels(cell: string): Pick<MemgraphSchema, 'labels' | 'set'> {
  if (cell === '*') return { labels: [] };
  if (!cell.startsWith(':')) return { labels: [cell] };
  const [any, all] = [cell.slice(1).split('|'), cell.slice(1).split('&')];
  if (any.length > 1) return { labels: any, set: 'any' };
  return all.length > 1 ? { labels: all, set: 'all' } : { labels: any };
}

/** The statements that make and drop it; undefined where the server tells too little to make it again. */
export function memgraphStatements(
  item: MemgraphSchema,
): { readonly create: string; readonly drop: string } | undefined {
  const [label, more] = item.labels;
  // Of sets of labels and paths into maps the listing does not say how they were written.
  if (label === undefined || more !== undefined || item.properties.some((name) => name.includes('.'))) return undefined;
  const text = item.kind === 'constraint' ? constraintText(item, label) : indexText(item, label);
  if (text === undefined) return undefined;
  return { create: `CREATE ${text.create}`, drop: `DROP ${text.drop}` };
}

interface Texts {
  readonly create: string;
  readonly drop: string;
}

/** How the grammar writes the types of properties, by the words with which Memgraph lists them (`TypeConstraintKind`). */
const GRAMMAR_TYPES: Readonly<Record<string, string>> = {
  STRING: 'STRING',
  BOOL: 'BOOLEAN',
  BOOLEAN: 'BOOLEAN',
  INTEGER: 'INTEGER',
  FLOAT: 'FLOAT',
  LIST: 'LIST',
  MAP: 'MAP',
  DURATION: 'DURATION',
  DATE: 'DATE',
  'LOCAL TIME': 'LOCALTIME',
  LOCALTIME: 'LOCALTIME',
  'LOCAL DATE TIME': 'LOCALDATETIME',
  LOCALDATETIME: 'LOCALDATETIME',
  'ZONED DATE TIME': 'ZONEDDATETIME',
  ZONEDDATETIME: 'ZONEDDATETIME',
  ENUM: 'ENUM',
  POINT: 'POINT',
};

const same = (text: string): Texts => ({ create: text, drop: text });

function constraintText({ type, properties, dataType }: MemgraphSchema, label: string): Texts | undefined {
  const members = properties.map((name) => `n.${escapeLabel(name)}`).join(', ');
  const on = `CONSTRAINT ON (n:${escapeLabel(label)}) ASSERT`;
  if (type === 'unique') return same(`${on} ${members} IS UNIQUE`);
  if (type === 'exists') return same(`${on} EXISTS (${members})`);
  const written = type === 'data_type' ? GRAMMAR_TYPES[dataType ?? ''] : undefined;
  return written === undefined ? undefined : same(`${on} ${members} IS TYPED ${written}`);
}

function indexText(item: MemgraphSchema, label: string): Texts | undefined {
  const { type, entity, properties, name } = item;
  const edge = entity === 'relationship' ? 'EDGE ' : '';
  const names = properties.map(escapeLabel).join(', ');
  const on = `ON :${escapeLabel(label)}`;
  if (type === 'label' || type === 'edge-type') return same(`${edge}INDEX ${on}`);
  if (type === 'label+property' || type === 'edge-type+property') return same(`${edge}INDEX ${on}(${names})`);
  if (type === 'point') return same(`POINT INDEX ${on}(${names})`);
  if (name === undefined) return undefined;
  const called = escapeLabel(name);
  if (type === 'text') {
    const some = properties.length === 0 ? '' : `(${names})`;
    return { create: `TEXT ${edge}INDEX ${called} ${on}${some}`, drop: `TEXT INDEX ${called}` };
  }
  if (type === 'vector' && item.vector !== undefined) {
    const config = vectorText(item.vector);
    return { create: `VECTOR ${edge}INDEX ${called} ${on}(${names}) ${config}`, drop: `VECTOR INDEX ${called}` };
  }
  return undefined;
}

function vectorText({ dimension, capacity, metric, scalarKind }: VectorConfig): string {
  const members = [`"dimension": ${dimension}`, `"capacity": ${capacity}`, `"metric": "${metric}"`];
  if (scalarKind !== undefined) members.push(`"scalar_kind": "${scalarKind}"`);
  return `WITH CONFIG {${members.join(', ')}}`;
}

const QUOTED = '`(?:[^`]|``)*`';
const LABELS = `(?:[:|]${QUOTED})+`;
const CREATE = new RegExp(
  `^(CREATE (?:[A-Z]+ )*(?:INDEX|CONSTRAINT)) ${QUOTED} FOR (\\(\\w+|\\(\\)-\\[\\w+)(${LABELS})((?:\\]-\\()?\\) .*)$`,
  's',
);

/**
 * Neo4j's own statement for an index or constraint, for another label or relationship type: all else stays as it is, so
 * that no option is lost. Without a name the server makes one. Undefined where it is not written as Neo4j writes it.
 */
export function neo4jCopy(
  create: string,
  { name, source, target }: { readonly name: string | undefined; readonly source: string; readonly target: string },
): string | undefined {
  const parts = CREATE.exec(create);
  if (parts === null) return undefined;
  const [, head = '', open = '', labels = '', rest = ''] = parts;
  const from = escapeLabel(source);
  const to = escapeLabel(target);
  const renamed = labels.replaceAll(new RegExp(QUOTED, 'g'), (label) => (label === from ? to : label));
  const called = name === undefined ? '' : `${escapeLabel(name)} `;
  return `${head} ${called}IF NOT EXISTS FOR ${open}${renamed}${rest}`;
}

/** The same statement, to be run again without an error where the index is there. */
export function neo4jIfAbsent(create: string): string {
  return create.replace(
    new RegExp(`^(CREATE (?:[A-Z]+ )*(?:INDEX|CONSTRAINT) ${QUOTED}) (?=FOR )`),
    '$1 IF NOT EXISTS ',
  );
}

/** Neo4j's statement that drops it. */
export function neo4jDrop({ kind, name }: { readonly kind: 'index' | 'constraint'; readonly name: string }): string {
  return `DROP ${kind.toUpperCase()} ${escapeLabel(name)} IF EXISTS`;
}

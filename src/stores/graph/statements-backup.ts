import { escapeLabel } from './label.ts';
import type { Dialect, Statement } from './statements.ts';

/** The property that a restore sets on what it makes, and takes away at its end: so it can be continued after a stop. */
export const RESTORE_MARK = 'tenant_migrate_restore';

const id = (dialect: Dialect, variable: string): string => `${dialect.idFunction}(${variable})`;

const byIds = (dialect: Dialect): string =>
  `UNWIND $ids AS i MATCH (n) WHERE ${id(dialect, 'n')} = ${dialect.idFunction === 'elementId' ? '$prefix + i' : 'i'}`;

/** Statements of backups and restores. */
export const backupStatements = {
  /**
   * Rows `id, type, properties, start, end, outside, otherLabels, otherProperties`: each relationship once. Of all nodes
   * of the label, or of those of `$ids`.
   */
  relationships: (dialect: Dialect, label: string, ofIds = false): readonly Statement[] => {
    const own = `(n:${escapeLabel(label)})`;
    const nodes = ofIds ? `${byIds(dialect)} ` : '';
    const parts = (start: string, end: string) =>
      `${id(dialect, 'r')} AS id, type(r) AS type, properties(r) AS properties, ` +
      `${id(dialect, start)} AS start, ${id(dialect, end)} AS end`;
    const parameters = { label };
    return [
      {
        text:
          `${nodes}MATCH ${own}-[r]->(m) WITH n, r, m, NOT $label IN labels(m) AS leaves RETURN ${parts('n', 'm')}, ` +
          `CASE WHEN leaves THEN 'end' ELSE null END AS outside, ` +
          `CASE WHEN leaves THEN labels(m) ELSE null END AS otherLabels, ` +
          `CASE WHEN leaves THEN properties(m) ELSE null END AS otherProperties`,
        parameters,
      },
      {
        text:
          `${nodes}MATCH ${own}<-[r]-(m) WHERE NOT $label IN labels(m) RETURN ${parts('m', 'n')}, ` +
          `'start' AS outside, labels(m) AS otherLabels, properties(m) AS otherProperties`,
        parameters,
      },
    ];
  },

  /** Rows `mark, id`. The mark stands among the properties. */
  createNodes: (dialect: Dialect, labels: readonly string[], rows: readonly Record<string, unknown>[]): Statement => ({
    text:
      `UNWIND $rows AS row CREATE (n${labels.map((label) => `:${escapeLabel(label)}`).join('')}) SET n = row ` +
      `RETURN n.${RESTORE_MARK} AS mark, ${id(dialect, 'n')} AS id`,
    parameters: { rows },
  }),

  /** Rows `mark, id` of those that exist. */
  marked: (dialect: Dialect, label: string, marks: readonly string[]): Statement => ({
    text:
      `MATCH (n:${escapeLabel(label)}) WHERE n.${RESTORE_MARK} IN $marks ` +
      `RETURN n.${RESTORE_MARK} AS mark, ${id(dialect, 'n')} AS id`,
    parameters: { marks },
  }),

  /** By the mark, so that a second try adds nothing. */
  createRelationships: (dialect: Dialect, type: string, rows: readonly Record<string, unknown>[]): Statement => ({
    text:
      `UNWIND $rows AS row MATCH (a) WHERE ${id(dialect, 'a')} = row.start MATCH (b) WHERE ${id(dialect, 'b')} = row.end ` +
      `MERGE (a)-[r:${escapeLabel(type)} {${RESTORE_MARK}: row.mark}]->(b) ON CREATE SET r += row.properties`,
    parameters: { rows },
  }),

  unmark: {
    nodes: (dialect: Dialect): Statement => ({ text: `${byIds(dialect)} REMOVE n.${RESTORE_MARK}` }),
    relationships: (dialect: Dialect): Statement => ({
      text: `${byIds(dialect)} MATCH (n)-[r]-() WHERE r.${RESTORE_MARK} IS NOT NULL REMOVE r.${RESTORE_MARK}`,
    }),
  },
} as const;

import { randomBytes } from 'node:crypto';
import neo4j from 'neo4j-driver';
import type { GraphSettings } from '../../src/stores/graph/connection.ts';
import { escapeLabel } from '../../src/stores/graph/label.ts';

/** A plain connection for arranging and looking, beside the store under test. */
export interface RawGraph {
  run(text: string, parameters?: Record<string, unknown>): Promise<Record<string, unknown>[]>;
  /** Codes of the warnings that the server has about a statement. */
  warnings(text: string): Promise<readonly string[]>;
  /** Every node that carries one of the labels, with all that hangs on it, as one text a node. */
  picture(labels: readonly string[]): Promise<readonly string[]>;
  /** Nodes of a label in one chain of relationships: `n` nodes, `n - 1` relationships. */
  plant(label: string, n: number, extra?: { labels?: readonly string[] }): Promise<void>;
  count(label: string): Promise<number>;
  /** Removes the nodes of these labels, and indexes and constraints on them. */
  clear(labels: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** A label that no other test uses. */
export const freshLabel = (name: string): string => `${name}_${randomBytes(4).toString('hex')}`;

/** Where the shared server is and who signs in; both names empty where it asks for none. */
export interface GraphAccess {
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
}

/** Settings for a store under test, with small time limits. */
export const graphSettings = (access: GraphAccess, more: Partial<GraphSettings> = {}): GraphSettings => ({
  ...access,
  connectTimeoutMs: 3_000,
  ...more,
});

export function rawGraph({ url, username = '', password = '' }: GraphAccess): RawGraph {
  const driver = neo4j.driver(url, neo4j.auth.basic(username, password), { useBigInt: true });

  const run: RawGraph['run'] = async (text, parameters) => {
    const { records } = await driver.executeQuery(text, parameters);
    return records.map((record) => record.toObject());
  };

  return {
    run,
    close: () => driver.close(),

    async warnings(text) {
      const { summary } = await driver.executeQuery(text);
      return summary.notifications.map(({ code }) => code);
    },

    async picture(labels) {
      const rows = await run(
        `MATCH (n) WHERE any(label IN labels(n) WHERE label IN $labels)
         OPTIONAL MATCH (n)-[r]->(m)
         WITH n, collect([elementId(r), type(r), properties(r), elementId(m)]) AS leaving
         RETURN elementId(n) AS id, labels(n) AS labels, properties(n) AS properties, leaving`,
        { labels },
      );
      return rows
        .map(({ id, labels: own, properties, leaving }) =>
          text([id, [...(own as string[])].sort(), properties, (leaving as unknown[]).map(text).sort()]),
        )
        .sort();
    },

    async plant(label, n, extra) {
      const all = [label, ...(extra?.labels ?? [])].map((each) => `:${escapeLabel(each)}`).join('');
      await run(
        `UNWIND range(1, $n) AS i
         CREATE (x${all} {entity_id: 'e' + i, rank: i, score: i / 7.0, tags: ['a', 'b' + i]})`,
        { n: neo4j.int(n) },
      );
      await run(
        `MATCH (x:${escapeLabel(label)}) WITH x ORDER BY x.rank WITH collect(x) AS nodes
         UNWIND range(0, size(nodes) - 2) AS i
         WITH nodes[i] AS from, nodes[i + 1] AS to, i CREATE (from)-[:DIRECTED {weight: i}]->(to)`,
      );
    },

    async count(label) {
      const [row] = await run(`MATCH (n:${escapeLabel(label)}) RETURN count(n) AS count`);
      return Number(row?.count);
    },

    async clear(labels) {
      for (const label of labels) await run(`MATCH (n:${escapeLabel(label)}) DETACH DELETE n`);
      for (const [kind, plural] of [
        ['CONSTRAINT', 'CONSTRAINTS'],
        ['INDEX', 'INDEXES'],
      ]) {
        const schema = await run(`SHOW ${plural} YIELD name, labelsOrTypes`);
        for (const { name, labelsOrTypes } of schema) {
          if (!(labelsOrTypes as string[] | null)?.some((label) => labels.includes(label))) continue;
          await run(`DROP ${kind} ${escapeLabel(String(name))} IF EXISTS`);
        }
      }
    },
  };
}

function text(value: unknown): string {
  return JSON.stringify(value, (_, member) => (typeof member === 'bigint' ? `${member}n` : member));
}

import { type Move, moveText } from '../../model/move.ts';
import type { GraphReader } from '../../stores/graph/graph-store.ts';
import type { SchemaItem } from '../../stores/graph/server-facts.ts';
import type { Finding } from '../stage.ts';

/** Look-alikes that are counted; of more, only the number is told. */
const COUNTED = 20;

/** What the operator should know about indexes and constraints of both ends. */
export function schemaNotices(move: Move, found: number, schema: readonly SchemaItem[]): readonly Finding[] {
  if (found === 0) return [];
  const left = schema.filter(({ labels }) => labels.includes(move.source));
  const strict = schema.filter(({ kind, labels }) => kind === 'constraint' && labels.includes(move.target));
  return [
    ...listed('indexes-not-recreated', left, {
      where: move.source,
      message: `${left.length} indexes and constraints on the source label are not re-created for the target label`,
      fix: `create them for the label ${JSON.stringify(move.target)}, then drop the old ones`,
    }),
    ...listed('target-constraints', strict, {
      where: move.target,
      message: `${strict.length} constraints on the target label apply to every node that is moved`,
    }),
  ];
}

function listed(
  kind: string,
  items: readonly SchemaItem[],
  text: { where: string; message: string; fix?: string },
): readonly Finding[] {
  if (items.length === 0) return [];
  const samples = items.map(({ name }) => name).sort();
  return [{ stage: 'graph', kind, severity: 'notice', ...text, count: items.length, samples }];
}

/** Labels that hold a source id, or differ from it in case only: other tenants, which are left alone. */
export async function lookAlikes(moves: readonly Move[], store: GraphReader): Promise<readonly Finding[]> {
  const labels = await store.labels();
  if (labels === undefined) return [];
  const ends = new Set(moves.flatMap(({ source, target }) => [source, target]));
  const findings: Finding[] = [];
  for (const move of moves) {
    const like = labels.filter((label) => !ends.has(label) && looksLike(label, move.source)).sort();
    const counted = like.slice(0, COUNTED);
    const counts = await store.counts(counted.map((label) => [label]));
    const samples = counted.flatMap((label, i) => ((counts[i] ?? 0) > 0 ? [`${label}: ${counts[i]} nodes`] : []));
    if (samples.length === 0) continue;
    const count = samples.length + like.length - counted.length;
    const message = `${count} other labels hold the id ${JSON.stringify(move.source)} in their names and are left alone`;
    findings.push({
      stage: 'graph',
      kind: 'look-alike',
      severity: 'notice',
      message,
      where: moveText(move),
      count,
      samples,
    });
  }
  return findings;
}

const looksLike = (label: string, id: string): boolean => label.toLowerCase().includes(id.toLowerCase());

import { MigrateError } from '../../model/errors.ts';

/**
 * A label as Cypher text: in backticks, inner backticks doubled, which is right for Neo4j and Memgraph alike.
 * Throws `refused` on a name that cannot be written safely: Neo4j decodes `\uXXXX` even inside backticks, so that
 * `\u0060` would end the name early, and NUL and the empty name are legal in neither.
 */
export function escapeLabel(label: string): string {
  const problem = labelProblem(label);
  if (problem !== undefined) {
    throw new MigrateError('refused', `the id ${JSON.stringify(label)} ${problem} and cannot be a graph label`);
  }
  return `\`${label.replaceAll('`', '``')}\``;
}

/** Says why a name cannot be a label, or undefined where it can. */
export function labelProblem(label: string): string | undefined {
  if (label === '') return 'is empty';
  if (label.includes('\\')) return 'holds a backslash';
  if (label.includes('\0')) return 'holds a NUL character';
  return undefined;
}

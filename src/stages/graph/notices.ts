import { grouped } from '../../model/grouped.ts';
import { type Move, moveText } from '../../model/move.ts';
import type { GraphReader, SampledNode, Surroundings } from '../../stores/graph/graph-store.ts';
import type { GraphMove } from '../../stores/graph/statements.ts';
import type { Finding } from '../stage.ts';

/** Look-alikes that are counted; of more, only the number is told. */
const COUNTED = 20;

/** Properties of the tenant's nodes that hold its id and are not moved. */
export async function propertyNotices(
  { move, ids, sample }: { readonly move: GraphMove; readonly ids: Move; readonly sample: readonly SampledNode[] },
  store: GraphReader,
): Promise<readonly Finding[]> {
  const where = moveText(ids);
  const held = new Set(sample.flatMap(({ holds }) => holds).filter((name) => !move.values?.names.includes(name)));
  const names = [...held].sort();
  const notices: Finding[] = [];
  if (names.length > 0) {
    notices.push({
      ...{
        stage: 'graph',
        kind: 'property-holds-tenant',
        severity: 'notice',
        where,
        count: names.length,
        samples: names,
      },
      message: `in ${names.join(', ')} nodes of the sample hold the id ${JSON.stringify(ids.source)}, and keep it`,
      fix: names.map((name) => `--graph-property ${name}`).join(' '),
    });
  }
  const lists = [...new Set(sample.flatMap(({ holdsInList }) => holdsInList))].sort();
  if (lists.length > 0) {
    notices.push({
      ...{ stage: 'graph', kind: 'list-holds-tenant', severity: 'notice', where, count: lists.length, samples: lists },
      message: `lists in ${lists.join(', ')} of nodes of the sample hold the id ${JSON.stringify(ids.source)}, and keep it`,
      fix: 'change them by Cypher of your own',
    });
  }
  const relationships = await store.valuedRelationships(move);
  if (relationships > 0) {
    notices.push({
      ...{ stage: 'graph', kind: 'relationship-property', severity: 'notice', where, count: relationships },
      message: `${grouped(relationships)} relationships of the tenant’s nodes hold the id in ${move.values?.names.join(' or ')}, and keep it`,
      fix: 'change them by Cypher of your own',
    });
  }
  return notices;
}

/** What else on the server names the source, and is not changed by a move. `labels` are those of `moves`. */
export function surroundingNotices(
  moves: readonly Move[],
  labels: readonly Move[],
  { databases, triggers, privileges }: Surroundings,
): readonly Finding[] {
  return moves.flatMap((move, i) => {
    const label = labels[i]?.source ?? move.source;
    const named = (text: string): boolean => holdsWord(text, label);
    return [
      ...others(
        move,
        'tenant-database',
        (databases ?? []).filter((name) => sameName(name, move.source)),
        {
          message: 'the server has a database named after the tenant, which a move of labels leaves alone',
          fix: 'move it as a database: an alias (Neo4j Enterprise), or a dump that is loaded under the new name',
        },
      ),
      ...others(
        move,
        'trigger',
        (triggers ?? []).filter(({ statement }) => named(statement)).map(({ name }) => name),
        {
          message: 'triggers name the source label, and go on doing so',
          fix: 'make them again for the target label (SHOW TRIGGERS)',
        },
      ),
      ...others(move, 'privilege', (privileges ?? []).filter(named), {
        message: 'privileges name the source label, and do not hold for the target’s',
        fix: 'grant the same for the target label, then revoke these',
      }),
    ];
  });
}

function others(
  move: Move,
  kind: string,
  samples: readonly string[],
  text: { readonly message: string; readonly fix: string },
): readonly Finding[] {
  if (samples.length === 0) return [];
  const message = `${samples.length}: ${text.message}`;
  return [
    {
      stage: 'graph',
      kind,
      severity: 'notice',
      ...text,
      message,
      where: moveText(move),
      count: samples.length,
      samples,
    },
  ];
}

/** Neo4j keeps the names of databases in lower case. */
const sameName = (name: string, id: string): boolean => name.toLowerCase() === id.toLowerCase();

/** Whether the label stands in a statement, not as a part of a longer name. */
function holdsWord(text: string, label: string): boolean {
  for (let at = text.indexOf(label); at !== -1; at = text.indexOf(label, at + 1)) {
    const around = [text.slice(0, at).at(-1) ?? '', text.slice(at + label.length).at(0) ?? ''];
    if (!around.some((character) => /[\p{L}\p{N}_]/u.test(character))) return true;
  }
  return false;
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
    const samples = counted.flatMap((label, i) =>
      (counts[i] ?? 0) > 0 ? [`${label}: ${grouped(counts[i] ?? 0)} nodes`] : [],
    );
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

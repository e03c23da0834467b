import type { QdrantReader } from '../../../stores/qdrant/qdrant-reader.ts';
import type { Finding, PlanContext, Problem } from '../../stage.ts';
import { type NamesOfMove, nameProblem } from './names.ts';
import type { World } from './plan-named.ts';

const NAMED = 10;

/** Names that no template claims, and look-alikes. */
export function otherNames(collections: NamesOfMove, aliases: NamesOfMove): readonly Finding[] {
  const { source } = collections.move;
  const unclaimed = [...collections.unclaimed, ...aliases.unclaimed];
  const lookAlikes = [...collections.lookAlikes, ...aliases.lookAlikes];
  const flags = [...new Set(unclaimed.map(({ template }) => `--collection-template '${template}'`))];
  const names = unclaimed.map(({ name }) => name);
  return [
    ...(unclaimed.length === 0
      ? []
      : [
          finding('unclaimed', names, {
            message: `collections or aliases that hold "${source}" in their name and that no template claims: ${listed(names)}`,
            fix: `they are left alone; if they belong to the tenant as a whole, add ${flags.slice(0, NAMED).join(' ')}`,
          }),
        ]),
    ...(lookAlikes.length === 0
      ? []
      : [
          finding('look-alike', lookAlikes, {
            message: `collections or aliases whose name looks like "${source}" are left alone: ${listed(lookAlikes)}`,
          }),
        ]),
  ];
}

function finding(
  kind: string,
  names: readonly string[],
  text: { readonly message: string; readonly fix?: string },
): Finding {
  return { stage: 'qdrant', kind, severity: 'notice', ...text, count: names.length, samples: names.slice(0, NAMED) };
}

/** With `--fail-on-unclaimed`. */
export function unclaimedProblem(
  unclaimed: NamesOfMove['unclaimed'],
  { options }: PlanContext<QdrantReader>,
): readonly Problem[] {
  if (!options.failOnUnclaimed || unclaimed.length === 0) return [];
  const message = `${unclaimed.length} collections or aliases hold the id in their name and are claimed by no template (--fail-on-unclaimed)`;
  return [
    problem('unclaimed', message, `add --collection-template '${unclaimed[0]?.template}', or leave the flag out`),
  ];
}

export function difficultNames(names: readonly string[]): readonly Problem[] {
  return names.map((name) =>
    problem(
      'conflict',
      `two templates would give ${name} different new names`,
      'give only one of these --collection-template',
    ),
  );
}

export function nameProblems(to: string): readonly Problem[] {
  const why = nameProblem(to);
  if (why === undefined) return [];
  return [
    problem('collection-name', `Qdrant takes no collection or alias named ${to}: it ${why}`, 'give another target id'),
  ];
}

/** The new name stands for something else already. `standsFor`: the collections for which it may. */
export function aliasTaken(
  { from, to, standsFor }: { readonly from: string; readonly to: string; readonly standsFor: readonly string[] },
  { facts, aliases }: World,
): readonly Problem[] {
  const taken = aliases.find(({ alias }) => alias === to)?.collection;
  if (taken !== undefined && !standsFor.includes(taken)) {
    const message = `${to}, the new name of ${from}, is an alias of collection ${taken}`;
    return [problem('conflict', message, `remove that alias if it is not needed, or give another target id`)];
  }
  if (facts.has(to) && standsFor.length > 0) {
    const message = `${to}, which shall be an alias, is a collection`;
    return [problem('conflict', message, `delete that collection if it is not needed, or give another target id`)];
  }
  return [];
}

export function problem(code: string, message: string, fix: string): Problem {
  return { stage: 'qdrant', code, message, fix };
}

function listed(names: readonly string[]): string {
  return `${names.slice(0, NAMED).join(', ')}${names.length > NAMED ? ', …' : ''}`;
}

import { distance } from 'fastest-levenshtein';
import type { BoundStage, CommonContext } from './bound-stage.ts';

const MOST_NAMED = 3;

/** The tenant ids that the stores can cheaply name. */
export async function knownIds(stages: readonly BoundStage[], common: CommonContext): Promise<ReadonlySet<string>> {
  const known = new Set<string>();
  for (const found of await Promise.allSettled(stages.map((stage) => stage.tenants(common)))) {
    // A store that cannot tell leaves the hint shorter; its own problems are reported elsewhere.
    if (found.status === 'fulfilled') for (const tenant of found.value) known.add(tenant);
  }
  return known;
}

/** Up to three of the known ids that are close to `id`, closest first. */
export function nearestIds(id: string, known: ReadonlySet<string>): readonly string[] {
  return (
    [...known]
      .map((tenant) => ({ tenant, steps: distance(tenant.toLowerCase(), id.toLowerCase()) }))
      // A graph keeps the names of labels that no node carries any more.
      .filter(({ tenant }) => tenant !== id)
      .filter(({ tenant, steps }) => steps <= Math.max(2, Math.ceil(id.length / 2)) || tenant.includes(id))
      .sort((a, b) => a.steps - b.steps || (a.tenant < b.tenant ? -1 : 1))
      .slice(0, MOST_NAMED)
      .map(({ tenant }) => tenant)
  );
}

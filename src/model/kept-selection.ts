import type { Json } from './json.ts';

const SKIPS = ['skip-config', 'skip-redis', 'skip-qdrant', 'skip-memgraph', 'skip-graph'];

type Recorded = Readonly<Record<string, Json>>;

/**
 * The stages that the record of a continued run selects: those from before, and those that are taken in now. A stage that
 * is left out this once stays one of the run's, so that the next resume comes back to it.
 */
export function keptSelection(before: Recorded, now: Recorded): Recorded {
  const skips = SKIPS.map((name) => [name, before[name] === true && now[name] === true] as const);
  return { ...Object.fromEntries(skips), only: either(listOf(before.only), listOf(now.only)) };
}

/** An empty list is all stages. */
function either(before: readonly Json[], now: readonly Json[]): Json {
  return before.length === 0 || now.length === 0 ? [] : [...new Set([...before, ...now])];
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

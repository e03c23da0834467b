import type { Move } from '../../model/move.ts';
import type { Profile } from '../../profiles/profile.ts';
import type { GraphMove } from '../../stores/graph/statements.ts';

const PLACE = '{tenant}';

type GraphShape = Pick<Profile, 'graphLabel' | 'graphProperties'>;

/** A move of ids as the graph knows it: of labels, and of the ids in the profile's properties. */
export function graphMoveOf({ source, target }: Move, profile: GraphShape): GraphMove {
  const names = profile.graphProperties ?? [];
  return {
    source: labelOf(source, profile),
    target: labelOf(target, profile),
    ...(names.length === 0 ? {} : { values: { names, from: source, to: target } }),
  };
}

/** A tenant's label. */
export function labelOf(tenant: string, { graphLabel = PLACE }: GraphShape): string {
  return graphLabel.replaceAll(PLACE, () => tenant);
}

/** The tenant whose label it is; undefined where it is nobody's. */
export function tenantOf(label: string, { graphLabel = PLACE }: GraphShape): string | undefined {
  const [before = '', after = ''] = graphLabel.split(PLACE);
  const isOurs = label.length > before.length + after.length && label.startsWith(before) && label.endsWith(after);
  return isOurs ? label.slice(before.length, label.length - after.length) : undefined;
}

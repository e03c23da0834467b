import { nameOf, parseNameTemplate } from '../../../model/name-template.ts';
import { payloadPath } from '../../../model/payload-path.ts';
import type { Profile } from '../../../profiles/profile.ts';
import type { CollectionFacts } from '../../../stores/qdrant/collection-facts.ts';
import type { CollectionPlan } from '../qdrant-plan.ts';
import type { NewIds } from './new-ids.ts';

/** A move in one collection and one form of the id. */
export type PlaceOfIds = Pick<CollectionPlan, 'move' | 'number' | 'arrays'> & { readonly facts: CollectionFacts };

/**
 * New ids where a point can get one: the tenant stands as a text of its own at the top of the payload. Elsewhere points
 * keep their ids, and the plan says so. In shards that the application named a new point stands where its old one does.
 */
export function newIdsFor(newIds: NewIds | undefined, place: PlaceOfIds, profile: Profile): NewIds | undefined {
  const isPlain = place.number !== true && place.arrays === undefined && payloadPath(profile.qdrantField)?.length === 1;
  return isPlain && !isCopiedWhole(place, profile) ? newIds : undefined;
}

/** Such a collection is copied point by point under the ids that its points have. */
export function isCopiedWhole({ facts, move }: Pick<PlaceOfIds, 'facts' | 'move'>, profile: Profile): boolean {
  if (profile.collectionMode !== 'copy') return false;
  return profile.collectionTemplates.some((text) => nameOf(parseNameTemplate(text), move.source) === facts.name);
}

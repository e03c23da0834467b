import type { GraphReader } from '../../stores/graph/graph-store.ts';
import { nodeDigest, type RelationshipRecord } from './backup.ts';

/**
 * Of the ends outside the tenant those that stand in this store as the backup saw them. A server gives the id of a deleted
 * node to the next one, so an id alone proves nothing: the content must be the same.
 */
export async function outsideNodes(
  store: GraphReader,
  relationships: readonly RelationshipRecord[],
): Promise<ReadonlySet<string>> {
  const wanted = new Map<string, string>();
  for (const { outside, start, end } of relationships) {
    if (outside !== undefined) wanted.set(outside.end === 'start' ? start : end, outside.digest);
  }
  const known = await store.nodesById([...wanted.keys()].filter(isOwnForm(store)));
  return new Set(known.filter((node) => wanted.get(node.id) === nodeDigest(node)).map(({ id }) => id));
}

/** Ids of the other kind of server cannot even be asked for. */
function isOwnForm({ server }: GraphReader): (id: string) => boolean {
  const integers = server.dialect.idFunction === 'id';
  return (id) => /^\d+$/.test(id) === integers;
}

import type { Move } from '../../../model/move.ts';
import { type PointText, shardKeyOf } from '../../../model/point-text.ts';
import { rawMembers, withRawMember } from '../../../model/raw-json.ts';
import type { CollectionFacts } from '../../../stores/qdrant/collection-facts.ts';
import type { FieldMatch, QdrantReader, ShardKey } from '../../../stores/qdrant/qdrant-reader.ts';
import { AS_NUMBER, AS_TEXT, couldBeNumber, matchOf, mayFilter } from '../field-forms.ts';
import { ifThere } from '../survey.ts';

/** A shard named after a source, whose points get a shard named after the target. */
export interface ShardCopy {
  readonly move: Move;
  readonly collection: string;
  readonly from: ShardKey;
  readonly to: ShardKey;
  /** Points in it. */
  readonly points: number;
  /** Those of them that hold the target already: only their shard is still the source's. */
  readonly late: number;
}

export type ShardPlace = Pick<ShardCopy, 'collection' | 'from' | 'to'>;

/**
 * The store without the copies, where the shards that they came from still stand: so the rest of a move finds every
 * point once. Once a source's shard is gone, the copy is all there is and is seen.
 */
export async function besideCopies<S extends QdrantReader>(copies: readonly ShardPlace[], store: S): Promise<S> {
  const scopes = new Map<string, readonly ShardKey[]>();
  for (const collection of new Set(copies.map((copy) => copy.collection))) {
    const facts = await ifThere(() => store.collection(collection));
    const seen = facts === undefined ? undefined : withoutCopies(facts, copies);
    if (seen !== undefined) scopes.set(collection, seen);
  }
  return scopes.size === 0 ? store : (store.within(scopes) as S);
}

/** The shards of a collection that are no copies of others; undefined where all are. */
export function withoutCopies(
  { name, shardKeys }: CollectionFacts,
  copies: readonly ShardPlace[],
): readonly ShardKey[] | undefined {
  const out = copies
    .filter(({ collection, from, to }) => collection === name && shardKeys.includes(from) && shardKeys.includes(to))
    .map(({ to }) => to);
  return out.length === 0 ? undefined : shardKeys.filter((key) => !out.includes(key));
}

/** What asks for the points of a tenant, in every form of its id that the server lets anybody filter by. */
export function matchesOf(facts: CollectionFacts, field: string, tenant: string): readonly FieldMatch[] {
  const forms = couldBeNumber(tenant) ? [AS_TEXT, AS_NUMBER] : [AS_TEXT];
  return forms
    .filter((form) => mayFilter(facts, field, { ...form, value: tenant }))
    .map((form) => matchOf(field, tenant, form));
}

/** The same point in another shard. */
export function placedIn(point: PointText, key: ShardKey): PointText {
  const token = JSON.stringify(key);
  if (rawMembers(point).has('shard_key')) return withRawMember(point, 'shard_key', token);
  return `${point.slice(0, point.lastIndexOf('}'))},"shard_key":${token}}`;
}

/** A point of which nothing is known but where it stands. */
export function placeText(id: string, key: ShardKey): PointText {
  return `{"id":${id},"shard_key":${JSON.stringify(key)}}`;
}

/** Where a point stands, for deleting it. */
export function placeOf(point: PointText): { readonly id: string; readonly shardKey: string | undefined } {
  return { id: rawMembers(point).get('id') ?? 'null', shardKey: shardKeyOf(point) };
}

import { QdrantError } from './qdrant-error.ts';

/** What a JSON web token lets its bearer do with one collection, as its claim `access` lists it. */
export interface CollectionAccess {
  readonly collection: string;
  readonly access: 'r' | 'rw';
}

/** Refuses a request that the token does not cover, in the words of 1.17.1 (lib/storage/src/rbac). */
export function checkAccess(
  claims: readonly CollectionAccess[],
  { pathname, isWrite }: { readonly pathname: string; readonly isWrite: boolean },
): void {
  const [root, name, part] = pathname.slice(1).split('/').map(decodeURIComponent);
  if (root !== 'collections' || name === undefined) return;
  // Making, changing and deleting a collection, its aliases and its shard keys is for all or nobody.
  if (isWrite && (part === undefined || part === 'aliases' || part === 'shards' || name === 'aliases'))
    throw new QdrantError(403, 'Forbidden: Global access is required');
  const own = claims.find(({ collection }) => collection === name);
  if (own === undefined) throw new QdrantError(403, `Forbidden: Access to collection ${name} is required`);
  if (isWrite && own.access === 'r')
    throw new QdrantError(403, `Forbidden: Write access to collection ${name} is required`);
}

/** The same list without the collections that the token does not name. */
export function onlyNamed(claims: readonly CollectionAccess[], pathname: string, body: string): string {
  const names = new Set(claims.map(({ collection }) => collection));
  const answer = JSON.parse(body) as { result: Record<string, readonly Record<string, string>[]> };
  if (pathname === '/collections')
    answer.result.collections = (answer.result.collections ?? []).filter(({ name }) => names.has(String(name)));
  if (pathname === '/aliases')
    answer.result.aliases = (answer.result.aliases ?? []).filter((one) => names.has(String(one.collection_name)));
  return JSON.stringify(answer);
}

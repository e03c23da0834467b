import type { Json } from '../../../model/json.ts';
import type { CollectionFacts } from '../../../stores/qdrant/collection-facts.ts';
import type { QdrantWriter } from '../../../stores/qdrant/qdrant-reader.ts';
import { ifThere } from '../survey.ts';

/** What a collection needs to be made again: never its points. */
export interface Blueprint {
  readonly config: Json;
  readonly indexes: readonly { readonly field: string; readonly schema: Json }[];
}

export function blueprintOf({ config, indexes }: CollectionFacts): Blueprint {
  return {
    config,
    indexes: [...indexes].map(([field, { type, params }]) => ({ field, schema: params ?? type })),
  };
}

/** Makes the collection where it is missing, and the indexes that it lacks. What exists stays as it is. */
export async function makeLike(store: QdrantWriter, name: string, { config, indexes }: Blueprint): Promise<void> {
  const there = await ifThere(() => store.collection(name));
  if (there === undefined) await store.createCollection(name, config);
  for (const { field, schema } of indexes) {
    if (there?.indexes.has(field) !== true) await store.createIndex(name, field, schema);
  }
}

import type { Json } from '../../model/json.ts';
import type { Move } from '../../model/move.ts';
import type { ShardLayout } from '../../stores/qdrant/collection-facts.ts';
import type { ShardKey } from '../../stores/qdrant/qdrant-reader.ts';
import type { CopiedEntry, CopyEntry, RemoveEntry } from './re-id/re-id-entry.ts';

/** What this stage writes into the undo log. */
export type UndoEntry =
  | PointsEntry
  | ArraysEntry
  | IndexEntry
  | NamedEntry
  | ShardEntry
  | CopyEntry
  | CopiedEntry
  | RemoveEntry;

/** These points were the source's and are about to become the target's. */
export type PointsEntry = {
  readonly kind: 'points';
  readonly move: { readonly source: string; readonly target: string };
  readonly collection: string;
  readonly field: string;
  /** The ids of the move stand there as whole numbers. */
  readonly number?: true;
  /** Ids as JSON tokens. */
  readonly ids: readonly string[];
};

/** The field of these points was one array and is about to become another; elements are JSON tokens. */
export type ArraysEntry = Omit<PointsEntry, 'kind'> & {
  readonly kind: 'arrays';
  readonly from: readonly string[];
  readonly to: readonly string[];
};

/** There was no index on the field, and one is about to be made. */
export type IndexEntry = { readonly kind: 'index'; readonly collection: string; readonly field: string };

/** What is logged of collections and aliases that get another name. */
export type NamedEntry = CopyBegunEntry | NamedCopiedEntry | AliasesEntry | DroppedEntry;

/** The points of one collection are about to be copied to another, which is made for that where `made` says so. */
export type CopyBegunEntry = {
  readonly kind: 'named-begun';
  readonly from: string;
  readonly to: string;
  readonly made: boolean;
};

/** These points are about to be inserted into the new collection. */
export type NamedCopiedEntry = {
  readonly kind: 'named-copied';
  readonly from: string;
  readonly to: string;
  readonly ids: readonly string[];
};

/** These aliases are about to be changed: the collection that each stood for and will stand for; null is none. */
export type AliasesEntry = {
  readonly kind: 'named-aliases';
  readonly changes: readonly AliasChange[];
};

export type AliasChange = { readonly alias: string; readonly was: string | null; readonly becomes: string | null };

/** The old collection is about to be deleted. */
export type DroppedEntry = {
  readonly kind: 'named-dropped';
  readonly from: string;
  readonly to: string;
  readonly config: Json;
  readonly indexes: readonly { readonly field: string; readonly schema: Json }[];
};

/** What is logged of shards that get another name. */
export type ShardEntry = ShardBegunEntry | ShardCopiedEntry | ShardDroppedEntry;

/** The points of one shard are about to be copied to another, which is made for that where `made` says so. */
export type ShardBegunEntry = {
  readonly kind: 'shard-begun';
  readonly collection: string;
  readonly from: ShardKey;
  readonly to: ShardKey;
  readonly made: boolean;
  readonly layout: ShardLayout;
};

/** These points are about to be inserted into the new shard. */
export type ShardCopiedEntry = {
  readonly kind: 'shard-copied';
  readonly collection: string;
  readonly from: ShardKey;
  readonly to: ShardKey;
  readonly ids: readonly string[];
};

/** The old shard is about to be deleted. */
export type ShardDroppedEntry = Omit<ShardBegunEntry, 'kind' | 'made'> & { readonly kind: 'shard-dropped' };

export function pointsEntry(entry: Omit<PointsEntry, 'kind' | 'move'> & { readonly move: Move }): UndoEntry {
  const { source, target } = entry.move;
  const { collection, field, number, ids } = entry;
  return { kind: 'points', move: { source, target }, collection, field, ...(number ? { number } : {}), ids };
}

export function arraysEntry(entry: Omit<ArraysEntry, 'kind' | 'move'> & { readonly move: Move }): UndoEntry {
  const { source, target } = entry.move;
  const { collection, field, number, from, to, ids } = entry;
  return { kind: 'arrays', move: { source, target }, collection, field, ...(number ? { number } : {}), from, to, ids };
}

/** Reads an entry back. The log is ours and checked by its own means, so its shape is taken on trust. */
export function undoEntry(entry: Json): UndoEntry {
  return entry as UndoEntry;
}

import type { Json } from '../../model/json.ts';
import type { KeyFingerprint } from '../../stores/redis/redis-content.ts';
import type { BatchId } from '../stage.ts';
import type { KeyPrint } from './key-print.ts';

/** What one batch did, as the undo log holds it before it is sent. Keys are written as `byte-string`'s toJson does. */
export type RedisUndoEntry =
  | RenameEntry
  | KeptEntry
  | ValuesEntry
  | UnlinkEntry
  | OverwriteEntry
  | OverwrittenEntry
  | CopyEntry
  | CopiedEntry
  | RemovedEntry;

export type RenameEntry = {
  readonly kind: 'rename';
  readonly source: string;
  readonly target: string;
  readonly keys: readonly Json[];
};

/** Written afterwards: keys of that batch that were not renamed or copied, since their targets were taken by somebody else. */
export type KeptEntry = { readonly kind: 'kept'; readonly of: BatchId; readonly keys: readonly Json[] };

/**
 * Values under the target's name in whose field `path` the source's id became the target's; behind a `removed`, those of
 * sources.
 */
export type ValuesEntry = {
  readonly kind: 'values';
  readonly source: string;
  readonly target: string;
  readonly path: readonly string[];
  readonly keys: readonly Json[];
  /** The JSON token that stood there, one for each key. */
  readonly tokens: readonly string[];
};

/** A source that was removed, since it equalled its target. */
export type UnlinkEntry = {
  readonly kind: 'unlink';
  readonly key: Json;
  readonly target: Json;
  readonly payload: string;
  readonly expiresAt: number;
  /** Where its value named its tenant: the field, the token that stood there, and the move's target. */
  readonly named?: { readonly path: readonly string[]; readonly token: string; readonly target: string };
};

/** A source that took the place of a different target. */
export type OverwriteEntry = {
  readonly kind: 'overwrite';
  readonly key: Json;
  readonly target: Json;
  /** What the target's key was, and its dump. */
  readonly destroyed: Fingerprint;
  readonly payload: string;
  readonly expiresAt: number;
  /** What the source's key was. */
  readonly moved: Fingerprint;
};

/** Written afterwards: the overwritings of that batch were made, all of them. */
export type OverwrittenEntry = { readonly kind: 'overwritten'; readonly of: BatchId };

/** Sources that were copied, and what each of them was then. */
export type CopyEntry = {
  readonly kind: 'copy';
  readonly source: string;
  readonly target: string;
  readonly keys: readonly Json[];
  readonly prints: readonly KeyPrint[];
  /** What the copies were whose place these took; absent where the targets were free. */
  readonly replaces?: readonly KeyPrint[];
};

/** Written afterwards: the copies of that batch were made, all but those that a `kept` names. */
export type CopiedEntry = { readonly kind: 'copied'; readonly of: BatchId };

/**
 * Sources that were removed since they equalled their targets; those are what an undo makes them from. The tokens of their
 * values follow as `values` in the same batch.
 */
export type RemovedEntry = {
  readonly kind: 'removed';
  readonly source: string;
  readonly target: string;
  readonly keys: readonly Json[];
};

type Fingerprint = { readonly [K in keyof KeyFingerprint]: KeyFingerprint[K] };

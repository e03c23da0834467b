import type { ByteString } from '../../model/byte-string.ts';
import { openLink } from './open-link.ts';
import type { RedisSettings } from './redis-connection.ts';
import type { KeyFingerprint } from './redis-content.ts';
import { RedisReads } from './redis-reads.ts';
import type { RedisServer } from './redis-server.ts';
import { RedisWrites } from './redis-writes.ts';
import type { ReplaceOutcome, TokenReplacement } from './replace-tokens.ts';

/** Reads of a Redis-compatible server. No method changes anything. Losses are retried here. */
export interface RedisReader {
  /** host:port, without credentials. */
  readonly address: string;
  /** What the server says about itself now; of a cluster what its masters say together. */
  server(): Promise<RedisServer>;
  /** Round trip of one small request, ms: the least of three, measured once. */
  roundTripMs(): Promise<number>;
  /** Round trip of one small request now, ms; in a cluster to the master that takes longest. */
  latencyMs(): Promise<number>;
  /** Time for the server to answer a pipeline of `size` look-ups of missing keys that begin with `prefix`, ms. */
  probeMs(size: number, prefix: ByteString): Promise<number>;
  /** Whether another server may take the master's part, with whatever of the last writes had reached it. */
  readonly mayFailOver: boolean;
  /** How many of the replicas do not have everything that the server had done until now, after waiting a second. */
  behind(): Promise<number>;
  /**
   * All keys in pages of about `count`, of all masters of a cluster. A key may come twice, a page may be empty; keys are
   * bytes. A key whose slot changes its master meanwhile may be missed. Where another server takes over meanwhile, whose
   * keys begin anew, it says so with `onAnew` and goes on; it throws where that is not given.
   */
  scan(count: number, onAnew?: () => void): AsyncIterable<readonly ByteString[]>;
  /** Whether keys are spread over the masters of a Redis Cluster. */
  readonly cluster: boolean;
  /** What a key's name must hold to be a certain master's key: one for each master; the empty text where there is one server. */
  readonly tags: readonly string[];
  /** Whether the server can rename `from` to `to`: in a cluster both must be in one slot. */
  renamable(pair: RenamePair): boolean;
  /** Whether each key exists, in order. */
  exist(keys: readonly ByteString[]): Promise<readonly boolean[]>;
  /** Type, expiry and content digest of each key, in order; undefined where it is missing. */
  fingerprints(keys: readonly ByteString[]): Promise<readonly (KeyFingerprint | undefined)[]>;
  /** Expiry of each key, in order, as in its fingerprint; undefined where it is missing. */
  expiries(keys: readonly ByteString[]): Promise<readonly (number | undefined)[]>;
  /** About how many bytes each value takes, in order; 0 where the key is missing, undefined where nothing tells. */
  sizes(keys: readonly ByteString[]): Promise<readonly (number | undefined)[]>;
  /**
   * What `take` makes of the string under each key, in order; undefined where there is none, another type, or one above
   * 64 MB. The strings themselves are in memory a few megabytes at a time.
   */
  texts<T>(
    keys: readonly ByteString[],
    take: (text: Buffer, key: ByteString) => T,
  ): Promise<readonly (T | undefined)[]>;
  /** The first 64 KB or 100 elements of each value, in order: to see what it is about. Empty for types of modules. */
  glimpses(keys: readonly ByteString[]): Promise<readonly (readonly Buffer[])[]>;
  /** DUMP and expiry of each key, in order; undefined where it is missing. All payloads are in memory at once. */
  dumps(keys: readonly ByteString[]): Promise<readonly (DumpedKey | undefined)[]>;
  /** False where the server tells only how long a key will last: two readings then differ by the way of the request. */
  readonly exactExpiry: boolean;
  /** Whether two expiries are the same: exact where the server tells absolute times. */
  sameExpiry(a: number, b: number): boolean;
  /**
   * The server's words for each command that this user may not run, in order (ACL DRYRUN: none is run); undefined where it
   * may, or where the server does not tell.
   */
  refusals(commands: readonly Asked[]): Promise<readonly (string | undefined)[]>;
  /** The server's clock, ms since the epoch: the one by which keys expire. */
  now(): Promise<number>;
  close(): Promise<void>;
}

/** Reads and writes. */
export interface RedisWriter extends RedisReader {
  /**
   * Renames each key whose target is free (RENAMENX: O(1), keeps type and expiry), in one pipeline.
   * After a lost connection the outcome is found by looking, never by sending the batch again blindly. Where the server
   * ran out of memory nothing is sent again, and both names of what it refused are looked at.
   */
  rename(pairs: readonly RenamePair[]): Promise<readonly RenameOutcome[]>;
  /**
   * Watches `keys` (WATCH), lets `choose` look at them, and removes what it returns (UNLINK) in one transaction.
   * `written` where somebody wrote one of the watched keys meanwhile: then nothing was removed. Otherwise the number of
   * keys removed. `choose` is called again after a lost connection. Such calls wait for one another. In a cluster all keys
   * must be in one slot.
   */
  unlinkUnwritten(
    keys: readonly ByteString[],
    choose: () => Promise<readonly ByteString[]>,
  ): Promise<number | 'written'>;
  /**
   * Removes each key (UNLINK) whose value and expiry are still those of its dump, and tells which are gone now: `removed`
   * (or missing before), `written` where they are others. Nothing that is written meanwhile is lost.
   */
  unlinkStill(items: readonly SeenKey[]): Promise<readonly ('removed' | 'written')[]>;
  /**
   * Makes a key from a dump in place of what is there, in one transaction that watches it and asks `stillSo` before.
   * False where that says no, or somebody wrote the key meanwhile: then nothing was changed.
   */
  replaceUnwritten(key: ByteString, by: DumpedKey, stillSo: () => Promise<boolean>): Promise<boolean>;
  /**
   * Watches both names of all pairs, lets `choose` look, and renames the pairs that it returns over their targets
   * (RENAME) in one transaction. The result is as of {@link unlinkUnwritten}: nothing that was written between is lost.
   * After a lost reply `wasDone` looks whether all that was chosen has been done.
   */
  overwriteUnwritten(
    pairs: readonly RenamePair[],
    choose: () => Promise<readonly RenamePair[]>,
    wasDone: () => Promise<boolean>,
  ): Promise<number | 'written'>;
  /**
   * Takes back an overwriting in one transaction: `from` to the free name `to`, and `dumped` (if any) to the name that
   * has become free. Watches both and asks `stillSo` before. `written` where that says no, or somebody wrote one of
   * them meanwhile: then nothing was changed.
   */
  putBackUnwritten(putBack: PutBack, stillSo: () => Promise<boolean>): Promise<'done' | 'written'>;
  /**
   * Replaces a part of each string value, which keeps its expiry; a value that is not what it was stays as it is. Each
   * for itself, by a script or, where this user may run none, in transactions. What was done before its reply was lost
   * is `changed`: look again.
   */
  replaceTokens(items: readonly TokenReplacement[]): Promise<readonly ReplaceOutcome[]>;
  /** The server's words where it does not let this user set a key that keeps its expiry. Tried on one that is absent. */
  refusedSet(absent: ByteString): Promise<string | undefined>;
  /**
   * The server's words where it says that this user may not restore a key. Tried on a key that does not exist with a
   * payload that nothing can be made of.
   */
  refusedRestore(key: ByteString): Promise<string | undefined>;
  /**
   * Ends every other connection at the server that has this one's name (CLIENT LIST, CLIENT KILL), until none is left.
   * False where that is forbidden or cannot be told: then what they sent must be waited for.
   */
  endNamesakes(): Promise<boolean>;
  /** Makes each `to` from `from` as it is now, with its expiry. False where `to` exists or `from` does not. */
  copy(pairs: readonly RenamePair[]): Promise<readonly boolean[]>;
  /** Makes a key from its dump. False where it exists. */
  restore(key: ByteString, dumped: DumpedKey): Promise<boolean>;
  /** Makes keys from their dumps in one pipeline; false for each that exists. All payloads are sent at once. */
  restoreAll(items: readonly { readonly key: ByteString; readonly dumped: DumpedKey }[]): Promise<readonly boolean[]>;
}

/** A command with its arguments. */
export type Asked = readonly [command: string, ...args: ByteString[]];

export interface RenamePair {
  readonly from: ByteString;
  readonly to: ByteString;
}

/**
 * `moved`; `occupied`: both exist; `vanished`: neither exists; `already`: only the target exists, and this call
 * did not make it so; `unstable`: the slot is on its way to another master, and no command may name two of its keys
 * until it has arrived; or the server's refusal. `outOfMemory`: the server ran out of it (a Dragonfly has then taken the
 * source away), and a look at both names found the key at one of them, or at none.
 */
export type RenameOutcome =
  | 'moved'
  | 'occupied'
  | 'vanished'
  | 'already'
  | 'unstable'
  | { readonly failed: string; readonly outOfMemory?: 'stands' | 'lost' };

/** A key, and what it was when somebody looked. */
export interface SeenKey {
  readonly key: ByteString;
  readonly seen: DumpedKey;
}

export interface PutBack extends RenamePair {
  readonly dumped: DumpedKey | undefined;
}

export interface DumpedKey {
  /** The server's serialisation. */
  readonly payload: Buffer;
  /** Absolute ms, or -1. */
  readonly expiresAt: number;
}

/** Connects for reading. Throws MigrateError `unreachable`, `unauthorised` or `unsupported`. */
export function openRedisReader(settings: RedisSettings): Promise<RedisReader> {
  return openLink(settings).then((link) => new RedisReads(link).open());
}

/** Connects for reading and writing. Throws as {@link openRedisReader} does. */
export function openRedisWriter(settings: RedisSettings): Promise<RedisWriter> {
  return openLink(settings).then((link) => new RedisWrites(link).open());
}

import { printable, toJson } from '../../model/byte-string.ts';
import type { Move } from '../../model/move.ts';
import type { KeyFingerprint } from '../../stores/redis/redis-content.ts';
import type { DumpedKey, RedisWriter, RenamePair } from '../../stores/redis/redis-store.ts';
import type { ApplyContext, BatchId, Checkpoint } from '../stage.ts';
import type { ByteBudget } from './byte-budget.ts';
import { compareEnds } from './compare-ends.ts';
import { printOf } from './key-print.ts';
import { sameKey } from './same-key.ts';
import type { CopiedEntry, CopyEntry, KeptEntry } from './undo-entry.ts';

/** Dumps of all groups that are in memory at once. */
export const COPY_BYTES = 32 << 20;
/** Of one group, which is one line of the undo log. */
const GROUP_BYTES = 4 << 20;
const GROUP_KEYS = 500;
/** A RESTORE takes no argument above the server's 512 MB. */
const LARGEST_VALUE = 512 << 20;
/** Times that a key is copied which is written meanwhile. */
const MOST_COPIES = 5;

/** What became of some pairs: their checkpoints, and the pairs whose target holds something else. */
export interface Copying {
  readonly checkpoints: readonly Checkpoint[];
  /** To be looked at once more: a target may be our own copy of an earlier value. */
  readonly different: readonly RenamePair[];
}

interface Batch {
  readonly move: Move;
  readonly pairs: readonly RenamePair[];
}

/**
 * Copies each source to its target where that is free: DUMP, RESTORE without REPLACE, then both are compared. The source
 * stays until finalize. What could not be copied has left its source as it was.
 */
export async function copyKeys(
  { move, pairs }: Batch,
  budget: ByteBudget,
  ctx: ApplyContext<RedisWriter>,
): Promise<Copying> {
  const both = ctx.options.merge || ctx.options.continuing;
  const taken = both ? await ctx.store.exist(pairs.map(({ to }) => to)) : pairs.map(() => false);
  const first = await stands(
    pairs.filter((_, index) => taken[index]),
    ctx,
  );
  const parts: Copying[] = [first];
  const sizes = await ctx.store.sizes(pairs.map(({ from }) => from));
  const free = pairs.flatMap((pair, index) => (taken[index] ? [] : [{ pair, bytes: sizes[index] ?? GROUP_BYTES }]));
  for (const group of grouped(free.filter(({ bytes }) => bytes <= LARGEST_VALUE))) {
    parts.push(await budget.with(group.bytes, () => copyGroup({ move, pairs: group.pairs }, ctx)));
  }
  const tooLarge = free.filter(({ bytes }) => bytes > LARGEST_VALUE).map(({ pair }) => pair);
  parts.push({ checkpoints: [{ batch: 0, moved: 0, failed: tooLarge.length }], different: [] });
  for (const pair of tooLarge) report(pair, 'it is too large to be copied (DUMP, RESTORE)', ctx);
  return joined(parts);
}

function joined(parts: readonly Copying[]): Copying {
  return {
    checkpoints: parts.flatMap(({ checkpoints }) => checkpoints).filter(isTold),
    different: parts.flatMap(({ different }) => different),
  };
}

function isTold({ batch, moved, skipped = 0, failed = 0, vanished = 0 }: Checkpoint): boolean {
  return batch !== 0 || moved + skipped + failed + vanished > 0;
}

function grouped(
  items: readonly { readonly pair: RenamePair; readonly bytes: number }[],
): readonly { readonly pairs: readonly RenamePair[]; readonly bytes: number }[] {
  const groups: { pairs: RenamePair[]; bytes: number }[] = [];
  for (const { pair, bytes } of items) {
    const last = groups.at(-1);
    if (last === undefined || last.pairs.length === GROUP_KEYS || last.bytes + bytes > GROUP_BYTES) {
      groups.push({ pairs: [pair], bytes });
    } else {
      last.pairs.push(pair);
      last.bytes += bytes;
    }
  }
  return groups;
}

async function copyGroup({ move, pairs }: Batch, ctx: ApplyContext<RedisWriter>): Promise<Copying> {
  const parts: Copying[] = [];
  let open = pairs;
  for (let attempt = 1; open.length > 0; attempt += 1) {
    const { again, ...part } = await copyOnce({ move, pairs: open }, ctx);
    parts.push(part);
    open = again;
    if (attempt < MOST_COPIES || open.length === 0) continue;
    parts.push({ checkpoints: [{ batch: 0, moved: 0, failed: open.length }], different: [] });
    for (const pair of open) report(pair, 'it was written each time that it was copied, and stays', ctx);
    break;
  }
  return joined(parts);
}

interface Seen {
  readonly pair: RenamePair;
  readonly dumped: DumpedKey;
  /** What the source was just after it was dumped. */
  readonly source: KeyFingerprint;
}

/** `again`: sources that were written between dumping and looking; what had been made of them is gone again. */
async function copyOnce(
  { move, pairs }: Batch,
  ctx: ApplyContext<RedisWriter>,
): Promise<Copying & { readonly again: readonly RenamePair[] }> {
  const dumps = await ctx.store.dumps(pairs.map(({ from }) => from));
  const sources = await ctx.store.fingerprints(pairs.map(({ from }) => from));
  const seen = pairs.flatMap((pair, index): Seen[] => {
    const [dumped, source] = [dumps[index], sources[index]];
    return dumped === undefined || source === undefined ? [] : [{ pair, dumped, source }];
  });
  const vanished = pairs.length - seen.length;
  if (seen.length === 0) return { checkpoints: [{ batch: 0, moved: 0, vanished }], different: [], again: [] };
  const keys = seen.map(({ pair }) => toJson(pair.from));
  const entry: CopyEntry = { kind: 'copy', ...move, keys, prints: seen.map(({ source }) => printOf(source)) };
  const batch = await ctx.undo.append([entry]);
  const made = await ctx.store.restoreAll(seen.map(({ pair, dumped }) => ({ key: pair.to, dumped })));
  const outcome = await compareMade(
    seen.filter((_, index) => made[index]),
    ctx,
  );
  const standing = await occupied(
    seen.filter((_, index) => !made[index]),
    ctx,
  );
  const notMade = [...standing.other, ...outcome.foreign];
  const notes = await note(batch, { notMade, all: seen.length }, ctx);
  const counts = { moved: outcome.moved + standing.equal, vanished: vanished + outcome.vanished };
  return {
    checkpoints: [{ batch, ...counts }, ...notes],
    different: notMade.map(({ pair }) => pair),
    again: outcome.again,
  };
}

/**
 * Targets that were there when they were to be made. An equal one is our own, whose reply was lost: it was free a moment
 * ago. Of the others it is looked later what they are.
 */
async function occupied(
  items: readonly Seen[],
  ctx: ApplyContext<RedisWriter>,
): Promise<{ readonly equal: number; readonly other: readonly Seen[] }> {
  if (items.length === 0) return { equal: 0, other: [] };
  const targets = await ctx.store.fingerprints(items.map(({ pair }) => pair.to));
  const other = items.filter(({ source }, index) => {
    const target = targets[index];
    return target === undefined || !sameKey(source, target, ctx.store);
  });
  return { equal: items.length - other.length, other };
}

/** Tells the undo log that the copies were made, all but those whose targets somebody else has taken. */
async function note(
  batch: BatchId,
  { notMade, all }: { notMade: readonly Seen[]; all: number },
  ctx: ApplyContext<RedisWriter>,
): Promise<readonly Checkpoint[]> {
  const entries: (KeptEntry | CopiedEntry)[] = [];
  if (notMade.length > 0) entries.push({ kind: 'kept', of: batch, keys: notMade.map(({ pair }) => toJson(pair.from)) });
  if (notMade.length < all) entries.push({ kind: 'copied', of: batch });
  return [{ batch: await ctx.undo.append(entries), moved: 0 }];
}

/** Whether the copies are what their sources were. What was made of a source that was written meanwhile goes again. */
async function compareMade(made: readonly Seen[], ctx: ApplyContext<RedisWriter>) {
  const targets = await ctx.store.fingerprints(made.map(({ pair }) => pair.to));
  const other = made.filter(({ source }, index) => {
    const target = targets[index];
    return target === undefined || !sameKey(source, target, ctx.store);
  });
  const outcome = { moved: made.length - other.length, vanished: 0, foreign: [] as Seen[], again: [] as RenamePair[] };
  for (const item of other) {
    const [source] = await ctx.store.exist([item.pair.from]);
    const [dumped] = await ctx.store.dumps([item.pair.to]);
    // An expiry that has passed: RESTORE then makes nothing.
    if (!source && dumped === undefined) outcome.vanished += 1;
    else if (dumped === undefined) outcome.again.push(item.pair);
    // Only what we made, to the byte, is ours to take away.
    else if (!dumped.payload.equals(item.dumped.payload)) outcome.foreign.push(item);
    else {
      const [gone] = await ctx.store.unlinkStill([{ key: item.pair.to, seen: dumped }]);
      if (gone === 'removed') outcome.again.push(item.pair);
      else outcome.foreign.push(item);
    }
  }
  return outcome;
}

/** Pairs whose target exists: equal ones are one key, whose source goes in finalize. */
async function stands(pairs: readonly RenamePair[], ctx: ApplyContext<RedisWriter>): Promise<Copying> {
  if (pairs.length === 0) return { checkpoints: [], different: [] };
  const ends = await compareEnds(pairs, ctx);
  const skipped = ends.filter(({ equal }) => equal === true).length;
  return {
    checkpoints: [{ batch: 0, moved: 0, skipped }],
    different: ends.filter(({ equal }) => equal === false).map(({ pair }) => pair),
  };
}

function report({ from }: RenamePair, reason: string, ctx: ApplyContext<RedisWriter>): void {
  ctx.emit({ type: 'record-failed', stage: 'redis', record: printable(from), reason });
}

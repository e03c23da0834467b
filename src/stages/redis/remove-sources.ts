import { type ByteString, printable, toJson } from '../../model/byte-string.ts';
import type { RedisWriter, RenamePair } from '../../stores/redis/redis-store.ts';
import type { ApplyContext, Checkpoint } from '../stage.ts';
import { compareEnds } from './compare-ends.ts';
import { dumpGroups, LARGEST_DUMP } from './dump-groups.ts';
import { namedIn } from './named-in.ts';
import type { UnlinkEntry } from './undo-entry.ts';
import type { ValueRules } from './value-rules.ts';

/** What one transaction did. */
interface Removal {
  /** 0 where nothing was logged. */
  readonly batch: number;
  /** Pairs that were found equal. */
  readonly equal: readonly RenamePair[];
  /** Number of pairs that were found with different content. */
  readonly different: number;
  /** Equal pairs whose dump is too large to be logged: their sources stay. */
  readonly tooLarge: readonly RenamePair[];
  /** Number of sources removed; `written`: somebody wrote one of the keys, nothing was removed. */
  readonly removed: number | 'written';
}

/**
 * Removes the sources that equal their targets, each logged with its dump before. What is written between the comparing
 * and the removing stays, as a conflict. Yields one checkpoint for each transaction that came upon something to do.
 */
export async function* removeSources(
  pairs: readonly RenamePair[],
  ctx: ApplyContext<RedisWriter>,
  rules: ValueRules,
): AsyncIterable<Checkpoint> {
  const { groups, tooLarge } = await dumpGroups(pairs, ({ from }) => from, ctx.store);
  for (const group of groups) {
    const removal = await removeEqual(group, ctx, rules);
    if (removal.removed !== 'written') yield* checkpoint(removal, ctx);
    // One at a time, so that only what is being written stays.
    else for (const pair of removal.equal) yield* checkpoint(await removeEqual([pair], ctx, rules), ctx, pair);
  }
  if (tooLarge.length > 0) yield { batch: 0, moved: 0, failed: reportTooLarge(tooLarge, ctx) };
}

async function removeEqual(
  pairs: readonly RenamePair[],
  ctx: ApplyContext<RedisWriter>,
  rules: ValueRules,
): Promise<Removal> {
  let logged: Omit<Removal, 'removed'> = { batch: 0, equal: [], different: 0, tooLarge: [] };
  const keys = pairs.flatMap(({ from, to }) => [from, to]);
  const removed = await ctx.store.unlinkUnwritten(keys, async () => {
    const ends = await compareEnds(pairs, ctx);
    const equal = ends.filter((end) => end.equal === true).map(({ pair }) => pair);
    const { names, ...rest } = await log(equal, ctx, rules);
    logged = { equal, different: ends.filter((end) => end.equal === false).length, ...rest };
    return names;
  });
  return { ...logged, removed };
}

/** Logs the dumps. Only the keys that it names may be removed. */
async function log(
  pairs: readonly RenamePair[],
  ctx: ApplyContext<RedisWriter>,
  rules: ValueRules,
): Promise<{ batch: number; names: readonly ByteString[]; tooLarge: readonly RenamePair[] }> {
  const dumps = await ctx.store.dumps(pairs.map(({ from }) => from));
  const named = await namedIn(
    pairs.map(({ from }) => from),
    ctx.store,
    rules,
  );
  const tooLarge: RenamePair[] = [];
  const names: ByteString[] = [];
  const entries: UnlinkEntry[] = [];
  for (const [index, pair] of pairs.entries()) {
    const dumped = dumps[index];
    // A key that went meanwhile is not logged, and so not removed: it may be made anew before that.
    if (dumped === undefined) continue;
    if (dumped.payload.length > LARGEST_DUMP) tooLarge.push(pair);
    else {
      const { expiresAt, payload } = dumped;
      const [key, target] = [toJson(pair.from), toJson(pair.to)];
      const own = named.get(pair.from);
      const tenant = own === undefined ? {} : { named: own };
      entries.push({ kind: 'unlink', key, target, payload: payload.toString('base64'), expiresAt, ...tenant });
      names.push(pair.from);
    }
  }
  const batch = entries.length === 0 ? 0 : await ctx.undo.append(entries);
  return { batch, names, tooLarge };
}

/** The checkpoint of one transaction; `alone` is the pair of one whose keys were seen to be written. */
function* checkpoint(
  { batch, different, tooLarge, removed }: Removal,
  ctx: ApplyContext<RedisWriter>,
  alone?: RenamePair,
): Iterable<Checkpoint> {
  const failed = reportTooLarge(tooLarge, ctx);
  const conflicts = alone !== undefined && (removed === 'written' || different > 0) ? 1 : 0;
  if (alone !== undefined && conflicts > 0 && ctx.options.onConflict !== 'skip') {
    const reason = 'it was written while it was compared with its target, and stays';
    ctx.emit({ type: 'record-failed', stage: 'redis', record: printable(alone.from), reason });
  }
  const skipped = removed === 'written' ? 0 : removed;
  if (skipped + failed + conflicts > 0) yield { batch, moved: 0, skipped, failed, conflicts };
}

function reportTooLarge(pairs: readonly RenamePair[], ctx: ApplyContext<RedisWriter>): number {
  for (const { from } of pairs) {
    const reason = 'it equals its target, but is too large to be logged for an undo: remove it by hand';
    ctx.emit({ type: 'record-failed', stage: 'redis', record: printable(from), reason });
  }
  return pairs.length;
}

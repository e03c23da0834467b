import { printable, toJson } from '../../model/byte-string.ts';
import type { KeyFingerprint } from '../../stores/redis/redis-content.ts';
import type { RedisWriter, RenamePair } from '../../stores/redis/redis-store.ts';
import type { ApplyContext, Checkpoint } from '../stage.ts';
import { compareEnds } from './compare-ends.ts';
import { dumpGroups, LARGEST_DUMP } from './dump-groups.ts';
import { sameKey } from './same-key.ts';
import type { OverwriteEntry, OverwrittenEntry } from './undo-entry.ts';

const TOO_LARGE = 'the value at the target is too large to be logged for an undo: remove one side by hand';

/** What one transaction did. */
interface Overwriting {
  /** 0 where nothing was logged. */
  readonly batch: number;
  /** Pairs that were found different, logged and to be overwritten. */
  readonly chosen: readonly RenamePair[];
  /** What the source of each chosen pair was. */
  readonly moved: readonly KeyFingerprint[];
  readonly tooLarge: readonly RenamePair[];
  /** Number of pairs that have become equal. */
  readonly equal: number;
}

/**
 * Renames the sources over their targets where those differ; each target is logged with its dump before. What is written
 * between the comparing and the renaming stays at both ends, as a conflict.
 */
export async function* overwriteTargets(
  pairs: readonly RenamePair[],
  ctx: ApplyContext<RedisWriter>,
): AsyncIterable<Checkpoint> {
  const { groups, tooLarge } = await dumpGroups(pairs, ({ to }) => to, ctx.store);
  for (const group of groups) {
    const { written, checkpoints } = await overwriteGroup(group, ctx);
    yield* checkpoints;
    // One at a time, so that only what is being written stays.
    for (const pair of written) {
      const alone = await overwriteGroup([pair], ctx);
      for (const { from } of alone.written) reportWritten(from, ctx);
      yield* alone.checkpoints;
      if (alone.written.length > 0) yield { batch: 0, moved: 0, conflicts: alone.written.length };
    }
  }
  if (tooLarge.length > 0) yield { batch: 0, moved: 0, failed: reportTooLarge(tooLarge, ctx) };
}

/** `written`: the pairs of a transaction that was not made, since somebody wrote one of their keys. */
async function overwriteGroup(
  pairs: readonly RenamePair[],
  ctx: ApplyContext<RedisWriter>,
): Promise<{ readonly written: readonly RenamePair[]; readonly checkpoints: readonly Checkpoint[] }> {
  let logged: Overwriting = { batch: 0, chosen: [], moved: [], tooLarge: [], equal: 0 };
  const choose = async () => {
    logged = await log(pairs, ctx);
    return logged.chosen;
  };
  const moved = await ctx.store.overwriteUnwritten(pairs, choose, () => wasDone(logged, ctx));
  const { batch, chosen, equal } = logged;
  const failed = reportTooLarge(logged.tooLarge, ctx);
  const counts = { batch, failed, skipped: equal };
  if (moved === 'written') return { written: chosen, checkpoints: [{ ...counts, moved: 0 }] };
  const checkpoints: Checkpoint[] = [{ ...counts, moved, vanished: chosen.length - moved }];
  // Looking alone could not tell later, once the application has written to the target.
  if (moved > 0 && moved === chosen.length) {
    const done: OverwrittenEntry = { kind: 'overwritten', of: batch };
    checkpoints.push({ batch: await ctx.undo.append([done]), moved: 0 });
  }
  return { written: [], checkpoints };
}

/** Whether every chosen source stands at its target as it was. That it is no longer under its old name proves nothing. */
async function wasDone({ chosen, moved }: Overwriting, ctx: ApplyContext<RedisWriter>): Promise<boolean> {
  const ends = await compareEnds(chosen, ctx);
  return ends.every(({ source, target }, index) => {
    const was = moved[index];
    return source === undefined && target !== undefined && was !== undefined && sameKey(target, was, ctx.store);
  });
}

/** Compares once more and logs what would be destroyed. Only the pairs that it chooses may be overwritten. */
async function log(pairs: readonly RenamePair[], ctx: ApplyContext<RedisWriter>): Promise<Overwriting> {
  const ends = await compareEnds(pairs, ctx);
  const dumps = await ctx.store.dumps(pairs.map(({ to }) => to));
  const tooLarge: RenamePair[] = [];
  const chosen: RenamePair[] = [];
  const entries: OverwriteEntry[] = [];
  for (const [index, { pair, source, target, equal }] of ends.entries()) {
    const dumped = dumps[index];
    // What has gone meanwhile is not logged, and so not overwritten.
    if (equal !== false || source === undefined || target === undefined || dumped === undefined) continue;
    if (dumped.payload.length > LARGEST_DUMP) tooLarge.push(pair);
    else {
      chosen.push(pair);
      entries.push(entryOf(pair, { source, target, ...dumped }));
    }
  }
  const batch = entries.length === 0 ? 0 : await ctx.undo.append(entries);
  const moved = entries.map((entry) => entry.moved);
  return { batch, chosen, moved, tooLarge, equal: ends.filter((end) => end.equal === true).length };
}

function entryOf(
  { from, to }: RenamePair,
  ends: { source: KeyFingerprint; target: KeyFingerprint; payload: Buffer; expiresAt: number },
): OverwriteEntry {
  return {
    kind: 'overwrite',
    key: toJson(from),
    target: toJson(to),
    destroyed: { ...ends.target },
    payload: ends.payload.toString('base64'),
    expiresAt: ends.expiresAt,
    moved: { ...ends.source },
  };
}

function reportWritten(from: string, ctx: ApplyContext<RedisWriter>): void {
  const reason = 'it was written while it was compared with its target, and stays';
  ctx.emit({ type: 'record-failed', stage: 'redis', record: printable(from), reason });
}

function reportTooLarge(pairs: readonly RenamePair[], ctx: ApplyContext<RedisWriter>): number {
  for (const { from } of pairs) {
    ctx.emit({ type: 'record-failed', stage: 'redis', record: printable(from), reason: TOO_LARGE });
  }
  return pairs.length;
}

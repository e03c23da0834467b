import { type ByteString, fromJson, printable, toJson } from '../../model/byte-string.ts';
import type { Move } from '../../model/move.ts';
import type { RedisWriter, RenamePair } from '../../stores/redis/redis-store.ts';
import type { ApplyContext, BatchId, Checkpoint } from '../stage.ts';
import { compareEnds } from './compare-ends.ts';
import { type KeyPrint, matches, printOf } from './key-print.ts';
import { rewriteValues } from './rewrite-values.ts';
import { sameKey } from './same-key.ts';
import type { CopiedEntry, CopyEntry, RedisUndoEntry } from './undo-entry.ts';
import type { ValueRules } from './value-rules.ts';

/** A pair whose ends differ, and whose move it is. */
export interface Differing {
  readonly move: Move;
  readonly pair: RenamePair;
}

/**
 * Copies the sources again that were written after they had been copied: where the undo log says that the target is our
 * copy, and it is that still; a value that names its tenant names the source again by that, and is rewritten. All others
 * are conflicts, reported with what the caller does about them.
 */
export async function* copyAgain(
  differing: readonly Differing[],
  ctx: ApplyContext<RedisWriter>,
  rules: ValueRules,
): AsyncIterable<Checkpoint> {
  if (differing.length === 0) return;
  const prints = await ourPrints(new Set(differing.map(({ pair }) => pair.from)), ctx);
  for (const { move, pair } of differing) {
    const print = prints.get(pair.from);
    await ctx.permit(1);
    const checkpoints = print === undefined ? undefined : await replace({ move, pair, print }, ctx);
    if (checkpoints !== undefined) {
      yield* checkpoints;
      const rule = rules.of(pair.to);
      if (rule !== undefined) yield* await rewriteValues([{ key: pair.to, rule }], ctx);
    } else {
      if (ctx.options.onConflict === 'fail') {
        const reason = 'the target key exists with other content';
        ctx.emit({ type: 'record-failed', stage: 'redis', record: printable(pair.from), reason });
      }
      yield { batch: 0, moved: 0, conflicts: 1 };
    }
  }
}

/** What the newest copy of each of these sources was, by the undo log. */
async function ourPrints(
  keys: ReadonlySet<ByteString>,
  ctx: ApplyContext<RedisWriter>,
): Promise<ReadonlyMap<ByteString, KeyPrint>> {
  const prints = new Map<ByteString, KeyPrint>();
  const kept = new Map<BatchId, ReadonlySet<ByteString>>();
  for await (const { id, entries } of ctx.undo.read()) {
    for (const entry of entries as readonly unknown[] as readonly RedisUndoEntry[]) {
      if (entry.kind === 'kept') kept.set(entry.of, new Set(entry.keys.map(fromJson)));
      if (entry.kind !== 'copy') continue;
      for (const [index, json] of entry.keys.entries()) {
        const key = fromJson(json);
        const print = entry.prints[index];
        if (print === undefined || !keys.has(key) || prints.has(key) || kept.get(id)?.has(key)) continue;
        prints.set(key, print);
      }
    }
    kept.delete(id);
  }
  return prints;
}

/** Undefined where the target is not, or no longer, what we put there. */
async function replace(
  { move, pair, print }: Differing & { readonly print: KeyPrint },
  ctx: ApplyContext<RedisWriter>,
): Promise<readonly Checkpoint[] | undefined> {
  const { store } = ctx;
  const [ends] = await compareEnds([pair], ctx);
  const [dumped] = await store.dumps([pair.from]);
  if (ends?.equal === true) return [{ batch: 0, moved: 0, skipped: 1 }];
  if (ends === undefined || ends.source === undefined || dumped === undefined) return [];
  const { source, target } = ends;
  if (target === undefined || !matches(target, print, store)) return undefined;
  const entry: CopyEntry = {
    kind: 'copy',
    ...move,
    keys: [toJson(pair.from)],
    prints: [printOf(source)],
    replaces: [printOf(target)],
  };
  const batch = await ctx.undo.append([entry]);
  // The source is what it was before it was dumped, so the dump is of that.
  const made = await store.replaceUnwritten(pair.to, dumped, async () => {
    const [nowSource, nowTarget] = await store.fingerprints([pair.from, pair.to]);
    if (nowSource === undefined || nowTarget === undefined) return false;
    return sameKey(nowSource, source, store) && matches(nowTarget, print, store);
  });
  if (!made) return undefined;
  const copied: CopiedEntry = { kind: 'copied', of: batch };
  return [
    { batch, moved: 1 },
    { batch: await ctx.undo.append([copied]), moved: 0 },
  ];
}

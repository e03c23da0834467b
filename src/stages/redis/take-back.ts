import type { KeyFingerprint } from '../../stores/redis/redis-content.ts';
import type { DumpedKey, RedisWriter, RenamePair } from '../../stores/redis/redis-store.ts';
import type { ApplyContext } from '../stage.ts';
import { compareEnds, type Ends } from './compare-ends.ts';
import { type KeyPrint, matches } from './key-print.ts';
import { sameKey } from './same-key.ts';

/** Looks again where somebody wrote one of the keys in between. */
const MOST_LOOKS = 5;

/** A key at the target that shall be under its old name again. */
export interface Copied {
  /** From the source to the target. */
  readonly pair: RenamePair;
  /** Whether the log says that the copy was made. */
  readonly made: boolean;
  /** What was copied, and what that took the place of; absent where the log tells neither. */
  readonly print?: KeyPrint | undefined;
  readonly replaced?: KeyPrint | undefined;
}

export type TakenBack = Record<'moved' | 'conflicts' | 'vanished', number>;

/**
 * Takes copies back: the source gets the value that the target has now, unless the source has a newer one, and the target
 * goes once both are equal. Where both were written since, both stay: a conflict.
 */
export async function takeBack(copied: readonly Copied[], ctx: ApplyContext<RedisWriter>): Promise<TakenBack> {
  const counts: TakenBack = { moved: 0, conflicts: 0, vanished: 0 };
  let open = copied;
  for (let look = 1; open.length > 0; look += 1) {
    const again = await takeBackOnce(open, counts, ctx);
    open = look < MOST_LOOKS ? again : [];
    if (look === MOST_LOOKS) counts.conflicts += again.length;
  }
  return counts;
}

/** Those that were written meanwhile, to be looked at once more. */
async function takeBackOnce(
  items: readonly Copied[],
  counts: TakenBack,
  ctx: ApplyContext<RedisWriter>,
): Promise<readonly Copied[]> {
  const dumps = await ctx.store.dumps(items.map(({ pair }) => pair.to));
  const ends = await compareEnds(
    items.map(({ pair }) => pair),
    ctx,
  );
  const removable: { readonly item: Copied; readonly dumped: DumpedKey }[] = [];
  const again: Copied[] = [];
  for (const [index, item] of items.entries()) {
    const [dumped, end] = [dumps[index], ends[index]];
    if (end === undefined) continue;
    const what = judge(item, end, ctx);
    if (what === 'vanished') counts.vanished += 1;
    else if (what === 'conflict') counts.conflicts += 1;
    else if (what === 'nothing') continue;
    // Gone between the two readings, or made: looked at again.
    else if (dumped === undefined) again.push(item);
    else if (what === 'remove') removable.push({ item, dumped });
    else {
      await putAtSource({ item, dumped, source: end.source }, ctx);
      again.push(item);
    }
  }
  const outcomes = await ctx.store.unlinkStill(
    removable.map(({ item, dumped }) => ({ key: item.pair.to, seen: dumped })),
  );
  for (const [index, { item }] of removable.entries()) {
    if (outcomes[index] === 'removed') counts.moved += 1;
    else again.push(item);
  }
  return again;
}

/**
 * `remove`: the target, which equals the source or is an older copy of it; `put`: the target's value at the source;
 * `nothing`: the target is free, and the source as it shall be.
 */
function judge(
  { print, replaced, made }: Copied,
  { source, target, equal }: Ends,
  ctx: ApplyContext<RedisWriter>,
): 'remove' | 'put' | 'nothing' | 'vanished' | 'conflict' {
  const is = (key: KeyFingerprint, one: KeyPrint | undefined) => one !== undefined && matches(key, one, ctx.store);
  if (target === undefined) return source === undefined ? 'vanished' : 'nothing';
  if (equal === true) return 'remove';
  // Where it is not known that the copy was made, the target may be somebody else's.
  if (source === undefined) return made || is(target, print) || is(target, replaced) ? 'put' : 'conflict';
  if (is(target, print) || is(target, replaced)) return 'remove';
  // Written at the target since it was copied, and not at the source.
  return made && is(source, print) ? 'put' : 'conflict';
}

/** Only where the source is still what was looked at. That it was done is seen at the next look. */
async function putAtSource(
  {
    item: { pair },
    dumped,
    source,
  }: { readonly item: Copied; readonly dumped: DumpedKey; readonly source: KeyFingerprint | undefined },
  ctx: ApplyContext<RedisWriter>,
): Promise<void> {
  const { store } = ctx;
  if (source === undefined) {
    await store.restore(pair.from, dumped);
    return;
  }
  await store.replaceUnwritten(pair.from, dumped, async () => {
    const [now] = await store.fingerprints([pair.from]);
    return now !== undefined && sameKey(now, source, store);
  });
}

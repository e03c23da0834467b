import { fromJson, printable } from '../../model/byte-string.ts';
import type { KeyFingerprint } from '../../stores/redis/redis-content.ts';
import type { DumpedKey, RedisWriter, RenamePair } from '../../stores/redis/redis-store.ts';
import type { ApplyContext } from '../stage.ts';
import { sameKey } from './same-key.ts';
import type { OverwriteEntry } from './undo-entry.ts';

/** Looks again where somebody wrote one of the keys in between. */
const MOST_LOOKS = 5;

/**
 * What the keys tell about a logged overwriting:
 * `nothing`: it was not made, or is taken back already; `vanished`: nor is there a source any more;
 * `put-back`: what was moved stands at the target, the source is free; `restore`: only the destroyed value is missing;
 * `conflict`: both names hold other values; `unknown`: it cannot be told whose the target's value is.
 */
type Judgement = 'nothing' | 'vanished' | 'put-back' | 'restore' | 'conflict' | 'unknown';

/** What became of one overwriting, in numbers of keys, and whether it is settled: older entries do not concern it. */
export interface Undone {
  readonly count: 'moved' | 'vanished' | 'conflicts' | 'failed' | undefined;
  readonly settled: boolean;
}

/**
 * Takes one overwriting back: the source gets the value that the target has now, and the destroyed value goes where the
 * target's name is free. `made` where the log says that it was made; otherwise the keys must tell.
 */
export async function undoOverwrite(
  entry: OverwriteEntry,
  made: boolean,
  ctx: ApplyContext<RedisWriter>,
): Promise<Undone> {
  const pair = { from: fromJson(entry.target), to: fromJson(entry.key) };
  for (let look = 1; look <= MOST_LOOKS; look += 1) {
    const judgement = await judge(entry, { made, pair, ctx });
    if (judgement === 'nothing') return { count: undefined, settled: made };
    if (judgement === 'vanished') return { count: 'vanished', settled: made };
    if (judgement === 'conflict') return { count: 'conflicts', settled: true };
    if (judgement === 'unknown') break;
    const dumped = await stillValid(entry, ctx);
    if (judgement === 'restore') {
      if (dumped === undefined || (await ctx.store.restore(pair.from, dumped))) return restored(dumped);
    } else {
      const stillSo = async () => (await judge(entry, { made, pair, ctx })) === 'put-back';
      const outcome = await ctx.store.putBackUnwritten({ ...pair, dumped }, stillSo);
      if (outcome === 'done') return { count: 'moved', settled: true };
    }
  }
  const reason = 'it cannot be told whether the value at the target is the one that was moved: both names stay';
  ctx.emit({ type: 'record-failed', stage: 'redis', record: printable(pair.to), reason });
  return { count: 'failed', settled: true };
}

async function judge(
  { destroyed, moved }: OverwriteEntry,
  { made, pair, ctx }: { made: boolean; pair: RenamePair; ctx: ApplyContext<RedisWriter> },
): Promise<Judgement> {
  const [target, source] = await ctx.store.fingerprints([pair.from, pair.to]);
  const is = (a: KeyFingerprint | undefined, b: KeyFingerprint) => a !== undefined && sameKey(a, b, ctx.store);
  if (target === undefined && made) return 'restore';
  if (target === undefined || is(target, destroyed)) return source === undefined ? 'vanished' : 'nothing';
  if (source !== undefined) return 'conflict';
  return made || is(target, moved) ? 'put-back' : 'unknown';
}

/** The destroyed value; undefined where its time has passed. */
async function stillValid(
  { payload, expiresAt }: OverwriteEntry,
  ctx: ApplyContext<RedisWriter>,
): Promise<DumpedKey | undefined> {
  if (expiresAt >= 0 && expiresAt <= (await ctx.store.now())) return undefined;
  return { payload: Buffer.from(payload, 'base64'), expiresAt };
}

function restored(dumped: DumpedKey | undefined): Undone {
  return { count: dumped === undefined ? undefined : 'moved', settled: true };
}

import type { KeyFingerprint } from '../../stores/redis/redis-content.ts';
import type { RedisReader, RenamePair } from '../../stores/redis/redis-store.ts';
import type { PlanContext } from '../stage.ts';
import { sameKey } from './same-key.ts';

/** What stands at both names of a pair. */
export interface Ends {
  readonly pair: RenamePair;
  readonly source: KeyFingerprint | undefined;
  readonly target: KeyFingerprint | undefined;
  /** Whether the keys are the same but for their names; `gone` where one of them is missing. */
  readonly equal: boolean | 'gone';
}

export async function compareEnds(
  pairs: readonly RenamePair[],
  ctx: PlanContext<RedisReader>,
): Promise<readonly Ends[]> {
  const sources = await ctx.store.fingerprints(pairs.map(({ from }) => from));
  const targets = await ctx.store.fingerprints(pairs.map(({ to }) => to));
  return pairs.map((pair, index) => {
    const [source, target] = [sources[index], targets[index]];
    const equal = source === undefined || target === undefined ? 'gone' : sameKey(source, target, ctx.store);
    return { pair, source, target, equal };
  });
}

import type { RedisReader, RenamePair } from '../../stores/redis/redis-store.ts';
import type { PlanContext } from '../stage.ts';
import { sameKey } from './plan.ts';

/** Whether each pair's keys are the same but for their names; `gone` where one of them is missing. */
export async function compareEnds(
  pairs: readonly RenamePair[],
  ctx: PlanContext<RedisReader>,
): Promise<readonly { readonly pair: RenamePair; readonly equal: boolean | 'gone' }[]> {
  const sources = await ctx.store.fingerprints(pairs.map(({ from }) => from));
  const targets = await ctx.store.fingerprints(pairs.map(({ to }) => to));
  return pairs.map((pair, index) => {
    const [a, b] = [sources[index], targets[index]];
    return { pair, equal: a === undefined || b === undefined ? 'gone' : sameKey(a, b, ctx.store) };
  });
}

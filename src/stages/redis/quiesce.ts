import type { Move } from '../../model/move.ts';
import type { RedisWriter } from '../../stores/redis/redis-store.ts';
import type { PlanContext } from '../stage.ts';

/** See the contract: ends the connections of earlier processes of this run, or waits where that is forbidden. */
export async function quiesceRedis(_moves: readonly Move[], ctx: PlanContext<RedisWriter>): Promise<void> {
  if (await ctx.store.endNamesakes()) return;
  const { settleMs } = ctx.options;
  const text = `connections of an earlier process cannot be ended at the server: waits ${settleMs / 1_000} s for what they may have sent`;
  ctx.emit({ type: 'note', stage: 'redis', text });
  await passed(settleMs, ctx.signal);
}

/** Rejects with the signal's reason when the run is stopped. */
function passed(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
  });
}

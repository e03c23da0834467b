import { DRAGONFLY_HEADROOM, isShortForRenames } from '../../model/dragonfly-headroom.ts';
import type { RedisWriter } from '../../stores/redis/redis-store.ts';
import type { ApplyContext } from '../stage.ts';
import { ByteBudget } from './byte-budget.ts';
import type { Differing } from './copy-again.ts';
import { COPY_BYTES } from './copy-keys.ts';
import { OutOfMemory } from './out-of-memory.ts';
import type { RedisPlan } from './redis-plan.ts';

/** What all batches of one apply share. */
export class ApplyRoom {
  readonly budget = new ByteBudget(COPY_BYTES);
  /** Pairs that were found with different content, to be looked at when all else is done. */
  readonly differing: Differing[] = [];
  readonly memory: OutOfMemory;
  readonly #plan: RedisPlan;
  readonly #ctx: ApplyContext<RedisWriter>;
  #short = false;

  constructor(plan: RedisPlan, ctx: ApplyContext<RedisWriter>) {
    this.memory = new OutOfMemory(plan.templates, plan.moves, ctx);
    this.#plan = plan;
    this.#ctx = ctx;
  }

  /** Which keys of the next batch are copied: asked before each, since a Dragonfly may have become short of memory. */
  async copies(): Promise<RedisPlan['copies']> {
    if (this.#plan.copies !== 'when-short') return this.#plan.copies;
    if (!this.#short && isShortForRenames(await this.#ctx.store.server())) this.#becomeShort();
    return this.#short ? 'all' : 'when-short';
  }

  #becomeShort(): void {
    this.#short = true;
    const share = `${DRAGONFLY_HEADROOM * 100} %`;
    const text = `less than ${share} of the server's memory are free now: the keys are copied from here on`;
    this.#ctx.emit({ type: 'note', stage: 'redis', text });
  }
}

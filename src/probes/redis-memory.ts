import type { MeasuredSpec } from '../model/probe-spec.ts';
import type { RedisReader } from '../stores/redis/redis-store.ts';
import type { KeptReader } from './kept-reader.ts';
import { measured } from './measured.ts';
import { ABORT_LOOKS, CALM_LOOKS, type Probe } from './probe.ts';

/** The share of its `maxmemory` that Redis uses; in a cluster of the master that has the least left. */
export function redisMemory(spec: MeasuredSpec, reader: KeptReader<Pick<RedisReader, 'server' | 'close'>>): Probe {
  return {
    name: spec.kind,
    spoken: false,
    calmLooks: CALM_LOOKS,
    abortLooks: ABORT_LOOKS,
    async look() {
      const { usedMemory, maxMemory } = await (await reader.get()).server();
      if (maxMemory === 0) return { level: 'go', calm: 'go', reason: '', blind: 'the server has no maxmemory' };
      return measured(spec, 'redis memory', usedMemory / maxMemory);
    },
    close: () => reader.close(),
  };
}

import type { MeasuredSpec } from '../model/probe-spec.ts';
import type { RedisReader } from '../stores/redis/redis-store.ts';
import type { KeptReader } from './kept-reader.ts';
import { measured } from './measured.ts';
import { ABORT_LOOKS, CALM_LOOKS, type Probe } from './probe.ts';

/** What the longest threshold is waited over before the answer's absence is a measurement too, ms. */
const BEYOND_MS = 250;
const LONGEST_WAIT_MS = 4_000;

/**
 * How long Redis takes to answer a PING on a connection that carries nothing else. A server that does not answer is not
 * waited for: it has taken as long as the PING is on its way.
 */
export function redisLatency(spec: MeasuredSpec, reader: KeptReader<Pick<RedisReader, 'latencyMs' | 'close'>>): Probe {
  const patienceMs = Math.min(LONGEST_WAIT_MS, Math.max(...Object.values(spec.levels)) + BEYOND_MS);
  let asking: { readonly since: number; readonly answer: Promise<number> } | undefined;
  return {
    name: spec.kind,
    spoken: false,
    calmLooks: CALM_LOOKS,
    abortLooks: ABORT_LOOKS,
    async look() {
      // That a connection is made is no measurement.
      const store = await reader.get();
      asking ??= { since: performance.now(), answer: store.latencyMs() };
      const { since, answer } = asking;
      const ms = await answeredWithin(answer, patienceMs).catch((error: unknown) => {
        asking = undefined;
        throw error;
      });
      if (ms !== undefined) asking = undefined;
      return measured(spec, 'redis latency', ms ?? performance.now() - since);
    },
    close: () => reader.close(),
  };
}

/** The answer, or undefined where it is not there in time. */
async function answeredWithin(answer: Promise<number>, ms: number): Promise<number | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

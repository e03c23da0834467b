import { between } from '../../../scripts/seed/random.ts';
import type { Site } from './fault.ts';
import type { FaultProxy, Trigger } from './fault-proxy.ts';
import type { ProxyName } from './slot.ts';

/** About how much a run of a small world sends to each store, and what its writes look like on the wire. */
const TRAFFIC: Readonly<Record<ProxyName, { up: number; down: number; write: string; writes: number }>> = {
  redis: { up: 110_000, down: 290_000, write: 'renamenx', writes: 100 },
  qdrant: { up: 40_000, down: 110_000, write: '?wait=true', writes: 12 },
  api: { up: 1_850, down: 10_000, write: 'PUT /', writes: 1 },
  graph: { up: 9_000, down: 60_000, write: 'SET n:', writes: 2 },
};

export function proxyOf({ slot }: Site, name: ProxyName): FaultProxy {
  const proxy = slot.proxies[name];
  if (proxy === undefined) throw new Error(`this slot has no ${name}`);
  return proxy;
}

/** Some place in what the client sends: every second time right before one of its writes. */
export function somewhereUp({ random }: Site, name: ProxyName): Trigger {
  const { up, write, writes } = TRAFFIC[name];
  if (random() < 0.5) return { text: write, nth: between(random, 1, writes + 1) };
  return { direction: 'up', bytes: between(random, 0, up) };
}

export function somewhereDown({ random }: Site, name: ProxyName): Trigger {
  return { direction: 'down', bytes: between(random, 1, TRAFFIC[name].down) };
}

export function placeText(trigger: Trigger): string {
  return 'text' in trigger
    ? `at the ${trigger.nth}. '${trigger.text}'`
    : `after ${trigger.bytes} bytes ${trigger.direction}`;
}

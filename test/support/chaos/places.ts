import { between } from '../../../scripts/seed/random.ts';
import type { Site } from './fault.ts';
import type { FaultProxy, Trigger } from './fault-proxy.ts';
import type { ProxyName } from './slot.ts';

interface Traffic {
  readonly up: number;
  readonly down: number;
  /** What the writes look like on the wire, and about how many there are of each. */
  readonly writes: readonly (readonly [text: string, times: number])[];
}

/** About how much a run of a small world sends to each store. */
const TRAFFIC: Readonly<Record<ProxyName, Traffic>> = {
  redis: {
    up: 165_000,
    down: 220_000,
    writes: [
      ['renamenx', 100],
      ["redis.call('SET'", 3],
    ],
  },
  qdrant: {
    up: 55_000,
    down: 150_000,
    writes: [
      ['/points?wait=true', 8],
      ['/points/payload?wait=true', 6],
      ['/points/delete?wait=true', 6],
    ],
  },
  api: {
    up: 2_250,
    down: 13_400,
    writes: [
      ['PUT /', 1],
      ['/refresh', 1],
    ],
  },
  graph: {
    up: 9_000,
    down: 60_000,
    writes: [
      ['SET n:', 2],
      [' INDEX `', 6],
      ['DROP INDEX `', 3],
    ],
  },
};

/** Where keys are copied, in the place of the renames: what makes copies, and what rewrites values and removes sources. */
const COPY_WRITES: Traffic['writes'] = [
  ['RESTORE', 100],
  ["redis.call('SET'", 3],
  ["redis.call('UNLINK'", 100],
];

export function proxyOf({ slot }: Site, name: ProxyName): FaultProxy {
  const proxy = slot.proxies[name];
  if (proxy === undefined) throw new Error(`this slot has no ${name}`);
  return proxy;
}

/** Some place in what the client sends: every second time right before one of its writes. */
export function somewhereUp({ random, loaded }: Site, name: ProxyName): Trigger {
  const { up, writes } = TRAFFIC[name];
  const made = name === 'redis' && loaded.copies ? COPY_WRITES : writes;
  const [text, times] = made[between(random, 0, made.length)] ?? ['', 1];
  if (random() < 0.5) return { text, nth: between(random, 1, times + 1) };
  return { direction: 'up', bytes: between(random, 0, up * shareOf(name, loaded)) };
}

export function somewhereDown({ random, loaded }: Site, name: ProxyName): Trigger {
  return { direction: 'down', bytes: between(random, 1, TRAFFIC[name].down * shareOf(name, loaded)) };
}

/** Copies go through this process, and each is read again at both ends. */
function shareOf(name: ProxyName, { copies }: Site['loaded']): number {
  return name === 'redis' && copies ? 4 : 1;
}

export function placeText(trigger: Trigger): string {
  return 'text' in trigger
    ? `at the ${trigger.nth}. '${trigger.text}'`
    : `after ${trigger.bytes} bytes ${trigger.direction}`;
}

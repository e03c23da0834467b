import type { Direction, FaultProxy, Trigger } from './fault-proxy.ts';

/**
 * The proxies of several servers as one: what is told of all is done to all, and what shall happen once comes at one of
 * them, the next each time, which sees its share of the traffic only.
 */
export function severalProxies(proxies: readonly FaultProxy[]): FaultProxy {
  let next = 0;
  const all = async (work: (proxy: FaultProxy) => Promise<void>): Promise<void> => {
    await Promise.all(proxies.map(work));
  };
  const sum = (direction: Direction) => proxies.reduce((bytes, { passed }) => bytes + passed[direction], 0);
  return {
    port: proxies[0]?.port ?? 0,
    passed: {
      get up() {
        return sum('up');
      },
      get down() {
        return sum('down');
      },
    },
    count: (text) => {
      const counts = proxies.map((proxy) => proxy.count(text));
      return () => counts.reduce((times, count) => times + count(), 0);
    },
    arm: (trigger, action) => {
      proxies[next % proxies.length]?.arm(shareOf(trigger, proxies.length), action);
      next += 1;
    },
    cutAll: () => {
      for (const proxy of proxies) proxy.cutAll();
    },
    refuse: (on) => all((proxy) => proxy.refuse(on)),
    answer: (text) => {
      for (const proxy of proxies) proxy.answer(text);
    },
    setLatency: (ms) => {
      for (const proxy of proxies) proxy.setLatency(ms);
    },
    reset: async () => {
      next = 0;
      await all((proxy) => proxy.reset());
    },
    close: () => all((proxy) => proxy.close()),
  };
}

function shareOf(trigger: Trigger, servers: number): Trigger {
  if ('text' in trigger) return { ...trigger, nth: Math.ceil(trigger.nth / servers) };
  return { ...trigger, bytes: Math.ceil(trigger.bytes / servers) };
}

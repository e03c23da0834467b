import type { Service } from './service.ts';

/** One line for a terminal, such as `redis      native  redis://127.0.0.1:4711  7.0.15  31 ms`. No password. */
export function describeService(service: Service): string {
  const { store, how, url, version, reason, ms } = service;
  const parts = [store.padEnd(10), how.padEnd(12), url ? withoutPassword(url) : undefined, version, reason, `${ms} ms`];
  return parts.filter((part) => part !== undefined).join('  ');
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//***@');
}

import { nodeText } from './node-map.ts';
import type { RedisSettings } from './redis-connection.ts';

/** The server's name in messages and in a run's record, without credentials. A failover does not change it. */
export function redisAddress({ host, port, sentinel }: Pick<RedisSettings, 'host' | 'port' | 'sentinel'>): string {
  if (sentinel === undefined) return `${host}:${port}`;
  return `sentinel:${sentinel.name}@${sentinel.nodes.map(nodeText).join(',')}`;
}

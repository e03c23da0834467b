import type { RedisServer } from '../../stores/redis/redis-server.ts';
import type { Finding } from '../stage.ts';

/** Which server it is, where that is not what most have. A Dragonfly's emulated cluster is spoken to as one server. */
export function serverNotices({ product, version, cluster }: RedisServer): readonly Finding[] {
  if (product !== 'dragonfly') return [];
  const mode = cluster ? ', whose cluster mode needs no cluster client: it is spoken to as one server' : '';
  const message = `the server is a Dragonfly ${version}${mode}`;
  return [{ stage: 'redis', kind: 'server', severity: 'notice', message, where: product }];
}

import { RedisCluster } from './redis-cluster.ts';
import { RedisConnection, type RedisSettings } from './redis-connection.ts';
import type { RedisLink } from './redis-link.ts';
import { parseServer } from './redis-server.ts';

/**
 * Connects to the server, and where it is a node of a Redis Cluster to all its masters. A Dragonfly that emulates a
 * cluster is one server: it holds every slot. Throws MigrateError `unreachable`, `unauthorised` or `unsupported`.
 */
export async function openLink(settings: RedisSettings): Promise<RedisLink> {
  const connection = new RedisConnection(settings);
  await connection.open();
  try {
    // Not waited for: a server that is not ready, or tells nothing, is judged by the preflight.
    const [reply] = await connection.readOnce((pipeline) => {
      pipeline.call('INFO', 'server');
    });
    const told = reply !== undefined && 'value' in reply ? parseServer(String(reply.value)) : undefined;
    if (told === undefined || !told.cluster || told.product === 'dragonfly') return connection;
    const cluster = new RedisCluster(settings, connection);
    try {
      await cluster.open();
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

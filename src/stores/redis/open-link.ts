import { MigrateError } from '../../model/errors.ts';
import { parseTopology } from './cluster-topology.ts';
import { RedisCluster } from './redis-cluster.ts';
import { RedisConnection, type RedisSettings, replyError } from './redis-connection.ts';
import type { RedisLink } from './redis-link.ts';
import { parseServer } from './redis-server.ts';

/**
 * Connects to the server, and where it is a node of a Redis Cluster to all its masters. A Dragonfly that emulates a
 * cluster is one server: it holds every slot. Throws MigrateError `unreachable`, `unauthorised` or `unsupported`; the
 * last for a Dragonfly that is a node of a real cluster.
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
    if (told === undefined || !told.cluster) return connection;
    if (told.product === 'dragonfly') {
      await refuseRealCluster(connection);
      return connection;
    }
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

/** INFO calls both `cluster`: emulated is one node that holds all slots. */
async function refuseRealCluster(connection: RedisConnection): Promise<void> {
  const [reply] = await connection.readOnce((pipeline) => {
    pipeline.call('CLUSTER', 'SLOTS');
  });
  const why = reply === undefined ? 'no reply' : 'value' in reply ? spread(reply.value) : replyError(reply);
  if (why === undefined) return;
  const { address } = connection;
  throw new MigrateError('unsupported', `Redis at ${address} is a Dragonfly in a real cluster, as it seems: ${why}`, {
    store: address,
    next: 'let the user run CLUSTER SLOTS where that is refused; a real cluster of Dragonflies is left out with --skip-redis',
  });
}

function spread(slots: unknown): string | undefined {
  const { masters, owners } = parseTopology(slots, '');
  if (masters.size > 1) return `its slots are on ${masters.size} nodes`;
  const free = owners.filter((owner) => owner === undefined).length;
  return free === 0 ? undefined : `${free} slots are nobody's`;
}

import type { RedisLink } from './redis-link.ts';
import { requireValue } from './redis-refusal.ts';
import { parseServer, type RedisServer } from './redis-server.ts';

/** What the server says about itself; of a cluster what its masters say together. */
export async function readServer(link: RedisLink): Promise<RedisServer> {
  if (link.cluster === undefined) return askOne(link);
  await link.cluster.refresh();
  const masters = link.cluster.masters();
  if (masters.length === 0) return { ...(await askOne(link)), down: 'none of its slots are assigned' };
  const [servers, state, migrating] = await Promise.all([
    Promise.all(masters.map(askOne)),
    Promise.all(masters.map(stateOf)),
    link.cluster.migrating(),
  ]);
  return together(servers, { down: state.find((text) => text !== undefined), migrating: migrating.size });
}

async function askOne(link: RedisLink): Promise<RedisServer> {
  return parseServer(await readInfo(link));
}

/** All that INFO tells. Dragonfly leaves the persistence section out where it is not asked for by name. */
export async function readInfo(link: RedisLink): Promise<string> {
  const replies = await link.read((pipeline) => {
    pipeline.call('INFO').call('INFO', 'persistence');
  });
  return replies.map((reply) => String(requireValue(reply, link.address))).join('\r\n');
}

/** Why the cluster does not serve all keys, as this master sees it. */
async function stateOf(link: RedisLink): Promise<string | undefined> {
  const [reply] = await link.read((pipeline) => {
    pipeline.call('CLUSTER', 'INFO');
  });
  const info = String(requireValue(reply, link.address));
  if (!/cluster_state:ok/.test(info)) return `${link.address} says that the cluster is down`;
  const [, assigned] = /cluster_slots_assigned:(\d+)/.exec(info) ?? [];
  return assigned === '16384' ? undefined : `only ${assigned} of its 16384 slots are assigned`;
}

/** Memory is that of the master with the least left; the runs of all make one. */
function together(
  servers: readonly RedisServer[],
  { down, migrating }: { down: string | undefined; migrating: number },
): RedisServer {
  const sum = (count: (server: RedisServer) => number) => servers.reduce((total, server) => total + count(server), 0);
  const left = ({ maxMemory, usedMemory }: RedisServer) =>
    maxMemory === 0 ? Number.POSITIVE_INFINITY : maxMemory - usedMemory;
  const fullest = [...servers].sort((a, b) => left(a) - left(b))[0];
  return {
    product: fullest?.product ?? 'redis',
    version: [...new Set(servers.map(({ version }) => version))].sort().join(', '),
    role: servers.find(({ role }) => role !== 'master')?.role ?? 'master',
    loading: servers.some(({ loading }) => loading),
    cluster: true,
    masters: servers.length,
    ...(down === undefined ? {} : { down }),
    migratingSlots: migrating,
    usedMemory: fullest?.usedMemory ?? 0,
    maxMemory: fullest?.maxMemory ?? 0,
    expiredKeys: sum(({ expiredKeys }) => expiredKeys),
    evictedKeys: sum(({ evictedKeys }) => evictedKeys),
    replicas: sum(({ replicas }) => replicas),
    runId: servers.some(({ runId }) => runId === '') ? '' : servers.map(({ runId }) => runId).join(' '),
  };
}

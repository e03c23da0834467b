import { Redis } from 'ioredis';
import type { RedisServer } from './redis.ts';
import { startRedis } from './redis.ts';
import type { Lifetime } from './service.ts';

const SLOTS = 16_384;
const DEADLINE_MS = 10_000;

/** A real Redis Cluster: masters that share the slots evenly, without replicas. */
export interface RedisCluster {
  readonly nodes: readonly RedisServer[];
  /** Any node; a client learns the others from it. */
  readonly port: number;
  stop(): Promise<void>;
}

/**
 * Starts a cluster of masters from the same redis-server, on free ports of 127.0.0.1, in under two seconds: with the
 * commands that `redis-cli --cluster create` sends. `args` as redis-server takes them, for each node.
 */
export async function startRedisCluster({
  masters = 3,
  args = [],
  lifetime,
}: {
  readonly masters?: number;
  readonly args?: readonly string[];
  readonly lifetime?: Lifetime;
} = {}): Promise<RedisCluster> {
  const nodes = await Promise.all(Array.from({ length: masters }, () => startNode(args, lifetime)));
  const clients = nodes.map(({ port }) => new Redis({ port, host: '127.0.0.1', protocol: 2 }));
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    await join(nodes, clients);
  } catch (error) {
    await stop();
    throw error;
  } finally {
    for (const client of clients) client.disconnect();
  }
  return { nodes, port: nodes[0]?.port ?? 0, stop };
}

async function startNode(args: readonly string[], lifetime: Lifetime | undefined): Promise<RedisServer> {
  const cluster = [
    '--cluster-enabled',
    'yes',
    '--cluster-config-file',
    'nodes.conf',
    '--cluster-node-timeout',
    '60000',
  ];
  const how = { args: [...cluster, ...(await busPort()), ...args] };
  return startRedis(lifetime === undefined ? how : { ...how, lifetime });
}

/** The bus stands 10,000 above the port by default, which may be no port at all. */
async function busPort(): Promise<readonly string[]> {
  const { freePort } = await import('./free-port.ts');
  return ['--cluster-port', `${await freePort()}`];
}

async function join(nodes: readonly RedisServer[], clients: readonly Redis[]): Promise<void> {
  await Promise.all(
    clients.map(async (client, index) => {
      const [first, next] = [index, index + 1].map((at) => Math.floor((at * SLOTS) / clients.length)) as [
        number,
        number,
      ];
      // Older servers know no ranges.
      const slots = Array.from({ length: next - first }, (_, offset) => `${first + offset}`);
      await client.call('CLUSTER', 'SET-CONFIG-EPOCH', `${index + 1}`);
      await client.call('CLUSTER', 'ADDSLOTS', ...slots);
    }),
  );
  const [first, ...others] = clients;
  for (const [index, client] of others.entries()) {
    await first?.call('CLUSTER', 'MEET', '127.0.0.1', `${nodes[index + 1]?.port}`, await busOf(client));
  }
  const end = Date.now() + DEADLINE_MS;
  for (;;) {
    const infos = await Promise.all(clients.map((client) => client.call('CLUSTER', 'INFO')));
    const knows = new RegExp(`cluster_known_nodes:${nodes.length}\\b`);
    if (infos.every((info) => /cluster_state:ok/.test(String(info)) && knows.test(String(info)))) return;
    if (Date.now() > end) throw new Error(`the cluster did not come up: ${String(infos[0])}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function busOf(client: Redis): Promise<string> {
  const [, port = ''] = (await client.call('CONFIG', 'GET', 'cluster-port')) as string[];
  return port;
}

import type { Redis } from 'ioredis';
import { MigrateError } from '../../model/errors.ts';
import { type Node, nodeText, parseNode, reachableNode } from './node-map.ts';
import { redisAddress } from './redis-address.ts';
import type { RedisSettings } from './redis-connection.ts';

/** The sentinels that know which server is the master now. */
export interface RedisSentinel {
  /** The master's name there. */
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** Longest wait for one of the sentinels: the next may know. */
const LONGEST_WAIT_MS = 2_000;

/**
 * The master as the first sentinel that answers names it, where it is reached from here. `announced` is the sentinel's
 * own word. Throws MigrateError: `unreachable` where none answers, `missing` where none knows the name.
 */
export async function masterOf(
  settings: RedisSettings,
  connect: (node: Node) => Promise<Redis>,
): Promise<{ readonly node: Node; readonly announced: Node }> {
  const { name, nodes } = sentinelOf(settings);
  const answers: string[] = [];
  let unknown = 0;
  let refused: MigrateError | undefined;
  for (const sentinel of nodes) {
    try {
      const announced = await ask(await connect(sentinel), name);
      if (announced !== undefined) return { node: reachableNode(announced, settings.nodeMap), announced };
      unknown += 1;
      answers.push(`${nodeText(sentinel)} knows no master '${name}'`);
    } catch (error) {
      if (error instanceof MigrateError && !error.retryable) refused = error;
      answers.push(`${nodeText(sentinel)}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (refused !== undefined) throw refused;
  throw new MigrateError(
    unknown > 0 ? 'missing' : 'unreachable',
    `no sentinel tells where the master is: ${answers.join('; ')}`,
    {
      store: redisAddress(settings),
      retryable: unknown === 0,
      next:
        unknown > 0
          ? 'correct --redis-sentinel-name (SENTINEL MASTERS lists the names), or --skip-redis'
          : 'correct --redis-sentinel, or leave Redis out with --skip-redis',
    },
  );
}

/** As the connections to sentinels are made: without database, with a login of their own, soon given up. */
export function sentinelSettings(settings: RedisSettings): RedisSettings {
  const { username, password } = sentinelOf(settings);
  return {
    ...settings,
    db: 0,
    username,
    password,
    connectTimeoutMs: Math.min(settings.connectTimeoutMs, LONGEST_WAIT_MS),
    replyTimeoutMs: Math.min(settings.replyTimeoutMs, LONGEST_WAIT_MS),
  };
}

function sentinelOf({ sentinel }: RedisSettings): RedisSentinel {
  if (sentinel === undefined) throw new MigrateError('internal', 'no sentinel is set');
  return sentinel;
}

async function ask(client: Redis, name: string): Promise<Node | undefined> {
  try {
    const reply = (await client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)) as [string, string] | null;
    return reply === null
      ? undefined
      : parseNode(reply[0].includes(':') ? `[${reply[0]}]` : reply[0], Number(reply[1]));
  } finally {
    client.disconnect();
  }
}

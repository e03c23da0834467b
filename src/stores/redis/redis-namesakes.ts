import { setTimeout as sleep } from 'node:timers/promises';
import { MigrateError } from '../../model/errors.ts';
import { replyError } from './redis-connection.ts';
import type { RedisLink } from './redis-link.ts';

/** Looks until no namesake is left: the first ends them, a server with threads may take a moment. */
const MOST_LOOKS = 20;
const PAUSE_MS = 50;

/**
 * Ends all connections that have this one's name, but itself. What they have sent and the server has not yet read
 * cannot arrive any more. False where this user may not list or end connections.
 */
export async function endNamesakes(connection: RedisLink): Promise<boolean> {
  for (let look = 1; look <= MOST_LOOKS; look += 1) {
    const others = await namesakes(connection);
    if (others === undefined) return false;
    if (others.length === 0) return true;
    const replies = await connection.read((pipeline) => {
      for (const id of others) pipeline.call('CLIENT', 'KILL', 'ID', id);
    });
    if (replies.map(replyError).some((error) => error !== '' && !/no such client/i.test(error))) return false;
    if (look > 1) await sleep(PAUSE_MS);
  }
  throw new MigrateError('store', `another process of this run keeps connecting to Redis at ${connection.address}`, {
    store: connection.address,
    next: 'end that process, then type the same command again',
  });
}

/** Ids of the other connections with this one's name; undefined where the server does not tell. */
async function namesakes(connection: RedisLink): Promise<readonly string[] | undefined> {
  const [reply] = await connection.read((pipeline) => {
    pipeline.call('CLIENT', 'LIST');
  });
  // Read after the reply: the list may have cost a new connection.
  const own = connection.clientId;
  if (reply === undefined || 'error' in reply || own === undefined) return undefined;
  const named = [...String(reply.value).matchAll(/^id=(\d+) .*?\bname=(\S*)/gm)]
    .filter(([, , name]) => name === connection.clientName)
    .map(([, id = '']) => id);
  // Where this one could not name itself, neither could they.
  return named.includes(own) ? named.filter((id) => id !== own) : undefined;
}

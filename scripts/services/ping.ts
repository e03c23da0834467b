import { Redis } from 'ioredis';
import neo4j from 'neo4j-driver';
import { request } from 'undici';
import type { Service, StoreName } from './service.ts';

/**
 * Asks a server who it is, in at most five seconds; resolves with its version where
 * it tells one, rejects where it does not answer.
 */
export function ping({
  store,
  url,
  auth,
}: Pick<Service, 'store' | 'auth'> & { url: string }): Promise<string | undefined> {
  return asks[store](url, auth);
}

const patience = 5_000;

const asks: Record<StoreName, (url: string, auth: Service['auth']) => Promise<string | undefined>> = {
  redis: askRedis,
  dragonfly: askRedis,
  qdrant: askQdrant,
  graph: askGraph,
  memgraph: askGraph,
  api: askApi,
};

async function askRedis(url: string): Promise<string | undefined> {
  const redis = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: patience,
    commandTimeout: patience,
  });
  const seen: Error[] = [];
  redis.on('error', (error: Error) => seen.push(error));
  try {
    await redis.connect();
    const info = await redis.info('server');
    // Dragonfly and Valkey name a Redis version too, the one that they are compatible with.
    const said = (name: string) => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1];
    return said('dragonfly_version') ?? said('valkey_version') ?? said('redis_version');
  } catch (error) {
    throw seen[0] ?? error; // connect() itself says no more than that the connection is closed
  } finally {
    redis.disconnect();
  }
}

async function askGraph(url: string, auth: Service['auth']): Promise<string | undefined> {
  const token = auth ? neo4j.auth.basic(auth.username, auth.password) : undefined;
  const driver = neo4j.driver(url, token, { connectionTimeout: patience, maxTransactionRetryTime: patience });
  try {
    return (await driver.getServerInfo()).agent;
  } finally {
    await driver.close();
  }
}

async function askQdrant(url: string): Promise<string> {
  const { version } = JSON.parse(await get(url)) as { version?: string };
  if (version === undefined) throw new Error('it answers, but not as Qdrant does');
  return version;
}

/** Any answer will do: the paths of a config API are its own. */
async function askApi(url: string): Promise<undefined> {
  await get(url);
}

async function get(url: string): Promise<string> {
  const reply = await request(url, { headersTimeout: patience, bodyTimeout: patience });
  return reply.body.text();
}

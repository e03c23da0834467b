import { request } from 'undici';
import type { Settings } from '../cli/settings.ts';
import { errorText, MigrateError } from '../model/errors.ts';
import { ragApi } from '../profiles/rag-api.ts';
import type { StageName } from '../stages/stage.ts';
import { openGraphReader } from '../stores/graph/graph-store.ts';
import { openQdrantReader } from '../stores/qdrant/qdrant-store.ts';
import { openRedisReader } from '../stores/redis/redis-store.ts';
import { configSettings, graphSettings, qdrantSettings } from '../wire.ts';
import { redisDatabases } from './redis-settings.ts';

/** What became of a look at a store. */
export interface Look {
  readonly stage: StageName;
  /** Without a login. */
  readonly address: string;
  readonly answers: boolean;
  /** What the server is, such as `Redis 7.0.15`; that it wants a login; or why it did not answer. */
  readonly says: string;
}

/** Longer than any server on this machine or behind a tunnel takes. */
const PATIENCE_MS = 3_000;

/** Asks each store once what it is, all at the same time. Changes nothing and never throws. */
export async function lookAtStores(settings: Settings): Promise<readonly Look[]> {
  const quick = { ...settings, 'connect-timeout': 2_000, 'request-timeout': 2_000 };
  const given = { settings: quick, profile: ragApi, emit: () => undefined };
  const [redis] = redisDatabases(quick, { clientName: 'tenant-migrate' });
  const [config, qdrant, graph] = [configSettings(given), qdrantSettings(given), graphSettings(given)];
  return Promise.all([
    look('config', config.url, () => configApi(config.url)),
    look('redis', redis === undefined ? '' : `${redis.host}:${redis.port}`, async () => {
      if (redis === undefined) throw new Error('no database');
      return using(await openRedisReader(redis), async (reader) => {
        const { product, version } = await reader.server();
        return `${product} ${version}`;
      });
    }),
    look('qdrant', qdrant.url, async () =>
      using(await openQdrantReader(qdrant), async (reader) => `Qdrant ${await reader.version()}`),
    ),
    look('graph', graph.url, async () =>
      using(await openGraphReader(graph), async ({ server }) => `${server.dialect.name} ${server.version}`),
    ),
  ]);
}

async function look(stage: StageName, address: string, ask: () => Promise<string>): Promise<Look> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('does not answer')), PATIENCE_MS);
  });
  try {
    return { stage, address, answers: true, says: await Promise.race([ask(), late]) };
  } catch (error) {
    const wantsLogin = error instanceof MigrateError && (error.code === 'unauthorised' || error.code === 'denied');
    return { stage, address, answers: wantsLogin, says: wantsLogin ? 'wants a login' : errorText(error) };
  } finally {
    clearTimeout(timer);
  }
}

async function using<T extends { close(): Promise<void> }>(opened: T, ask: (opened: T) => Promise<string>) {
  try {
    return await ask(opened);
  } finally {
    await opened.close();
  }
}

/** It has no address that tells what it is: any answer will do. */
async function configApi(url: string): Promise<string> {
  const { statusCode, body } = await request(url, { headersTimeout: 2_000, bodyTimeout: 2_000 });
  await body.dump();
  return `HTTP (${statusCode})`;
}

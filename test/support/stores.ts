import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { tenantConfig } from '../../scripts/seed/tenant-config.ts';
import { type SeededTenant, seedTenant } from '../../scripts/seed.ts';
import { startConfigApiStandIn } from './config-api-stand-in.ts';
import { startQdrantStandIn } from './qdrant-stand-in.ts';
import { freshRedis } from './redis-server.ts';

export type Stores = Awaited<ReturnType<typeof startStores>>;

/** One server of each kind: an own real Redis, the shared real Neo4j, and stand-ins for Qdrant and the config API. */
export async function startStores(
  options: {
    qdrant?: Parameters<typeof startQdrantStandIn>[0];
    api?: Parameters<typeof startConfigApiStandIn>[0];
    redis?: readonly string[];
  } = {},
) {
  const redis = await freshRedis(options.redis ?? []);
  const qdrant = await startQdrantStandIn(options.qdrant);
  const api = await startConfigApiStandIn(options.api);
  const urls = { redisUrl: redis.url, qdrantUrl: qdrant.url, graphUrl: inject('graphUrl'), apiUrl: api.url };
  return {
    redis,
    qdrant,
    api,
    urls,
    /** The flags that lead to these servers. */
    flags: [
      '--redis-url',
      urls.redisUrl,
      '--qdrant-url',
      urls.qdrantUrl,
      '--graph-url',
      urls.graphUrl,
      '--api-url',
      urls.apiUrl,
    ],
    /** A small tenant in every store. */
    seedSmall: (tenant: string): Promise<SeededTenant> => seedTenant(smallTenant(tenant), urls),
    async stop(): Promise<void> {
      await Promise.all([redis.stop(), qdrant.close(), api.close()]);
    },
  };
}

function smallTenant(tenant: string) {
  return {
    tenant,
    keys: 120,
    points: { lightrag_vdb_chunks: 12, lightrag_vdb_entities: 40 },
    nodes: 30,
    relationships: 30,
  };
}

/** An id that no other test uses: the graph is shared. */
export function freshId(name: string): string {
  return `${name}_${randomBytes(4).toString('hex')}`;
}

/** The values that the config API masks, as `--config-secrets` takes them. */
export function secretsOf(tenant: string): string {
  const secrets: Record<string, Record<string, string>> = {};
  for (const [section, members] of Object.entries(tenantConfig(1, tenant))) {
    for (const [name, value] of Object.entries(members)) {
      if (name === 'api_key' || name === 'api_token') secrets[section] = { ...secrets[section], [name]: String(value) };
    }
  }
  return JSON.stringify(secrets);
}

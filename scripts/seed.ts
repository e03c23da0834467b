import { parseArgs } from 'node:util';
import type { IdScheme } from './seed/point-id.ts';
import { seedConfig } from './seed/seed-config.ts';
import { type SeededGraph, seedGraph } from './seed/seed-graph.ts';
import { seedPoints } from './seed/seed-qdrant.ts';
import { type SeededKeys, seedRedis } from './seed/seed-redis.ts';
import { guideTenant, neighbours, scaled, type TenantSize } from './seed/tenant-size.ts';
import { readState } from './services/state.ts';

/** What is seeded where. A store without a URL is left out. */
export interface SeedOptions {
  readonly redisUrl?: string | undefined;
  readonly qdrantUrl?: string | undefined;
  readonly graphUrl?: string | undefined;
  readonly graphAuth?: { readonly username: string; readonly password: string } | undefined;
  readonly apiUrl?: string | undefined;
  /** Decides every id and every value. Default: 1. */
  readonly seed?: number;
  /** Multiplies the counts of the default tenants. Default: 1, the guide's numbers. */
  readonly scale?: number;
  /** Default: the guide's `siraya` and its four neighbours. */
  readonly tenants?: readonly TenantSize[];
  /** Of each vector. Default: 64. */
  readonly dimensions?: number;
  /** Default: `random`, ids that do not depend on the tenant. */
  readonly idScheme?: IdScheme;
}

/** What one tenant has now. A store that was left out counts 0. */
export interface SeededTenant extends SeededKeys, SeededGraph {
  readonly tenant: string;
  /** By collection. */
  readonly points: Readonly<Record<string, number>>;
  readonly config: boolean;
}

export interface SeedSummary {
  readonly seed: number;
  readonly tenants: readonly SeededTenant[];
  readonly ms: number;
}

/** Fills the stores with the guide's tenant and its neighbours. The same options give the same data. */
export async function seed(options: SeedOptions): Promise<SeedSummary> {
  const begun = performance.now();
  const tenants: SeededTenant[] = [];
  for (const size of options.tenants ??
    [guideTenant, ...neighbours].map((tenant) => scaled(tenant, options.scale ?? 1))) {
    tenants.push(await seedTenant(size, options));
  }
  return { seed: options.seed ?? 1, tenants, ms: Math.round(performance.now() - begun) };
}

/** Gives one tenant what `size` says, in every store that `options` names; the stores are filled side by side. */
export async function seedTenant(size: TenantSize, options: SeedOptions): Promise<SeededTenant> {
  const { tenant, keys, nodes, relationships } = size;
  const { redisUrl, graphUrl, apiUrl, graphAuth } = options;
  const about = { seed: options.seed ?? 1, tenant };
  const [redis, points, graph] = await Promise.all([
    redisUrl ? seedRedis({ ...about, redisUrl, keys }) : { keys: 0, unclaimed: 0 },
    seedCollections(size, options),
    graphUrl
      ? seedGraph({ ...about, graphUrl, nodes, relationships, ...(graphAuth && { auth: graphAuth }) })
      : { nodes: 0, relationships: 0 },
    apiUrl ? seedConfig({ ...about, apiUrl }) : undefined,
  ]);
  return { tenant, ...redis, points, ...graph, config: Boolean(apiUrl) };
}

async function seedCollections(size: TenantSize, options: SeedOptions): Promise<Record<string, number>> {
  const { qdrantUrl, seed = 1, dimensions = 64, idScheme = 'random' } = options;
  const written: Record<string, number> = {};
  if (!qdrantUrl) return written;
  for (const [collection, count] of Object.entries(size.points)) {
    const { tenant } = size;
    written[collection] = await seedPoints({ qdrantUrl, seed, tenant, collection, count, dimensions, idScheme });
  }
  return written;
}

/** As a command: fills the servers that `services up` left running; prints the summary as JSON. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      scale: { type: 'string', default: '1' },
      dimensions: { type: 'string', default: '64' },
      'id-scheme': { type: 'string', default: 'random' },
    },
  });
  const state = await readState();
  const url = (store: string) => state.find((service) => service.store === store)?.url;
  const summary = await seed({
    redisUrl: url('redis'),
    qdrantUrl: url('qdrant'),
    graphUrl: url('graph'),
    apiUrl: url('api'),
    seed: Number(values.seed),
    scale: Number(values.scale),
    dimensions: Number(values.dimensions),
    idScheme: values['id-scheme'] === 'lightrag' ? 'lightrag' : 'random',
  });
  console.log(JSON.stringify(summary, undefined, 2));
}

if (process.argv[1] === import.meta.filename) await main();

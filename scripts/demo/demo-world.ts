import { writeFile } from 'node:fs/promises';
import { Redis } from 'ioredis';
import { movedWorld, readWorld, type World, type WorldUrls, worldDifferences } from '../../test/support/world.ts';
import { tenantConfig } from '../seed/tenant-config.ts';
import { guideTenant, neighbours, type TenantSize } from '../seed/tenant-size.ts';
import { seed } from '../seed.ts';
import type { Service, StoreName } from '../services/service.ts';

export const SOURCE = 'siraya';
export const TARGET = 'tenant_76920508';
const TENANTS = [SOURCE, TARGET, 'siraya_eu', 'my_siraya', 'sirayax', 'other'];

export type DemoUrls = WorldUrls & { readonly tenants: readonly string[] };

/** A heading. */
export function say(text: string): void {
  console.log(`\n── ${text}`);
}

export function urlsOf(services: readonly Service[]): DemoUrls {
  const url = (store: StoreName) => services.find((service) => service.store === store)?.url;
  return {
    redisUrl: url('redis'),
    qdrantUrl: url('qdrant'),
    graphUrl: url('graph'),
    apiUrl: url('api'),
    tenants: TENANTS,
  };
}

/** Fills the stores, by default with the guide's tenant and its neighbours. Throws where they are not empty. */
export async function seedDemo(urls: DemoUrls, tenant: TenantSize = guideTenant): Promise<World> {
  await refuseFullServer(urls.redisUrl);
  say('Seeding the guide’s tenant and four neighbours whose ids look alike');
  const { tenants: _read, ...stores } = urls;
  // With LightRAG's point ids, which are made from the tenant: they have to change with it.
  const seeded = await seed({ ...stores, tenants: [tenant, ...neighbours], idScheme: 'lightrag' });
  for (const { tenant: id, keys, points, nodes } of seeded.tenants) {
    const pointCount = Object.values(points).reduce((sum, count) => sum + count, 0);
    console.log(`   ${id.padEnd(12)} ${keys} keys, ${pointCount} points, ${nodes} nodes`);
  }
  return readWorld(urls);
}

/** The values that the API masks, as whoever runs a move has them at hand. */
export async function writeSecrets(path: string): Promise<void> {
  const secrets: Record<string, Record<string, string>> = {};
  for (const [section, members] of Object.entries(tenantConfig(1, SOURCE))) {
    for (const [name, value] of Object.entries(members)) {
      if (name === 'api_key' || name === 'api_token') secrets[section] = { ...secrets[section], [name]: String(value) };
    }
  }
  await writeFile(path, JSON.stringify(secrets), { mode: 0o600 });
}

/** What must be there once the source is the target. The new config is the API's own writing: taken as it is. */
export function expectedAfter(before: World, after: World): World {
  const expected = new Map(movedWorld(before, SOURCE, TARGET));
  expected.set(`config ${TARGET}`, after.get(`config ${TARGET}`) ?? '');
  return expected;
}

/** Throws with the differences where the worlds are not the same. */
export function same(expected: World, actual: World, claim: string): void {
  const differences = worldDifferences(expected, actual);
  if (differences.length > 0) throw new Error(`not so: ${claim}\n${differences.join('\n')}`);
  console.log(`   ✅ ${claim}`);
}

async function refuseFullServer(redisUrl: string | undefined): Promise<void> {
  if (redisUrl === undefined) return;
  const redis = new Redis(redisUrl);
  const keys = await redis.dbsize();
  redis.disconnect();
  if (keys > 0)
    throw new Error(
      `the Redis that serves the demo holds ${keys} keys; it wants empty servers (npm run services -- down)`,
    );
}

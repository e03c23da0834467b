import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { movedWorld, readWorld, type WorldUrls, worldDifferences } from '../test/support/world.ts';
import { tenantConfig } from './seed/tenant-config.ts';
import { seed } from './seed.ts';
import { describeService } from './services/describe-service.ts';
import { type Service, type StoreName, storeNames } from './services/service.ts';
import { startServices } from './services/start-services.ts';

/**
 * The main job on real servers with real data: the guide's tenant beside four neighbours is seeded, looked at in a
 * dry run, moved, verified, and moved again. At the end every record of every store is compared with what it must be.
 */
const SOURCE = 'siraya';
const TARGET = 'tenant_76920508';
const TENANTS = [SOURCE, TARGET, 'siraya_eu', 'my_siraya', 'sirayax', 'other'];
const MAIN = join(import.meta.dirname, '..', 'dist', 'main.js');

const say = (text: string) => console.log(`\n── ${text}`);

async function main(): Promise<void> {
  say('Servers');
  const { services, stop } = await startServices({
    stores: storeNames,
    lifetime: 'with-parent',
    env: process.env,
    log: (line) => console.log(`   ${line}`),
  });
  const folder = await mkdtemp(join(tmpdir(), 'tenant-migrate-demo-'));
  try {
    for (const service of services) console.log(`   ${describeService(service)}`);
    await show(services, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
    await stop();
  }
}

async function show(services: readonly Service[], folder: string): Promise<void> {
  const urls = urlsOf(services);
  await refuseFullServer(urls.redisUrl);
  say('Seeding the guide’s tenant and four neighbours whose ids look alike');
  const { tenants: _read, ...stores } = urls;
  const seeded = await seed(stores);
  for (const { tenant, keys, points, nodes } of seeded.tenants) {
    const pointCount = Object.values(points).reduce((sum, count) => sum + count, 0);
    console.log(`   ${tenant.padEnd(12)} ${keys} keys, ${pointCount} points, ${nodes} nodes`);
  }
  const before = await readWorld(urls);

  const flags = [
    ...addressFlags(urls),
    '--state-dir',
    join(folder, 'state'),
    '--config-secrets',
    join(folder, 'secrets.json'),
  ];
  await writeFile(join(folder, 'secrets.json'), JSON.stringify(secretsOf(SOURCE)), { mode: 0o600 });
  say(`tenant-migrate ${SOURCE} ${TARGET} --dry-run`);
  await expectExit(0, [SOURCE, TARGET, '--dry-run', ...flags]);
  same(before, await readWorld(urls), 'the dry run wrote nothing');

  say(`tenant-migrate ${SOURCE} ${TARGET}`);
  const begun = performance.now();
  await expectExit(0, [SOURCE, TARGET, ...flags]);
  const seconds = (performance.now() - begun) / 1_000;
  const after = await readWorld(urls);
  const expected = new Map(movedWorld(before, SOURCE, TARGET));
  expected.set(`config ${TARGET}`, after.get(`config ${TARGET}`) ?? '');
  same(
    expected,
    after,
    `every key, expiry, point, vector, node, relationship and index is where it must be (${after.size} records compared)`,
  );

  say(`tenant-migrate verify ${SOURCE} ${TARGET}`);
  await expectExit(0, ['verify', SOURCE, TARGET, ...flags]);
  say('The same command again');
  await expectExit(0, [
    SOURCE,
    TARGET,
    ...flags.filter((flag, index, all) => flag !== '--config-secrets' && all[index - 1] !== '--config-secrets'),
  ]);

  say('What this showed');
  console.log(
    `   plan, move and verify of the guide’s whole tenant: ${seconds.toFixed(1)} s (its script took 6 minutes)`,
  );
  for (const how of ['environment', 'docker', 'native', 'simulated', 'not run here'] as const) {
    const stores = services
      .filter((service) => service.how === how)
      .map(({ store, version }) => `${store}${version === undefined ? '' : ` ${version}`}`);
    if (stores.length > 0) console.log(`   ${labelOf(how)}: ${stores.join(', ')}`);
  }
}

function labelOf(how: Service['how']): string {
  if (how === 'simulated') return 'simulated by a stand-in of this project';
  return how === 'not run here' ? how : `real (${how})`;
}

function urlsOf(services: readonly Service[]): WorldUrls & { readonly tenants: readonly string[] } {
  const url = (store: StoreName) => services.find((service) => service.store === store)?.url;
  return {
    redisUrl: url('redis'),
    qdrantUrl: url('qdrant'),
    graphUrl: url('graph'),
    apiUrl: url('api'),
    tenants: TENANTS,
  };
}

function addressFlags(urls: WorldUrls): readonly string[] {
  return [
    ...(urls.redisUrl ? ['--redis-url', urls.redisUrl] : ['--skip-redis']),
    ...(urls.qdrantUrl ? ['--qdrant-url', urls.qdrantUrl] : ['--skip-qdrant']),
    ...(urls.graphUrl ? ['--graph-url', urls.graphUrl] : ['--skip-graph']),
    ...(urls.apiUrl ? ['--api-url', urls.apiUrl] : ['--skip-config']),
  ];
}

/** The values that the API masks, as whoever runs a move has them at hand. */
function secretsOf(tenant: string): Record<string, Record<string, string>> {
  const secrets: Record<string, Record<string, string>> = {};
  for (const [section, members] of Object.entries(tenantConfig(1, tenant))) {
    for (const [name, value] of Object.entries(members)) {
      if (name === 'api_key' || name === 'api_token') secrets[section] = { ...secrets[section], [name]: String(value) };
    }
  }
  return secrets;
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

function expectExit(code: number, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', reject);
    child.on('close', (actual) =>
      actual === code ? resolve() : reject(new Error(`exit code ${actual}, expected ${code}`)),
    );
  });
}

function same(
  expected: Parameters<typeof worldDifferences>[0],
  actual: Parameters<typeof worldDifferences>[1],
  claim: string,
): void {
  const differences = worldDifferences(expected, actual);
  if (differences.length > 0) throw new Error(`not so: ${claim}\n${differences.join('\n')}`);
  console.log(`   ✅ ${claim}`);
}

await main();

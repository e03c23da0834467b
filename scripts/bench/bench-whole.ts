import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { tenantConfig } from '../seed/tenant-config.ts';
import { guideTenant, neighbours } from '../seed/tenant-size.ts';
import { seedTenant } from '../seed.ts';
import { startNeo4j } from '../services/neo4j.ts';
import { startRedis } from '../services/redis.ts';
import { startStandIn } from '../services/stand-ins.ts';
import { below, type Row } from './row.ts';
import { type CliRun, runCli } from './run-cli.ts';
import { startSlowLink, through } from './slow-link.ts';

const source = guideTenant.tenant;
const target = 'tenant_76920508';
const SEED = 1;

/** Where the four stores are. */
interface Urls {
  readonly redis: string;
  readonly qdrant: string;
  readonly graph: string;
  readonly api: string;
}

/** The guide's whole tenant through the real command, on loopback and with 50 ms more round trip to every store. */
export async function benchWhole({
  repeat,
  log,
}: {
  repeat: number;
  log(line: string): void;
}): Promise<readonly Row[]> {
  const servers = [
    await startRedis(),
    await startStandIn('qdrant'),
    await startNeo4j({ log }),
    await startStandIn('api'),
  ];
  const [redis, qdrant, graph, api] = servers.map(({ url }) => url);
  const urls: Urls = { redis: redis ?? '', qdrant: qdrant ?? '', graph: graph ?? '', api: api ?? '' };
  const folder = await mkdtemp(join(tmpdir(), 'tenant-migrate-bench-'));
  try {
    log('whole: seeding the guide’s tenant and its neighbours');
    const into = { redisUrl: urls.redis, qdrantUrl: urls.qdrant, graphUrl: urls.graph, apiUrl: urls.api, seed: SEED };
    for (const size of [guideTenant, ...neighbours]) await seedTenant(size, into);
    const secrets = join(folder, 'secrets.json');
    await writeFile(secrets, JSON.stringify(secretsOf(source)), { mode: 0o600 });
    log('whole: loopback');
    const near = await measure({ urls, near: urls, secrets, repeat });
    log('whole: with 50 ms more round trip');
    const far = await measureSlow({ urls, secrets, repeat });
    return [...rowsOf('loopback', near, 6_000), ...rowsOf('+50 ms', far, 12_000)];
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
    await rm(folder, { recursive: true });
  }
}

async function measureSlow({ urls, ...rest }: { urls: Urls; secrets: string; repeat: number }): Promise<CliRun> {
  const links = await Promise.all(Object.values(urls).map((url) => startSlowLink(Number(new URL(url).port))));
  try {
    const slow = Object.entries(urls).map(([store, url], index) => {
      const link = links[index];
      return [store, link === undefined ? url : through(url, link)];
    });
    return await measure({ urls: Object.fromEntries(slow) as unknown as Urls, near: urls, ...rest });
  } finally {
    await Promise.all(links.map((link) => link.stop()));
  }
}

/** The run of median length. After each the tenant is moved back, over the near addresses, and that does not count. */
async function measure(options: { urls: Urls; near: Urls; secrets: string; repeat: number }): Promise<CliRun> {
  const { urls, near, secrets, repeat } = options;
  const runs: CliRun[] = [];
  for (let round = 0; round < repeat; round += 1) {
    runs.push(await runCli([source, target, ...addresses(urls), '--config-secrets', secrets]));
    await runCli([target, source, ...addresses(near), '--skip-config']);
    await deleteConfig(near.api, target);
  }
  return runs.sort((a, b) => a.ms - b.ms)[Math.floor(runs.length / 2)] as CliRun;
}

function addresses({ redis, qdrant, graph, api }: Urls): readonly string[] {
  return ['--redis-url', redis, '--qdrant-url', qdrant, '--graph-url', graph, '--api-url', api];
}

/** What the config API masks. */
function secretsOf(tenant: string): Record<string, Record<string, string>> {
  const sections = Object.entries(tenantConfig(SEED, tenant)).flatMap(([section, members]) => {
    const secret = Object.entries(members).filter(([name]) => name === 'api_key' || name === 'api_token');
    return secret.length === 0 ? [] : [[section, Object.fromEntries(secret)]];
  });
  return Object.fromEntries(sections) as Record<string, Record<string, string>>;
}

async function deleteConfig(apiUrl: string, tenant: string): Promise<void> {
  const reply = await request(`${apiUrl}/tenants/${tenant}/config`, { method: 'DELETE' });
  await reply.body.dump();
  if (reply.statusCode >= 300) throw new Error(`DELETE of ${tenant}'s config: ${reply.statusCode}`);
}

function rowsOf(where: string, run: CliRun, limit: number): readonly Row[] {
  const section = `whole ${where}`;
  const note = 'Qdrant and config API simulated';
  const total = below({ section, what: 'the command', ours: run.ms, unit: 'ms', limit, note });
  const stages = run.report.stages.map(({ name, ms, phases }) => {
    const each = Object.entries(phases).map(([phase, time]) => `${phase} ${Math.round(time)}`);
    return below({ section, what: `  ${name}`, ours: ms, unit: 'ms', note: each.join(', ') });
  });
  return [total, ...stages];
}

import { neighbours } from '../seed/tenant-size.ts';
import { seedTenant } from '../seed.ts';
import { startRedis } from '../services/redis.ts';
import { below, type Row } from './row.ts';
import { runCli } from './run-cli.ts';

const KEYS = 1_000_000;
const MOST_MEGABYTES = 200;

/** Most memory of the command's own process at a million keys. */
export async function benchMemory({ log }: { log(line: string): void }): Promise<readonly Row[]> {
  const server = await startRedis();
  try {
    log(`memory: seeding ${KEYS} keys`);
    for (const size of [{ tenant: 'siraya', keys: KEYS, points: {}, nodes: 0, relationships: 0 }, ...neighbours]) {
      await seedTenant(size, { redisUrl: server.url });
    }
    const { ms, peakBytes, report } = await runCli([
      ...['siraya', 'tenant_76920508', '--only', 'redis', '--redis-url', server.url],
    ]);
    const section = `memory ${KEYS.toLocaleString('en')} keys`;
    const phases = report.stages.find(({ name }) => name === 'redis')?.phases ?? {};
    const each = Object.entries(phases).map(([phase, time]) => `${phase} ${Math.round(time)}`);
    return [
      below({ section, what: 'most at one time', ours: peakBytes / 1e6, unit: 'MB', limit: MOST_MEGABYTES }),
      below({ section, what: 'whole command', ours: ms, unit: 'ms', note: each.join(', ') }),
    ];
  } finally {
    await server.stop();
  }
}

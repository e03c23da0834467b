import { neighbours } from '../seed/tenant-size.ts';
import { seedTenant } from '../seed.ts';
import { startRedis } from '../services/redis.ts';
import { below, over, type Row } from './row.ts';
import { runCli } from './run-cli.ts';

const MOST_MEGABYTES = 200;
/** Of the most keys against the fewest: what grows with the tenant would show. */
const FLAT = 1.25;

/** Most memory of the command's own process, at each size on a server of its own. */
export async function benchMemory(options: {
  readonly sizes: readonly number[];
  readonly log: (line: string) => void;
}): Promise<readonly Row[]> {
  const rows: Row[] = [];
  const peaks: { readonly keys: number; readonly megabytes: number }[] = [];
  for (const keys of options.sizes) {
    const measured = await measure(keys, options.log);
    rows.push(...measured);
    peaks.push({ keys, megabytes: measured[0]?.ours ?? 0 });
  }
  const [fewest, most] = [peaks[0], peaks.at(-1)];
  if (fewest === undefined || most === undefined || fewest === most) return rows;
  const against = { name: `at ${fewest.keys.toLocaleString('en')}`, value: fewest.megabytes };
  const section = sectionOf(most.keys);
  return [...rows, over({ section, what: 'growth', against, ours: most.megabytes, unit: 'MB', most: FLAT })];
}

async function measure(keys: number, log: (line: string) => void): Promise<readonly Row[]> {
  const server = await startRedis();
  try {
    log(`memory: seeding ${keys} keys`);
    for (const size of [{ tenant: 'siraya', keys, points: {}, nodes: 0, relationships: 0 }, ...neighbours]) {
      await seedTenant(size, { redisUrl: server.url });
    }
    const { ms, peakBytes, report } = await runCli([
      ...['siraya', 'tenant_76920508', '--only', 'redis', '--redis-url', server.url],
    ]);
    const section = sectionOf(keys);
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

function sectionOf(keys: number): string {
  return `memory ${keys.toLocaleString('en')} keys`;
}

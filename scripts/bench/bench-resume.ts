import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killAt } from '../kill-at.ts';
import { neighbours } from '../seed/tenant-size.ts';
import { seedTenant } from '../seed.ts';
import { startRedis } from '../services/redis.ts';
import { over, type Row } from './row.ts';
import { type CliRun, MAIN, runCli } from './run-cli.ts';
import { median } from './there-and-back.ts';

interface ResumeBench {
  readonly sizes: readonly number[];
  readonly repeat: number;
  readonly log: (line: string) => void;
}

const SOURCE = 'siraya';
const TARGET = 'tenant_76920508';
const KILLED_AT = 0.9;
const MOST = 0.35;

/** The apply of a run that is resumed after a kill at 90 %, against the apply of a whole run. */
export async function benchResume({ sizes, ...rest }: ResumeBench): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const keys of sizes) rows.push(await measure(keys, rest));
  return rows;
}

/** One of the two goes there and the other back, by turns: both ways weigh alike. */
async function measure(keys: number, { repeat, log }: Omit<ResumeBench, 'sizes'>): Promise<Row> {
  const server = await startRedis();
  try {
    log(`resume: seeding ${keys} keys`);
    for (const size of [{ tenant: SOURCE, keys, points: {}, nodes: 0, relationships: 0 }, ...neighbours]) {
      await seedTenant(size, { redisUrl: server.url });
    }
    const flags = ['--only', 'redis', '--redis-url', server.url];
    const [whole, resumed, shares]: [number[], number[], number[]] = [[], [], []];
    const moveWhole = async (ends: readonly string[]) => {
      whole.push(applyMs(await runCli([...ends, ...flags])));
    };
    const moveInTwo = async (ends: readonly string[]) => {
      const { share, ms } = await killAndResume([...ends, ...flags]);
      resumed.push(ms);
      shares.push(share);
    };
    for (let round = 0; round < repeat; round += 1) {
      const [first, second] = round % 2 === 0 ? [moveWhole, moveInTwo] : [moveInTwo, moveWhole];
      await first([SOURCE, TARGET]);
      await second([TARGET, SOURCE]);
    }
    const against = { name: 'whole', value: median(whole) };
    const note = `killed at ${Math.round(100 * median(shares))} %`;
    const section = `resume ${keys.toLocaleString('en')} keys`;
    return over({ section, what: 'apply', against, ours: median(resumed), unit: 'ms', most: MOST, note });
  } finally {
    await server.stop();
  }
}

async function killAndResume(args: readonly string[]): Promise<{ readonly share: number; readonly ms: number }> {
  const stateDir = await mkdtemp(join(tmpdir(), 'tenant-migrate-bench-'));
  try {
    const { done, total } = await killAt({
      main: MAIN,
      args: [...args, '--yes', '--state-dir', stateDir],
      stateDir,
      stage: 'redis',
      share: KILLED_AT,
      spawn: { stdio: 'ignore' },
    });
    return { share: done / total, ms: applyMs(await runCli(['resume'], { stateDir })) };
  } finally {
    await rm(stateDir, { recursive: true });
  }
}

function applyMs({ report }: CliRun): number {
  const ms = report.stages.find(({ name }) => name === 'redis')?.phases.apply;
  if (ms === undefined) throw new Error(`run ${report.runId} has applied nothing in redis`);
  return ms;
}

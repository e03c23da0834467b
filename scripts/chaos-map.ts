import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { movedWorld, readWorld, type World, worldDifferences } from '../test/support/world.ts';
import { randomFor } from './seed/random.ts';
import { seedTenant } from './seed.ts';
import { startRedis } from './services/redis.ts';

/**
 * A list with a chain and a swap, killed at a random moment, again and again: in the end it is finished or taken back, and
 * every key is compared. `tsx scripts/chaos-map.ts --runs 20 --seed 1`, after `npm run build`.
 */
const MAIN = join(import.meta.dirname, '../dist/main.js');
const IDS = ['a', 'b', 'x', 'y', 'm'];
const LIST = 'source,target\na,b\nb,c\nx,y\ny,x\nm,n\n';
const STEPS: readonly (readonly [source: string, target: string])[] = [
  ['b', 'c'],
  ['a', 'b'],
  ['x', 'between'],
  ['y', 'x'],
  ['between', 'y'],
  ['m', 'n'],
];
/** Kills in one round, at most. */
const MOST_KILLS = 4;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { runs: { type: 'string', default: '20' }, seed: { type: 'string', default: '1' } },
  });
  const random = randomFor(Number(values.seed), 'chaos-map');
  const server = await startRedis();
  try {
    for (const tenant of [...IDS, 'a_eu']) {
      await seedTenant({ tenant, keys: 300, points: {}, nodes: 0, relationships: 0 }, { redisUrl: server.url });
    }
    const before = await readWorld({ redisUrl: server.url });
    let longest = 4_000;
    for (let round = 1; round <= Number(values.runs); round += 1) {
      const ended = await oneRound({ url: server.url, random, longest, before });
      longest = Math.max(1_000, ended.longest);
      console.log(`round ${round}: ${ended.text}`);
    }
    console.log(`${values.runs} rounds without a difference`);
  } finally {
    await server.stop();
  }
}

interface Round {
  readonly url: string;
  readonly random: () => number;
  /** About how long a command takes that is not killed, ms. */
  readonly longest: number;
  readonly before: World;
}

async function oneRound({ url, random, longest, before }: Round): Promise<{ text: string; longest: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'tenant-migrate-chaos-map-'));
  await writeFile(join(folder, 'list.csv'), LIST);
  const flags = ['--redis-url', url, '--only', 'redis', '--batch-size', '40', '--settle', '0.2'];
  const move = ['move', '--map', 'list.csv', ...flags];
  const story: string[] = [];
  const backwards = random() < 0.5;
  let begun = false;
  let took = longest;
  for (let kills = 0; ; kills += 1) {
    const verb = !begun ? 'move' : backwards && kills > 0 ? 'rollback' : 'resume';
    const args = verb === 'move' ? move : [verb];
    const killAfter = kills < MOST_KILLS ? random() * longest * 1.1 : undefined;
    const started = performance.now();
    const { code, stderr } = await run(args, folder, killAfter);
    story.push(`${verb} ${code ?? 'killed'}`);
    if (code === undefined) {
      begun = (await run(['status'], folder)).code === 2;
      continue;
    }
    if (killAfter === undefined) took = performance.now() - started;
    if (code !== 0) throw new Error(`${story.join(', ')}: ${stderr}`);
    break;
  }
  const last = story.at(-1) ?? '';
  const expected = last.startsWith('rollback') ? before : moved(before);
  expectEqual(expected, await readWorld({ redisUrl: url }), story);
  if (!last.startsWith('rollback')) {
    const id = /map-\S+/.exec((await run(['runs'], folder)).stdout)?.[0] ?? '';
    const { code, stderr } = await run(['rollback', id], folder);
    if (code !== 0) throw new Error(`${story.join(', ')}, rollback ${code}: ${stderr}`);
    expectEqual(before, await readWorld({ redisUrl: url }), [...story, 'rollback']);
  }
  await rm(folder, { recursive: true });
  return { text: story.join(', '), longest: took };
}

function expectEqual(expected: World, found: World, story: readonly string[]): void {
  const differences = worldDifferences(expected, found);
  if (differences.length > 0) throw new Error(`${story.join(', ')}:\n${differences.join('\n')}`);
}

/** Every key and value as the moves leave them, one after the other: the last of the chain first, the swap through a third. */
function moved(world: World): World {
  return STEPS.reduce((before, [source, target]) => movedWorld(before, source, target), world);
}

function run(
  args: readonly string[],
  cwd: string,
  killAfter?: number,
): Promise<{ readonly code: number | undefined; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], { cwd, env: { PATH: process.env.PATH ?? '' } });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text: Buffer) => {
      stdout += String(text);
    });
    child.stderr.on('data', (text: Buffer) => {
      stderr += String(text);
    });
    const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code: signal === 'SIGKILL' ? undefined : (code ?? -1), stdout, stderr });
    });
  });
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});

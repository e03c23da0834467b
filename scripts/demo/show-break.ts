import type { SpawnOptions } from 'node:child_process';
import { join } from 'node:path';
import { readWorld, type WorldUrls } from '../../test/support/world.ts';
import { killAt } from '../kill-at.ts';
import { guideTenant, scaled, type TenantSize } from '../seed/tenant-size.ts';
import type { Service } from '../services/service.ts';
import { expectedAfter, SOURCE, same, say, seedDemo, TARGET, urlsOf, writeSecrets } from './demo-world.ts';
import { expectExit, MAIN } from './expect-exit.ts';

export const BREAKABLE = ['redis', 'qdrant', 'graph'] as const;
export type Breakable = (typeof BREAKABLE)[number];

/** Records in a batch, few: so that half-way is many batches from the start and from the end, on any machine. */
const BATCH = 200;
/** A tenant with fewer nodes is moved in one transaction, in which there is no half-way. */
const NODES_IN_BATCHES = 24_000;
/** Of the guide's tenant, in the stores that are not broken off in. */
const ELSEWHERE = 0.2;
const STATE_DIR = '.tenant-migrate';
const SECRETS = 'secrets.json';

/** Kills a move half-way in this stage and resumes it; kills the move back half-way and rolls it back. */
export async function showBreak(stage: Breakable, services: readonly Service[], folder: string): Promise<void> {
  const urls = urlsOf(services);
  const begun = performance.now();
  if (!urls[`${stage}Url`]) throw new Error(`there is no server for ${stage} here, so nothing can be broken off in it`);
  const before = await seedDemo(urls, sizeFor(stage));
  await writeSecrets(join(folder, SECRETS));
  const shell = shellIn(folder, urls);
  const inBatches = ['--batch-size', `${BATCH}`];

  await killHalfWay(stage, [SOURCE, TARGET, '--config-secrets', SECRETS, ...inBatches], shell);
  await type(2, ['status'], shell);
  await type(0, ['resume'], shell);
  const moved = await readWorld(urls);
  same(
    expectedAfter(before, moved),
    moved,
    `killed and resumed: every record of every store is where it must be (${moved.size} compared)`,
  );

  // Without the secrets: the config stands at both ends by now, and need not be written once more.
  await killHalfWay(stage, [TARGET, SOURCE, ...inBatches], shell);
  await type(2, ['status'], shell);
  await type(0, ['rollback'], shell);
  const back = await readWorld(urls);
  same(moved, back, `killed and rolled back: every record is as it was before that move (${back.size} compared)`);

  say('What this showed');
  const seconds = ((performance.now() - begun) / 1_000).toFixed(0);
  console.log(
    `   the process was killed half-way in ${stage}, twice: resumed to its end, and rolled back to its start`,
  );
  console.log(`   all of it in ${seconds} s after the servers were up`);
}

/** The guide's size in the store that is broken off in; a part of it elsewhere, so that the four acts stay short. */
function sizeFor(stage: Breakable): TenantSize {
  const small = scaled(guideTenant, ELSEWHERE);
  const { keys, points } = guideTenant;
  if (stage === 'redis') return { ...small, keys };
  return stage === 'qdrant' ? { ...small, points } : { ...small, nodes: NODES_IN_BATCHES };
}

/** A folder to work in, with the addresses in the environment: then a command is as short as one types it. */
function shellIn(folder: string, urls: WorldUrls): SpawnOptions & { readonly cwd: string } {
  const addresses = {
    ...(urls.redisUrl ? { TENANT_MIGRATE_REDIS_URL: urls.redisUrl } : { TENANT_MIGRATE_SKIP_REDIS: 'true' }),
    ...(urls.qdrantUrl ? { TENANT_MIGRATE_QDRANT_URL: urls.qdrantUrl } : { TENANT_MIGRATE_SKIP_QDRANT: 'true' }),
    ...(urls.graphUrl ? { TENANT_MIGRATE_GRAPH_URL: urls.graphUrl } : { TENANT_MIGRATE_SKIP_GRAPH: 'true' }),
    ...(urls.apiUrl ? { TENANT_MIGRATE_API_URL: urls.apiUrl } : { TENANT_MIGRATE_SKIP_CONFIG: 'true' }),
  };
  say('A shell');
  console.log(`   $ cd ${folder}`);
  for (const [name, value] of Object.entries(addresses)) console.log(`   $ export ${name}=${value}`);
  return { cwd: folder, env: { ...process.env, ...addresses }, stdio: ['ignore', 'inherit', 'inherit'] };
}

async function type(code: number, args: readonly string[], shell: SpawnOptions): Promise<void> {
  say(`$ tenant-migrate ${args.join(' ')}`);
  await expectExit(code, args, shell);
  console.log(`   exit ${code}`);
}

async function killHalfWay(
  stage: Breakable,
  args: readonly string[],
  shell: SpawnOptions & { readonly cwd: string },
): Promise<void> {
  say(`$ tenant-migrate ${args.join(' ')}`);
  const stateDir = join(shell.cwd, STATE_DIR);
  const killed = await killAt({ main: MAIN, args, stateDir, stage, share: 0.5, spawn: shell });
  const [done, total] = [killed.done, killed.total].map((count) => count.toLocaleString('en'));
  const unknown = `${killed.unknownBatches} ${killed.unknownBatches === 1 ? 'batch' : 'batches'}`;
  console.log(
    `   💥 killed (SIGKILL) in ${stage}: by its journal ${done} of ${total} are done, and ${unknown} unknown`,
  );
}

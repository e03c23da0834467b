import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { say } from './demo/demo-world.ts';
import { BREAKABLE, type Breakable, showBreak } from './demo/show-break.ts';
import { showMove } from './demo/show-move.ts';
import { describeService } from './services/describe-service.ts';
import { type Service, storeNames } from './services/service.ts';
import { startServices } from './services/start-services.ts';

/**
 * The main job on real servers with real data: the guide's tenant beside four neighbours is seeded, and moved; with
 * `--break` the mover is killed on its way. At the end every record of every store is compared with what it must be.
 */
const USAGE = `usage: npm run demo -- [--break ${BREAKABLE.join('|')}]`;

/** Returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const asked = read(args);
  if ('wrong' in asked) {
    console.error(`❌ ${asked.wrong}\n   ${USAGE}`);
    return 64;
  }
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
    if (asked.stage === undefined) await showMove(services, folder);
    else await showBreak(asked.stage, services, folder);
    for (const line of howTheyRan(services)) console.log(`   ${line}`);
    console.log('\n✅ the demo ended as it must');
    return 0;
  } catch (error) {
    console.log(`\n${error instanceof Error ? error.message : String(error)}\n\n❌ the demo failed`);
    return 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
    await stop();
  }
}

function read(args: readonly string[]): { readonly stage: Breakable | undefined } | { readonly wrong: string } {
  try {
    const { values } = parseArgs({ args: [...args], options: { break: { type: 'string' } } });
    const stage = BREAKABLE.find((name) => name === values.break);
    if (values.break === undefined || stage !== undefined) return { stage };
    return { wrong: `--break ${values.break}: it is one of ${BREAKABLE.join(', ')}` };
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error) };
  }
}

function howTheyRan(services: readonly Service[]): readonly string[] {
  return (['environment', 'docker', 'native', 'simulated', 'not run here'] as const).flatMap((how) => {
    const stores = services
      .filter((service) => service.how === how)
      .map(({ store, version }) => `${store}${version === undefined ? '' : ` ${version}`}`);
    return stores.length > 0 ? [`${labelOf(how)}: ${stores.join(', ')}`] : [];
  });
}

function labelOf(how: Service['how']): string {
  if (how === 'simulated') return 'simulated by a stand-in of this project';
  return how === 'not run here' ? how : `real (${how})`;
}

process.exitCode = await main(process.argv.slice(2));

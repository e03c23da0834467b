import { join } from 'node:path';
import { readWorld, type WorldUrls } from '../../test/support/world.ts';
import type { Service } from '../services/service.ts';
import { expectedAfter, SOURCE, same, say, seedDemo, TARGET, urlsOf, writeSecrets } from './demo-world.ts';
import { expectExit } from './expect-exit.ts';

/** The main job: looked at in a dry run, moved, verified, and moved again. */
export async function showMove(services: readonly Service[], folder: string): Promise<void> {
  const urls = urlsOf(services);
  const before = await seedDemo(urls);
  const secrets = join(folder, 'secrets.json');
  await writeSecrets(secrets);
  const flags = [...addressFlags(urls), '--state-dir', join(folder, 'state')];
  const withSecrets = [...flags, '--config-secrets', secrets];

  say(`tenant-migrate ${SOURCE} ${TARGET} --dry-run`);
  await expectExit(0, [SOURCE, TARGET, '--dry-run', ...withSecrets]);
  same(before, await readWorld(urls), 'the dry run wrote nothing');

  say(`tenant-migrate ${SOURCE} ${TARGET}`);
  const begun = performance.now();
  await expectExit(0, [SOURCE, TARGET, ...withSecrets]);
  const seconds = (performance.now() - begun) / 1_000;
  const after = await readWorld(urls);
  same(
    expectedAfter(before, after),
    after,
    `every key, expiry, point, vector, node, relationship and index is where it must be (${after.size} records compared)`,
  );

  say(`tenant-migrate verify ${SOURCE} ${TARGET}`);
  await expectExit(0, ['verify', SOURCE, TARGET, ...withSecrets]);
  say('The same command again');
  await expectExit(0, [SOURCE, TARGET, ...flags]);

  say('What this showed');
  console.log(
    `   plan, move and verify of the guide’s whole tenant: ${seconds.toFixed(1)} s (its script took 6 minutes)`,
  );
}

/** The flags that lead to these servers; a store without one is left out. */
export function addressFlags(urls: WorldUrls): readonly string[] {
  return [
    ...(urls.redisUrl ? ['--redis-url', urls.redisUrl] : ['--skip-redis']),
    ...(urls.qdrantUrl ? ['--qdrant-url', urls.qdrantUrl] : ['--skip-qdrant']),
    ...(urls.graphUrl ? ['--graph-url', urls.graphUrl] : ['--skip-graph']),
    ...(urls.apiUrl ? ['--api-url', urls.apiUrl] : ['--skip-config']),
  ];
}

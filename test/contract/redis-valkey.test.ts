import { describe, expect, test } from 'vitest';
import { valkeyBinary } from '../../scripts/services/valkey-binary.ts';
import { freshRedis, serveWith } from '../support/redis-server.ts';
import { RedisWorld } from '../support/redis-world.ts';

const valkey = await valkeyBinary();
// Said, since the reporter does not name what is left out.
if ('reason' in valkey) console.warn(`valkey: not run here: ${valkey.reason}`);

/** The suites of the redis stage: all with VALKEY=all, else the one that moves every type of key and takes it back. */
const SUITES: readonly (() => Promise<unknown>)[] = [
  () => import('./redis.test.ts'),
  ...(process.env.VALKEY === 'all'
    ? [
        () => import('./redis-content.test.ts'),
        () => import('./redis-backup.test.ts'),
        () => import('./redis-lease.test.ts'),
        () => import('./redis-overwrite.test.ts'),
        () => import('./redis-quiesce.test.ts'),
        () => import('./redis-refusals.test.ts'),
        () => import('./redis-undo.test.ts'),
        () => import('./redis-verify.test.ts'),
      ]
    : []),
];

describe.skipIf('reason' in valkey)('Valkey, by the suites that Redis passes', async () => {
  if ('reason' in valkey) return;
  serveWith(valkey.path);

  test('is what answers, and is known by its name', async () => {
    const world = await RedisWorld.start();
    expect(await world.store.server()).toMatchObject({ product: 'valkey', version: expect.stringMatching(/^8\./) });
    await world.stop();
    const server = await freshRedis();
    expect(server.version).toMatch(/^8\./);
    await server.stop();
  });

  for (const suite of SUITES) await suite();
});

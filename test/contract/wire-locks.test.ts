import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import type { Settings } from '../../src/cli/settings.ts';
import { acquireLocks } from '../../src/journal/tenant-lock.ts';
import type { Lease } from '../../src/orchestrator/run-locks.ts';
import { lockKey } from '../../src/stores/redis/lock-key.ts';
import { wireLocks } from '../../src/wire/locks.ts';
import { freshRedis } from '../support/redis-server.ts';
import { redisSettings } from '../support/redis-world.ts';

test('--force-unlock takes a lock away once: who has lost it then does not take it back to undo what it did', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'tenant-migrate-wire-locks-'));
  const [tenants, holder] = [['acme'], { runId: 'r1', command: 'move' }];
  const other = { runId: 'r2', pid: 1, host: 'elsewhere', command: 'move', since: '2026-01-01T00:00:00.000Z' };
  const acquired = () => acquireLocks({ stateDir, tenants, owner: other });
  await acquired();
  const ports = wireLocks({
    settings: { 'state-dir': stateDir, 'force-unlock': true } as Settings,
    redis: undefined,
    own: { pid: process.pid, host: 'here' },
    signal: new AbortController().signal,
    note: () => undefined,
  });
  const mine = await ports.takeLocal(tenants, holder);
  expect(mine.notes).toEqual(['took the lock of run r2 away (process 1 on elsewhere)']);
  await mine.release();
  await acquired();
  await expect(ports.takeLocal(tenants, holder)).rejects.toMatchObject({ code: 'refused' });
});

test('the lease of one database is kept while that of the next is waited for', async () => {
  const server = await freshRedis();
  const redis = new Redis({ port: server.port, protocol: 2 });
  try {
    const [key] = [lockKey('acme')];
    await redis.select(1);
    await redis.set(key, 'somebody else', 'PX', 2_500);
    await redis.select(0);
    const ports = wireLocks({
      settings: { 'state-dir': '', 'force-unlock': false } as Settings,
      redis: [0, 1].map((db) => redisSettings(server.port, { db })),
      own: { pid: process.pid, host: 'here' },
      signal: new AbortController().signal,
      // As if the waiting took as long as a lease lasts.
      note: () => void redis.pexpire(key, 1_500),
    });
    const lease = await ports.takeLease?.(['acme'], { runId: 'r1', command: 'move' });
    expect(lease).toMatchObject({ renew: expect.any(Function) });
    expect(await (lease as Lease).renew()).toBe(true);
    await (lease as Lease).release();
  } finally {
    redis.disconnect();
    await server.stop();
  }
});

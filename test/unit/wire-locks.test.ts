import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Settings } from '../../src/cli/settings.ts';
import { acquireLocks } from '../../src/journal/tenant-lock.ts';
import { wireLocks } from '../../src/wire/locks.ts';

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

import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seedTenant } from '../../scripts/seed.ts';
import { startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { type RedisRun, runIds, startRedisRun, until, untilLookedAt } from '../support/redis-run.ts';

describe('locks of a tenant', () => {
  let world: RedisRun;
  let pauseFile: string;
  const lockKeys = () => world.redis.keys('\\\\tenant-migrate\\\\*');
  const lockFiles = () => readdirSync(join(world.stateDir, 'locks'));
  /** A run that has its locks and waits before its first batch. */
  const waiting = async (words: readonly string[]) => {
    writeFileSync(pauseFile, '');
    const process = world.start([...words, '--pause-file', pauseFile]);
    await until(() => process.stderr().includes('paused: goes on when'), process);
    return process;
  };

  beforeEach(async () => {
    world = await startRedisRun();
    pauseFile = join(world.cwd, 'pause');
  });
  afterEach(() => world.stop());

  it('a second move in the same state folder is refused naming run, process and host, and the first ends well', async () => {
    const first = await waiting(world.moveWords());
    const [id = ''] = runIds(world.stateDir);
    for (const words of [
      world.moveWords(),
      ['tenant_7', 'tenant_8', ...world.flags],
      ['acme', 'tenant_9', ...world.flags],
    ]) {
      const second = await world.run(words);
      expect([words[0], second.code]).toEqual([words[0], 5]);
      expect(second.stdout).toMatch(
        new RegExp(
          `tenant (acme|tenant_7) is locked by run ${id} for \\d+ seconds?: process \\d+ on ${hostname()}, move`,
        ),
      );
      expect(second.stdout).toContain(`tenant-migrate status ${id}`);
    }
    expect(runIds(world.stateDir)).toEqual([id]);
    expect(await lockKeys()).toHaveLength(2);
    rmSync(pauseFile);
    expect((await first.ended).code).toBe(0);
    expect(await world.missing()).toEqual([]);
    expect(await lockKeys()).toEqual([]);
    expect(lockFiles()).toEqual([]);
  });

  it('what another state folder does on the same Redis is refused by the lease, and stays what it was', async () => {
    const other = ['--state-dir', join(world.cwd, 'other')];
    const done = await world.run(['acme_eu', 'tenant_8', ...world.flags, ...other, '--json']);
    const first = await waiting(['tenant_8', 'tenant_9', ...world.flags]);
    const [id = ''] = runIds(world.stateDir);
    const third = ['--state-dir', join(world.cwd, 'third')];
    const [second, back] = await Promise.all([
      world.run(['tenant_9', 'tenant_5', ...world.flags, ...third, '--json']),
      world.run(['rollback', String(done.json().runId), ...other, '--json']),
    ]);
    for (const refused of [second, back]) {
      expect(refused.code).toBe(5);
      expect(refused.json().outcome).toBe('refused');
      const holder = `run ${id} since .* \\(process \\d+ on ${hostname()}, move\\), which is alive`;
      expect(refused.json().error).toMatch(new RegExp(`tenant tenant_[89] is locked in Redis by ${holder}`));
    }
    expect((await world.run(['status', ...other, '--json'])).json()).toMatchObject({
      state: 'done',
      unfinished: false,
    });
    rmSync(pauseFile);
    const { code, stdout } = await first.ended;
    expect(code).toBe(0);
    expect(stdout).toContain('10/10 keys');
    expect(await world.count('tenant_9')).toBe(10);
    expect(await world.count('acme')).toBe(200);
  });

  it('lock and lease of a killed process are taken over at once', async () => {
    await world.killed();
    expect(await lockKeys()).toHaveLength(2);
    const start = Date.now();
    const resumed = await world.run(['resume']);
    expect(resumed.stderr).toMatch(/process \d+ of run \S+ is gone: its lock is taken over/);
    expect(resumed.stderr).not.toContain('waiting up to');
    expect(resumed.code).toBe(0);
    expect(Date.now() - start).toBeLessThan(15_000);
    expect(await world.missing()).toEqual([]);
    expect(await lockKeys()).toEqual([]);
  });

  it('a lease that is gone stops the writer before its next batch, and the run can be resumed', async () => {
    const process = await world.hold(world.moveWords(['--pause-file', pauseFile, '--json']));
    writeFileSync(pauseFile, '');
    await untilLookedAt();
    world.proxy.hang(false);
    await until(() => process.stderr().includes('paused: goes on when'), process);
    // Batches that were sent before the pause arrive.
    await sleep(500);
    const moved = await world.count('tenant_7');
    await world.redis.del(...(await lockKeys()));
    await sleep(1_000);
    rmSync(pauseFile);
    const stopped = await process.ended;
    expect(stopped.code).toBe(4);
    expect(stopped.json()).toMatchObject({
      outcome: 'failed',
      error: expect.stringContaining('lock of this tenant in Redis was lost'),
    });
    expect(stopped.json().next).toMatch(/^tenant-migrate resume \S+ {3}\(first: see that no other run/);
    expect(await world.count('tenant_7')).toBe(moved);
    expect((await world.run(['resume'])).code).toBe(0);
    expect(await world.missing()).toEqual([]);
  });

  it('--force-unlock takes both from a run that is still there; it stops and leaves the folder to its successor', async () => {
    const first = await world.hold(world.moveWords(['--pause-file', pauseFile, '--json']));
    writeFileSync(pauseFile, '');
    await untilLookedAt();
    world.proxy.hang(false);
    await until(() => first.stderr().includes('paused: goes on when'), first);
    const [id = ''] = runIds(world.stateDir);
    expect((await world.run(['resume'])).code).toBe(5);
    const second = await world.run(['resume', '--force-unlock', '--pause-file', join(world.cwd, 'none')]);
    expect(second.stderr).toMatch(new RegExp(`took the lock of run ${id} away \\(process \\d+ on `));
    expect(second.code).toBe(0);
    rmSync(pauseFile);
    const lost = await first.ended;
    expect(lost.code).toBe(4);
    expect(lost.json().error).toMatch(/lock of this tenant .* (was lost|was taken away)/);
    expect(await world.missing()).toEqual([]);
    const status = await world.run(['status', '--json']);
    expect(status.json()).toMatchObject({ id, state: 'done', journal: 'whole' });
    expect(await lockKeys()).toEqual([]);
    expect(lockFiles()).toEqual([]);
  });

  it('without Redis, and where its user may not set the lock, a note says that other machines see no lock', async () => {
    const { redis, run } = world;
    await redis.call('ACL', 'SETUSER', 'mover', 'on', '>pw', '~[a-z]*', '&*', '+@all');
    const env = { REDIS_USERNAME: 'mover', REDIS_PASSWORD: 'pw' };
    const moved = await run(world.moveWords(), { env });
    expect(moved.stderr).toMatch(/no lock that other machines see: .*NOPERM/);
    expect(moved.code).toBe(0);
    expect(await world.missing()).toEqual([]);
    const qdrant = await startQdrantStandIn();
    try {
      await seedTenant(
        { tenant: 'acme', keys: 0, points: { lightrag_vdb_chunks: 3 }, nodes: 0, relationships: 0 },
        { qdrantUrl: qdrant.url },
      );
      const words = [
        'acme',
        'tenant_7',
        '--qdrant-url',
        qdrant.url,
        '--skip-redis',
        '--skip-config',
        '--skip-memgraph',
      ];
      const without = await run(words);
      expect(without.stderr).toContain('no lock that other machines see: Redis is left out');
      expect(without.code).toBe(0);
    } finally {
      await qdrant.close();
    }
  });
});

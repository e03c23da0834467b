import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type RedisRun, runIds, startRedisRun, until, untilLookedAt } from '../support/redis-run.ts';

describe('a run that is gone on with once more', () => {
  let world: RedisRun;
  const record = () => {
    const [id = ''] = runIds(world.stateDir);
    return JSON.parse(readFileSync(join(world.stateDir, 'runs', id, 'run.json'), 'utf8'));
  };

  afterEach(() => world.stop());

  it('stays done or rolled back where the resume is refused, and keeps its servers and settings', async () => {
    world = await startRedisRun();
    expect((await world.run(world.moveWords())).code).toBe(0);
    const done = record();
    const refuse = async () => {
      const refused = await world.run(['resume', done.id, '--redis-port', '1', '--same-servers', '--batch-size', '7']);
      expect(refused.code).toBe(5);
    };
    await refuse();
    const { stores, settings } = done;
    expect(record()).toMatchObject({ state: 'done', settled: ['redis'], stores, settings });
    expect((await world.run(['status'])).code).toBe(0);
    expect((await world.run(['rollback', done.id])).code).toBe(0);
    expect(await world.changed()).toEqual([]);
    await refuse();
    expect(record()).toMatchObject({ state: 'rolled-back', undone: ['redis'], stores, settings });
  });

  it('is no longer taken back once it has moved again, and is taken back again to the start', async () => {
    world = await startRedisRun();
    const id = await world.killed();
    expect((await world.run(['rollback'])).code).toBe(0);
    expect(record().undone).toEqual(['redis']);
    await world.killedOf(['resume', id]);
    expect(record()).toMatchObject({ state: 'running', undone: [] });
    expect((await world.run(['rollback'])).code).toBe(0);
    expect(await world.changed()).toEqual([]);
    expect(record()).toMatchObject({ state: 'rolled-back', undone: ['redis'] });
  });

  it('and was taken back before takes nothing away that came to the target since', async () => {
    world = await startRedisRun();
    const id = await world.killed();
    expect((await world.run(['rollback'])).code).toBe(0);
    const keys = await world.redis.keys('acme_text_chunks:*');
    await world.redis.del(...keys);
    for (const key of keys) await world.redis.set(key.replace('acme', 'tenant_7'), 'its own');
    const again = await world.run(['rollback', id]);
    expect(again.stdout).toContain('was taken back before: nothing to do');
    expect(again.code).toBe(0);
    expect([await world.count('acme'), await world.count('tenant_7')]).toEqual([0, keys.length]);
    expect(record().state).toBe('rolled-back');
  });

  it('says with which depth it is verified where another is asked for', async () => {
    world = await startRedisRun();
    await world.killed();
    const resumed = await world.run(['resume', '--verify', 'full']);
    expect(resumed.code).toBe(0);
    expect(resumed.stderr).toContain('verify has the depth with which the run began: sample, not full');
  });
});

describe('--auto-rollback', () => {
  it('does not take back what another process has finished, which took the locks away', async () => {
    const world = await startRedisRun();
    try {
      const pauseFile = join(world.cwd, 'pause');
      const flags = ['--pause-file', pauseFile, '--json', '--auto-rollback', '--force-unlock'];
      const first = await world.hold(world.moveWords(flags));
      writeFileSync(pauseFile, '');
      await untilLookedAt();
      world.proxy.hang(false);
      await until(() => first.stderr().includes('paused: goes on when'), first);
      const words = ['resume', '--force-unlock', '--pause-file', join(world.cwd, 'none')];
      expect((await world.run(words)).code).toBe(0);
      rmSync(pauseFile);
      const lost = await first.ended;
      expect(lost.code).toBe(4);
      expect(lost.json().error).toContain('while undoing: another process has gone on with the run');
      expect(await world.missing()).toEqual([]);
      expect((await world.run(['status', '--json'])).json()).toMatchObject({ state: 'done', journal: 'whole' });
    } finally {
      await world.stop();
    }
  });
});

describe('a rollback', () => {
  it('takes back all it can, however much of it is refused, and so does the next one', async () => {
    const world = await startRedisRun({ keys: 2_000 });
    try {
      expect((await world.run(world.moveWords(['--batch-size', '20']))).code).toBe(0);
      const [id = ''] = runIds(world.stateDir);
      // It may move back what begins with 2 to 9.
      const rights = ['&*', '+@all', '~\\\\*', '~tenant_7*', '~acme_text_chunks:[2-9]*', '%R~*'];
      await world.redis.call('ACL', 'SETUSER', 'mover', 'on', '>pw', ...rights);
      const back = await world.run(['rollback', id], { env: { REDIS_USERNAME: 'mover', REDIS_PASSWORD: 'pw' } });
      expect(back.code).toBe(4);
      expect(back.stdout).toContain('888 keys taken back (failed: 1,112)');
      expect(await world.count('acme')).toBe(888);
      expect((await world.run(['rollback', id])).code).toBe(0);
      expect(await world.changed()).toEqual([]);
    } finally {
      await world.stop();
    }
  });
});

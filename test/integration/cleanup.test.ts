import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { edit, type RedisRun, runIds, startRedisRun } from '../support/redis-run.ts';

describe('runs cleanup', () => {
  let world: RedisRun;
  const folderOf = (id: string) => join(world.stateDir, 'runs', id);
  /** Lets a run look as if nothing had happened to it for so many days. */
  const age = (id: string, days: number) => {
    const then = new Date(Date.now() - days * 86_400_000).toISOString();
    edit(join(folderOf(id), 'run.json'), (text) => text.replace(/"updatedAt": "[^"]+"/, `"updatedAt": "${then}"`));
  };
  const move = async (source: string, target: string): Promise<string> => {
    const moved = await world.run([source, target, ...world.flags, '--json']);
    expect(moved.code).toBe(0);
    return String(moved.json().runId);
  };

  beforeEach(async () => {
    world = await startRedisRun();
  });
  afterEach(() => world.stop());

  it('removes old finished runs alone, and says of which the rollback goes; --dry-run removes nothing', async () => {
    const done = await move('acme_eu', 'tenant_8');
    const back = await move('tenant_8', 'tenant_9');
    expect((await world.run(['rollback', back])).code).toBe(0);
    const young = await move('tenant_8', 'acme_eu');
    const killed = await world.killed();
    const [damaged] = [await move('acme_eu', 'tenant_6')];
    for (const id of [done, back, killed, damaged]) age(id, 15);
    age(young, 13);
    edit(join(folderOf(damaged), 'journal.ndjson'), (text) => text.replace('"at":1', '"at":2'));

    const dry = await world.run(['runs', 'cleanup', '--dry-run']);
    expect(dry.code).toBe(0);
    expect(dry.stdout).toMatch(
      new RegExp(`would remove ${done} .*it could still be rolled back: that would go with it`),
    );
    expect(dry.stdout).toMatch(new RegExp(`would remove ${back} .*rolled-back since [^;\\n]*\\n`));
    expect(dry.stdout).toContain('would remove 3 runs finished more than 14 days ago');
    expect(runIds(world.stateDir)).toHaveLength(5);

    const removed = await world.run(['runs', 'cleanup', '--json']);
    expect(removed.code).toBe(0);
    const list = removed.json().removed as { id: string; undoable: boolean }[];
    expect(removed.json()).toMatchObject({ schema: 'tenant-migrate/cleanup@1', dryRun: false, days: 14 });
    expect(list.map(({ id }) => id).sort()).toEqual([done, back, damaged].sort());
    expect(list.find(({ id }) => id === done)?.undoable).toBe(true);
    expect(list.find(({ id }) => id === back)?.undoable).toBe(false);
    expect([...runIds(world.stateDir)].sort()).toEqual([young, killed].sort());
    expect(existsSync(folderOf(done))).toBe(false);

    expect((await world.run(['rollback', done])).code).toBe(64);
    expect((await world.run(['resume'])).code).toBe(0);
    const sooner = await world.run(['runs', 'cleanup', '--days', '10', '--json']);
    expect((sooner.json().removed as { id: string }[]).map(({ id }) => id)).toEqual([young]);
  });

  it('leaves alone a finished run that a process is at work on again', async () => {
    const id = String((await world.run(world.moveWords(['--json']))).json().runId);
    const process = await world.holdBack(['rollback', id]);
    edit(join(folderOf(id), 'run.json'), (text) => text.replace('"state": "running"', '"state": "done"'));
    age(id, 100);
    const kept = await world.run(['runs', 'cleanup', '--json']);
    expect(kept.json().removed).toEqual([]);
    process.kill('SIGKILL');
    await process.ended;
    world.proxy.hang(false);
    expect((await world.run(['runs', 'cleanup'])).stdout).toContain(`removed ${id}`);
  });
});

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { type RedisRun, startRedisRun, until } from '../support/redis-run.ts';

let world: RedisRun;
beforeEach(async () => {
  world = await startRedisRun();
});
afterEach(() => world.stop());

describe('--probe', () => {
  it('holds a run before its first write while a file is there, and in its middle; the file’s absence lets it go on', async () => {
    const file = join(world.cwd, 'throttle');
    writeFileSync(file, '');
    const process = world.start(world.moveWords(['--probe', `file:${file}`, '--probe-interval', '0.1', '--json']));
    await until(() => process.stderr().includes('paused: the file'), process);
    await sleep(200);
    expect(await world.count('tenant_7')).toBe(0);
    const shown = await world.run(['status', '--json']);
    expect(shown.json()).toMatchObject({ state: 'paused', heldBack: `paused: the file ${file} is there` });
    world.proxy.setLatency(5);
    rmSync(file);
    await until(async () => (await world.count('tenant_7')) > 20, process);
    writeFileSync(file, '');
    await until(() => process.stderr().split('paused: the file').length > 2, process);
    world.proxy.setLatency(0);
    rmSync(file);
    const { code, stderr } = await process.ended;
    expect(stderr).toMatch(/goes on after \d+ s/);
    expect(code).toBe(0);
    expect(await world.missing()).toEqual([]);
  });

  it('pauses while Redis stands still, slows down where it is slow, and goes on once it is quick again', async () => {
    const probe = 'redis-latency:slow=60ms,pause=400ms';
    world.proxy.setLatency(5);
    const process = world.start(world.moveWords(['--probe', probe, '--probe-interval', '0.1', '--json']));
    await until(async () => (await world.count('tenant_7')) > 10, process);
    await world.redis.call('CLIENT', 'PAUSE', '800');
    await until(() => process.stderr().includes('paused: redis latency'), process);
    world.proxy.setLatency(100);
    await until(() => process.stderr().includes('slowed: redis latency'), process);
    world.proxy.setLatency(0);
    const { code, stderr } = await process.ended;
    expect(stderr).toMatch(/paused: redis latency [\d.]+ (ms|s) > 400 ms/);
    expect(code).toBe(0);
    expect(await world.missing()).toEqual([]);
  });

  it('ends a run as a limit does; a rollback is not ended by it, and before the first write nothing is left to do', async () => {
    const panic = join(world.cwd, 'panic');
    const words = world.moveWords([
      '--probe',
      `panic-file:${panic}`,
      '--probe-interval',
      '0.1',
      '--auto-rollback',
      '--json',
    ]);
    const process = await world.hold(words);
    writeFileSync(panic, '');
    await until(() => process.stderr().includes(`ends: the panic file ${panic} is there`), process);
    world.proxy.hang(false);
    const ended = await process.ended;
    expect(ended.code).toBe(3);
    expect(ended.json()).toMatchObject({ outcome: 'undone', error: `stopped early: the panic file ${panic} is there` });
    expect(ended.stderr).toContain('slowed: the panic file');
    expect(await world.changed()).toEqual([]);
    const refused = await world.run(words);
    expect(refused.code).toBe(5);
    expect(refused.json()).toMatchObject({ outcome: 'refused', next: expect.stringContaining('--probe') });
    expect(await world.changed()).toEqual([]);
  });

  it('holds a run that has no connection but idle ones to an HTTP store, and by which nothing keeps the process alive', async () => {
    const qdrant = await startQdrantStandIn();
    const put = async (path: string, body: object) =>
      expect(
        await fetch(`${qdrant.url}/collections/${path}`, {
          method: 'PUT',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        }),
      ).toMatchObject({ status: 200 });
    await put('chunks', { vectors: { size: 1, distance: 'Dot' } });
    await put('chunks/points?wait=true', { points: [{ id: 1, vector: [1], payload: { workspace_id: 'acme' } }] });
    const file = join(world.cwd, 'throttle');
    writeFileSync(file, '');
    const only = ['--only', 'qdrant', '--qdrant-url', qdrant.url, '--probe', `file:${file}`];
    const process = world.start(['acme', 'tenant_7', ...only, '--probe-interval', '0.1']);
    await until(() => process.stderr().includes('paused: the file'), process);
    await Promise.race([sleep(3_000), process.ended]);
    rmSync(file);
    expect((await process.ended).code).toBe(0);
    await qdrant.close();
  });

  it('refuses what it cannot read before anything is connected', async () => {
    for (const text of ['redis-lag', 'file:here', 'redis-latency:slow=5']) {
      const refused = await world.run(world.moveWords(['--probe', text]));
      expect(refused.code).toBe(64);
      expect(refused.stderr).toMatch(/--probe (names no probe|needs a whole path|cannot be read)/);
    }
  });
});

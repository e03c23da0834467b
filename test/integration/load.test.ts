import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { type RedisRun, runIds, startRedisRun, until } from '../support/redis-run.ts';

let world: RedisRun;

afterEach(() => world.stop());

it('--rate holds a move to so many keys a second, says so once, and holds its rollback, too', async () => {
  world = await startRedisRun({ keys: 900 });
  const words = ['acme', 'tenant_7', ...world.flags, '--rate', '600keys/s', '--concurrency', '2', '--json'];
  const moved = await world.run(words);
  expect(moved.code).toBe(0);
  const rows = moved.json().stages as { name: string; phases: Record<string, number> }[];
  const redis = rows.find(({ name }) => name === 'redis');
  expect(redis?.phases.apply).toBeGreaterThan(1_200);
  expect(moved.json().stages).toContainEqual(expect.objectContaining({ name: 'redis', estimateMs: 1_500 }));
  expect(moved.stderr.split('limited by --rate 600/s').length).toBe(2);
  expect(await world.missing()).toEqual([]);
  const [id = ''] = runIds(world.stateDir);
  const start = performance.now();
  expect((await world.run(['rollback', id])).code).toBe(0);
  expect(performance.now() - start).toBeGreaterThan(1_200);
  expect(await world.changed()).toEqual([]);
});

it('Ctrl-C ends a run that waits for its rate at once; resume keeps the rate of the record, or takes another', async () => {
  world = await startRedisRun({ keys: 60 });
  const process = world.start(['acme', 'tenant_7', ...world.flags, '--rate', 'redis=0.2', '--json']);
  await until(async () => (await world.count('tenant_7')) > 0, process);
  const asked = performance.now();
  process.kill('SIGINT');
  const stopped = await process.ended;
  expect(performance.now() - asked).toBeLessThan(3_000);
  expect(stopped.code).toBe(130);
  expect(stopped.json()).toMatchObject({ outcome: 'stopped' });
  const [id = ''] = runIds(world.stateDir);
  const record = JSON.parse(readFileSync(join(world.stateDir, 'runs', id, 'run.json'), 'utf8'));
  expect(record.settings).toMatchObject({ rate: 'redis=0.2', retries: '3', 'retry-backoff': '2' });
  const slow = world.start(['resume', id, '--timeout', '4', '--json']);
  expect((await slow.ended).json()).toMatchObject({ limit: { name: 'timeout' } });
  expect(await world.count('tenant_7')).toBeLessThan(10);
  expect((await world.run(['resume', id, '--rate', 'none'])).code).toBe(0);
  expect(await world.missing()).toEqual([]);
});

it('control changes the rate of a run that waits for it', async () => {
  world = await startRedisRun({ keys: 60 });
  const process = world.start(['acme', 'tenant_7', ...world.flags, '--rate', 'redis=0.2', '--json']);
  await until(async () => (await world.count('tenant_7')) > 0, process);
  const wrong = await world.run(['control', 'rate=fast']);
  expect([wrong.code, wrong.stderr]).toEqual([5, expect.stringContaining('is not a rate such as 5000')]);
  const told = await world.run(['control', 'rate=500keys/s']);
  expect([told.code, told.stdout]).toEqual([0, expect.stringContaining('redis=500')]);
  expect((await process.ended).code).toBe(0);
  expect(await world.missing()).toEqual([]);
});

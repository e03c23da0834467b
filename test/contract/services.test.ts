import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { describeService } from '../../scripts/services/describe-service.ts';
import { processBirth } from '../../scripts/services/process-identity.ts';
import { startServices } from '../../scripts/services/start-services.ts';
import { freshRedis } from '../support/redis-server.ts';

const silent = () => undefined;

describe('servers for tests', () => {
  test('a Redis of one’s own starts empty, takes arguments, and is gone after stop', async () => {
    const server = await freshRedis(['--requirepass', 'opensesame']);
    const redis = new Redis(server.url, { password: 'opensesame' });
    expect(await redis.dbsize()).toBe(0);
    redis.disconnect();
    await server.stop();
    await server.stop();
    expect(processBirth(server.pid)).toBeUndefined();
    expect(existsSync(server.dir)).toBe(false);
  });

  test('a server ends with its parent, even one that is killed', async () => {
    const script = `import { startRedis } from ${JSON.stringify(new URL('../../scripts/services/redis.ts', import.meta.url).href)};
      startRedis().then(({ pid, dir }) => { console.log(JSON.stringify({ pid, dir })); setInterval(() => {}, 1000); });`;
    const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
    const [said] = (await once(parent.stdout, 'data')) as [Buffer];
    const { pid, dir } = JSON.parse(said.toString()) as { pid: number; dir: string };
    expect(processBirth(pid)).toBeDefined();
    parent.kill('SIGKILL');
    await expect.poll(() => processBirth(pid)).toBeUndefined();
    await expect.poll(() => existsSync(dir)).toBe(false);
  });

  test('a server that the environment names is never replaced by another', async () => {
    const env = { TEST_REDIS_URL: 'redis://:opensesame@127.0.0.1:1' };
    const { services } = await startServices({ stores: ['redis'], lifetime: 'with-parent', env, log: silent });
    expect(services).toMatchObject([
      { store: 'redis', how: 'not run here', reason: expect.stringContaining('ECONNREFUSED') },
    ]);
  });

  test('a server that the environment names is used as it is', async () => {
    const server = await freshRedis();
    const env = { TEST_REDIS_URL: server.url };
    const { services, stop } = await startServices({ stores: ['redis'], lifetime: 'with-parent', env, log: silent });
    expect(services).toMatchObject([{ how: 'environment', url: server.url, version: server.version }]);
    await stop();
    expect(processBirth(server.pid)).toBeDefined();
    await server.stop();
  });

  test('a line about a server shows no password', () => {
    const line = describeService({ store: 'redis', how: 'environment', url: 'redis://me:opensesame@db:6379', ms: 3 });
    expect(line).toContain('db:6379');
    expect(line).not.toContain('opensesame');
  });
});

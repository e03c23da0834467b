import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openRedisReader } from '../../src/stores/redis/redis-store.ts';
import { type LateProxy, startLateProxy } from '../support/late-proxy.ts';
import { RedisWorld, redisSettings } from '../support/redis-world.ts';

const RUN = 'tenant-migrate:20260101-abcd';

let world: RedisWorld;
let proxy: LateProxy;
const dead: Redis[] = [];

beforeEach(async () => {
  world = await RedisWorld.start();
  proxy = await startLateProxy(world.server.port);
  await world.raw.set('siraya:1', 'x');
});
afterEach(async () => {
  for (const client of dead.splice(0)) client.disconnect();
  proxy.close();
  await world.stop();
});

describe('what an earlier process of the run has sent and the server has not yet got', () => {
  test('never arrives, once its connections are ended', async () => {
    await sendAndDie(RUN);
    await world.connect(redisSettings(world.server.port, { clientName: RUN }));
    await world.quiesce();
    await proxy.deliver();
    await sleep(50);
    expect(await world.raw.keys('*')).toEqual(['siraya:1']);
    expect(await clients(RUN)).toBe(1);
    expect(world.events).toEqual([]);
  });

  test('arrives where nothing is done about it', async () => {
    await sendAndDie(RUN);
    await proxy.deliver();
    await sleep(50);
    expect(await world.raw.keys('*')).toEqual(['tenant_7:1']);
  });

  test('may be from many connections: all are ended', async () => {
    for (let n = 0; n < 40; n += 1) await idle(RUN);
    await world.connect(redisSettings(world.server.port, { clientName: RUN }));
    await world.quiesce();
    expect(await clients(RUN)).toBe(1);
    await world.quiesce();
    expect((await world.store.server()).role).toBe('master');
  });
});

test.each(['tenant-migrate', `${RUN}e`, 'tenant-migrate:20260101-abc', 'application', `x-${RUN}`, `${RUN}-lease`])(
  'a connection that is named %s is not ended',
  async (name) => {
    await idle(name);
    const reader = await openRedisReader(redisSettings(world.server.port, { clientName: 'tenant-migrate' }));
    await world.connect(redisSettings(world.server.port, { clientName: RUN }));
    await world.quiesce();
    expect(await clients(name)).toBeGreaterThan(0);
    await reader.close();
  },
);

describe('a user who may not', () => {
  test.each([
    ['list connections', ['-client|list']],
    ['end connections', ['-client|kill']],
    ['use any of it', ['-client']],
    ['name a connection', ['-client|setname']],
  ])('%s waits, and says so', async (_, rules) => {
    await world.raw.acl('SETUSER', 'mover', 'on', 'nopass', '~*', '+@all', ...rules);
    const login = { username: 'mover', password: 'any' };
    await idle(RUN, login);
    await world.connect(redisSettings(world.server.port, { clientName: RUN, ...login }));
    const started = performance.now();
    await world.quiesce({ settleMs: 400 });
    expect(performance.now() - started).toBeGreaterThan(390);
    expect(world.events).toMatchObject([{ type: 'note', stage: 'redis', text: expect.stringContaining('0.4 s') }]);
  });

  test('end them, and is stopped while it waits, ends at once', async () => {
    await world.raw.acl('SETUSER', 'mover', 'on', 'nopass', '~*', '+@all', '-client');
    await world.connect(redisSettings(world.server.port, { clientName: RUN, username: 'mover', password: 'any' }));
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('stopped')), 50);
    await expect(world.quiesce({ settleMs: 60_000 }, stop.signal)).rejects.toThrow('stopped');
  });
});

/** A connection with this name that does nothing. */
async function idle(name: string, login: { username?: string; password?: string } = {}): Promise<Redis> {
  const client = new Redis({
    port: proxy.port,
    host: '127.0.0.1',
    protocol: 2,
    connectionName: name,
    retryStrategy: () => null,
    autoResendUnfulfilledCommands: false,
    lazyConnect: true,
    enableReadyCheck: false,
    ...login,
  });
  client.on('error', () => undefined);
  dead.push(client);
  await client.connect();
  await client.ping();
  return client;
}

/** A rename that hangs in the network, of a process that is no more. */
async function sendAndDie(name: string): Promise<void> {
  const client = await idle(name);
  const held = proxy.holdFrom('renamenx');
  client.call('renamenx', 'siraya:1', 'tenant_7:1').catch(() => undefined);
  await held;
}

async function clients(name: string): Promise<number> {
  const list = String(await world.raw.client('LIST'));
  return list.split('\n').filter((line) => line.includes(` name=${name} `)).length;
}

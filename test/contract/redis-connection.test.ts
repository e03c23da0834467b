import { type AddressInfo, createServer } from 'node:net';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import type { MigrateError } from '../../src/model/errors.ts';
import { RedisConnection } from '../../src/stores/redis/redis-connection.ts';
import { freshRedis } from '../support/redis-server.ts';
import { redisSettings } from '../support/redis-world.ts';

test.each(['application', ''])(
  'who has got the number of a lost connection, at a server that was started anew, is left alone (named %j)',
  async (name) => {
    const first = await freshRedis();
    const earlier = await clients(first.port, 5, name);
    const connection = new RedisConnection(redisSettings(first.port, { settleMs: 100 }));
    await connection.open();
    const lost = Number(connection.clientId);
    for (const client of earlier) client.disconnect();
    await first.stop();
    const second = await freshRedis(['--port', `${first.port}`]);
    const others = await clients(first.port, 10, name);
    const numbers = await Promise.all(others.map((client) => client.client('ID')));
    expect(numbers).toContain(lost);
    await connection.recover(1, 'the server was stopped');
    expect(await Promise.all(others.map((client) => client.client('ID')))).toEqual(numbers);
    for (const client of others) client.disconnect();
    await connection.close();
    await second.stop();
  },
);

async function clients(port: number, count: number, connectionName: string): Promise<readonly Redis[]> {
  const all = Array.from({ length: count }, () => new Redis({ port, protocol: 2, connectionName }));
  await Promise.all(all.map((client) => client.ping()));
  return all;
}

test.each([
  ['HTTP', 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n', /that port speaks HTTP, not Redis/],
  ['something else', 'SSH-2.0-OpenSSH_9.2\r\n', /give the port of Redis: --redis-port/],
])('a port that speaks %s is told as such, with nothing to report', async (_, reply, advice) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(reply));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const connection = new RedisConnection(redisSettings((server.address() as AddressInfo).port));
  const failure = (await connection.open().catch((error: unknown) => error)) as MigrateError;
  expect(failure.message).toMatch(/cannot be spoken to: what answers there does not speak Redis’ protocol$/);
  expect(failure.next).toMatch(advice);
  await connection.close();
  server.close();
});

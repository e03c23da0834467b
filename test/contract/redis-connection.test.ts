import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
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

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RedisConnection } from '../../src/stores/redis/redis-connection.ts';
import { readFingerprints } from '../../src/stores/redis/redis-content.ts';
import { openRedisReader } from '../../src/stores/redis/redis-store.ts';
import { RedisWorld, redisSettings } from '../support/redis-world.ts';

let world: RedisWorld;

beforeAll(async () => {
  world = await RedisWorld.start();
});
afterAll(() => world.stop());
beforeEach(() => world.reset());

describe('a fingerprint', () => {
  test('is the same in one piece and in windows, whichever the weight of the elements calls for', async () => {
    const heavy = (n: number) => `${n}`.padStart(30_000, 'x');
    const numbers = Array.from({ length: 300 }, (_, n) => n);
    await world.raw.sadd('set', ...numbers.map(heavy));
    await world.raw.hset('hash', ...numbers.flatMap((n) => [heavy(n), heavy(n)]));
    await world.raw.zadd('zset', ...numbers.flatMap((n) => [n / 7, heavy(n)]), 'inf', 'more', '-inf', 'less');
    await world.raw.rpush('list', ...numbers.map(heavy));
    const keys = ['set', 'hash', 'zset', 'list'];
    await world.raw.acl('SETUSER', 'blind', 'reset', 'on', 'nopass', '+@all', '-memory', '~*');
    const blind = await openRedisReader(redisSettings(world.server.port, { username: 'blind', password: 'any' }));
    const [weighed, whole] = [await world.store.sizes(keys), await blind.sizes(keys)];
    expect(weighed.every((bytes) => bytes !== undefined && bytes > 8 << 20)).toBe(true);
    expect(whole).toEqual([undefined, undefined, undefined, undefined]);
    expect(await world.store.fingerprints(keys)).toEqual(await blind.fingerprints(keys));
    await blind.close();
  });

  test.each([
    ['once', 1],
    ['always', Number.POSITIVE_INFINITY],
  ])('counts no element twice where a cursor returns some again, %s', async (_, times) => {
    const names = Array.from({ length: 5_000 }, (_, n) => `member ${n}`);
    await world.raw.sadd('set', ...names);
    await world.raw.hset('hash', ...names.flatMap((name) => [name, name]));
    await world.raw.zadd('zset', ...names.flatMap((name, n) => [n, name]));
    for (const key of ['set', 'hash', 'zset']) {
      const connection = new RedisConnection(redisSettings(world.server.port));
      const reading = { expiry: 'absolute', memoryUsage: true } as const;
      const found = await readFingerprints(repeating(connection, times), [key], { ...reading });
      expect(found).toEqual(await world.store.fingerprints([key]));
      await connection.close();
    }
  });

  test('of a large set takes no memory that grows with it', async () => {
    setFlagsFromString('--expose_gc');
    const collect = runInNewContext('gc') as () => void;
    const held = () => {
      collect();
      return process.memoryUsage().heapUsed / (1 << 20);
    };
    for (let n = 0; n < 25; n += 1) {
      await world.raw.sadd('set', ...Array.from({ length: 10_000 }, (_, m) => `a member with some length ${n} ${m}`));
    }
    const start = held();
    let most = start;
    const watching = setInterval(() => {
      most = Math.max(most, held());
    }, 250);
    const [fingerprint] = await world.store.fingerprints(['set']);
    clearInterval(watching);
    expect(fingerprint?.type).toBe('set');
    // All its members held at once would take some 25.
    expect(most - start).toBeLessThan(10);
  });

  test('of values with an expiry tells it, as the expiry alone does', async () => {
    await world.raw.set('a', 'x', 'PX', 60_000);
    await world.raw.set('b', 'x');
    const expiresAt = await world.raw.pexpiretime('a');
    expect(await world.store.expiries(['a', 'b', 'absent'])).toEqual([expiresAt, -1, undefined]);
    expect((await world.store.fingerprints(['a']))[0]?.expiresAt).toBe(expiresAt);
  });
});

/** The connection, whose first pages of a cursor hold their first elements twice, as when a table is made smaller. */
function repeating(connection: RedisConnection, times: number): RedisConnection {
  let left = times;
  return new Proxy(connection, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (name !== 'read') return typeof member === 'function' ? member.bind(target) : member;
      return async (...args: Parameters<RedisConnection['read']>): ReturnType<RedisConnection['read']> => {
        const replies = await target.read(...args);
        return replies.map((reply) => {
          const page = 'value' in reply ? reply.value : undefined;
          if (!Array.isArray(page) || !Array.isArray(page[1]) || left <= 0) return reply;
          left -= 1;
          return { value: [page[0], [...page[1], ...page[1].slice(0, 2)]] };
        });
      };
    },
  });
}

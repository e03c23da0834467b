import { between, type Random, sentence } from './random.ts';
import type { RedisCommand, SeededKey } from './tenant-keys.ts';

/**
 * One key of every Redis type and of every kind that a careless move breaks, all of them the tenant's; large ones of so
 * many members.
 */
export function oddKeys(random: Random, tenant: string, members: number): SeededKey[] {
  const numbers = Array.from({ length: members }, (_, i) => i);
  const key = (rest: string) => `${tenant}:${rest}`;
  return [
    made(key('session'), ['HSET', 'user', 'u-1', 'seen', '2026-01-01', 'note', sentence(random, 3)]),
    made(key('session:large'), ['HSET', ...numbers.flatMap((i) => [`field ${i}`, `${between(random, 0, 1e9)}`])]),
    made(key('queue'), ['RPUSH', ...numbers.map((i) => `job ${i}`)]),
    made(key('flags'), ['SADD', 1, 2, 3, 5, 8]),
    made(key('tags'), ['SADD', ...numbers.map((i) => `tag ${i}`)]),
    made(key('ranking'), ['ZADD', ...numbers.flatMap((i) => [i / 3, `member ${i}`])]),
    made(key('limits'), ['ZADD', '-inf', 'lowest', '+inf', 'highest', 0.1, 'tenth']),
    stream(key('events')),
    made(key('visitors'), ['PFADD', ...numbers.map((i) => `visitor ${i}`)]),
    made(key('active'), ['SETBIT', 100_003, 1]),
    made(key('places'), ['GEOADD', 120.2, 23.1, 'harbour', 121.5, 25.03, 'temple']),
    made(key('counter'), ['SET', '9007199254740993']),
    made(key('empty'), ['SET', '']),
    made(key('large'), ['SET', sentence(random, 20).repeat(Math.round((members * 5) / 3))]),
    made(key('bytes'), ['SET', Buffer.from([0xff, 0xfe, 0x00, 0x0a, 0x0d, 0x80])]),
    made(key('file[1]*?.txt'), ['SET', 'a key that is also a pattern']),
    made(key('two\nlines "and" blanks'), ['SET', 'x']),
    made(key('蕭壠:🌊'), ['SET', 'x']),
    made(key(`${tenant}:again`), ['SET', 'the id stands in this key twice']),
    made(Buffer.concat([Buffer.from(`${tenant}_text_chunks:`), Buffer.from([0xff, 0xfe, 0x00])]), ['SET', 'not UTF-8']),
    expiring(made(key('lock'), ['HSET', 'owner', 'worker-1']), between(random, 3_600_000, 7_200_000)),
    expiring(made(key('recent'), ['RPUSH', 'a', 'b']), between(random, 86_400_000, 172_800_000)),
  ];
}

function made(key: string | Buffer, [name, ...args]: RedisCommand): SeededKey {
  return {
    key,
    kind: 'claimed',
    commands: [
      ['DEL', key],
      [name, key, ...args],
    ],
  };
}

function expiring(seeded: SeededKey, ttl: number): SeededKey {
  return { ...seeded, commands: [...seeded.commands, ['PEXPIRE', seeded.key, ttl]] };
}

/** Twelve entries, of which a consumer group was handed five and has confirmed two. */
function stream(key: string): SeededKey {
  const ids = Array.from({ length: 12 }, (_, i) => `${1_767_225_600_000 + i}-0`);
  return {
    key,
    kind: 'claimed',
    commands: [
      ['DEL', key],
      ...ids.map((id, i): RedisCommand => ['XADD', key, id, 'kind', i % 2 ? 'upload' : 'query', 'n', i]),
      ['XGROUP', 'CREATE', key, 'workers', '0'],
      ['XREADGROUP', 'GROUP', 'workers', 'worker-1', 'COUNT', 5, 'STREAMS', key, '>'],
      ['XACK', key, 'workers', ids[0] ?? '', ids[1] ?? ''],
    ],
  };
}

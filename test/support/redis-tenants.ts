import type { ChainableCommander, Redis } from 'ioredis';

/** Bytes that are no UTF-8. */
const ODD = Buffer.from([0xff, 0x00, 0xfe, 0x80, 0x0a, 0x0d]);
const DAY_MS = 86_400_000;

/**
 * Seeds one tenant with every type of key in every place where the application keeps keys. Returns the names that
 * a move has to give them, written out by hand: by the source's key, both in Latin-1.
 */
export async function seedTenant(redis: Redis, id: string, target = 'tenant_7'): Promise<ReadonlyMap<string, string>> {
  const pipeline = redis.pipeline();
  for (const key of KEYS) key.make(pipeline, nameOf(key, id), id);
  for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error;
  return namesOf(id, target);
}

/** The names that a move has to give the keys that {@link seedTenant} makes. */
export function namesOf(id: string, target: string): ReadonlyMap<string, string> {
  return new Map(KEYS.map((key) => [nameOf(key, id).toString('latin1'), nameOf(key, target).toString('latin1')]));
}

function nameOf({ before, after }: KeyToMake, tenant: string): Buffer {
  return Buffer.concat([bytes(before), Buffer.from(tenant), bytes(after)]);
}

/** Tenants whose keys look like siraya's, with the config record that the config stage owns, and keys of nobody. */
export async function seedNeighbours(redis: Redis): Promise<void> {
  for (const id of ['siraya_eu', 'my_siraya', 'sirayax', 'SIRAYA', 'other', 'tenant_76', 'x-siraya', 'siraya.eu']) {
    await seedTenant(redis, id);
    await redis.set(`tenant:config:${id}`, 'config');
  }
  const keys = [
    'siraya',
    'tenant:config:siraya',
    'tenant:config:siraya:old',
    'cache:siraya:1',
    'queue:{siraya}',
    'user:42:siraya',
    'task:other:siraya',
    'siraya_text_chunks',
    'siraya_unknown_namespace:1',
    'sirayä:1',
    'tenant_7',
    'tenant:config:tenant_7',
  ];
  for (const key of keys) await redis.set(key, `value of ${key}`);
  await redis.set(Buffer.concat([ODD, Buffer.from(':siraya:'), ODD]), ODD);
}

interface KeyToMake {
  readonly before: string | Buffer;
  readonly after: string | Buffer;
  readonly make: (pipeline: ChainableCommander, key: Buffer, id: string) => unknown;
}

const KEYS: readonly KeyToMake[] = [
  at('', '_text_chunks:chunk-1', (p, key, id) => p.set(key, JSON.stringify({ content: id, other: 'siraya' }))),
  at('', '_text_chunks:siraya_text_chunks:1', (p, key) => p.set(key, 'nested')),
  at('', '_full_docs:doc-ü', (p, key) => p.set(key, 'ü')),
  at('', '_llm_response_cache:default:query:1', (p, key) => p.set(key, '{}', 'PX', DAY_MS)),
  at('', '_doc_status__sched:status:processed', (p, key) => p.zadd(key, 1.5, 'doc-1', -2, 'doc-2', 'inf', 'doc-3')),
  at('', '_doc_status__sched:basename:a b.pdf', (p, key) => p.sadd(key, 'doc-1', 'doc-2', ODD)),
  at('task:', ':1', (p, key, id) => p.set(key, JSON.stringify({ tenant_id: id }), 'PX', 2 * DAY_MS)),
  at('batch:', ':1', (p, key, id) => p.set(key, JSON.stringify({ tenant_id: id }), 'PX', 3 * DAY_MS)),
  at('', ':empty', (p, key) => p.set(key, '')),
  at('', ':', (p, key) => p.set(key, 'nothing behind the id')),
  at('', '::siraya:', (p, key) => p.set(key, 'the id again')),
  at('', ':a*b?[c]\\d{e}\r\nf', (p, key) => p.set(key, 'characters of patterns')),
  at('', Buffer.concat([Buffer.from(':'), ODD]), (p, key) => p.set(key, ODD)),
  at('', ':hash', (p, key) => p.hset(key, { a: '1', b: ODD, '': '' })),
  at('', ':hash-table', (p, key) => p.hset(key, Object.fromEntries(numbers(200).map((n) => [`f${n}`, `v${n}`])))),
  at('', ':list', (p, key) => p.rpush(key, 'b', 'a', 'b', ODD, '')),
  at('', ':integers', (p, key) => p.sadd(key, 1, 2, 30_000)),
  at('', ':set-table', (p, key) => p.sadd(key, ...numbers(200).map((n) => `m${n}`))),
  at('', ':skip-list', (p, key) => p.zadd(key, ...numbers(200).flatMap((n) => [n / 3, `m${n}`]))),
  at('', ':volatile-set', (p, key) => p.sadd(key, 'a').pexpire(key, DAY_MS)),
  at('', ':cardinality', (p, key) => p.pfadd(key, 'a', 'b', 'c')),
  at('', ':bitmap', (p, key) => p.setbit(key, 1_001, 1)),
  at('', ':places', (p, key) => p.geoadd(key, 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania')),
  at('', ':stream', (p, key) => {
    for (let n = 1; n <= 5; n += 1) p.xadd(key, `${n}-1`, 'seen-time', `${n}`, 'field', ODD);
    p.xgroup('CREATE', key, 'workers', '0');
    p.xreadgroup('GROUP', 'workers', 'one', 'COUNT', 2, 'STREAMS', key, '>');
    p.xdel(key, '3-1');
  }),
];

function at(before: string | Buffer, after: string | Buffer, make: KeyToMake['make']): KeyToMake {
  return { before, after, make };
}

function bytes(value: string | Buffer): Buffer {
  return typeof value === 'string' ? Buffer.from(value) : value;
}

function numbers(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}

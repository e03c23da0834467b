import fc from 'fast-check';
import type { RedisCommand } from '../../../scripts/seed/tenant-keys.ts';
import type { SmallWorld } from './small-world.ts';

const NAMESPACES = [
  'full_docs',
  'text_chunks',
  'llm_response_cache',
  'doc_status',
  'doc_status__sched',
  'entity_chunks',
];

/** Ids as tenants have them, and as they never should: dots, blanks, signs of patterns, other scripts. */
const tenantId = fc
  .array(fc.constantFrom(...'abcXYZ019_-.*?[]$ é蕭🌊'), { minLength: 1, maxLength: 8 })
  .map((characters) => characters.join(''))
  // A word that begins with a dash is a flag, and blanks at the ends are no part of a word that was typed.
  .filter((id) => !id.startsWith('-') && id.trim() === id);

/** Where the tenant's name stands in a key: layouts that are the tenant's, and such as only look so. */
const layout = fc.constantFrom<(id: string) => string>(
  ...NAMESPACES.map((namespace) => (id: string) => `${id}_${namespace}:`),
  (id) => `${id}:`,
  (id) => `task:${id}:`,
  (id) => `batch:${id}:`,
  (id) => `cache:${id}:`,
  (id) => `x${id}:`,
  (id) => `${id}x_text_chunks:`,
  (id) => `${id}_notes:`,
);

const bytes = fc.uint8Array({ minLength: 1, maxLength: 10 }).map((array) => Buffer.from(array));
const value = fc.oneof(
  bytes.map(
    (one) =>
      (key: Buffer): RedisCommand => ['SET', key, one],
  ),
  fc.array(bytes, { minLength: 1, maxLength: 6 }).map(
    (all) =>
      (key: Buffer): RedisCommand => ['RPUSH', key, ...all],
  ),
  fc.array(bytes, { minLength: 1, maxLength: 6 }).map(
    (all) =>
      (key: Buffer): RedisCommand => ['SADD', key, ...all],
  ),
  fc.array(bytes, { minLength: 1, maxLength: 4 }).map(
    (all) =>
      (key: Buffer): RedisCommand => ['HSET', key, ...all.flatMap((field, i) => [field, String(i)])],
  ),
  fc.array(bytes, { minLength: 1, maxLength: 4 }).map(
    (all) =>
      (key: Buffer): RedisCommand => ['ZADD', key, ...all.flatMap((member, i) => [i / 3, member])],
  ),
  bytes.map(
    (one) =>
      (key: Buffer): RedisCommand => ['XADD', key, '1-1', 'field', one],
  ),
);

/** A key made anew, so that two of the same name do not meet; some of them with an end far away. */
const keyOf = (id: string) =>
  fc
    .record({ layout, rest: bytes, value, expires: fc.option(fc.integer({ min: 3_600_000, max: 1e9 })) })
    .map(({ layout: around, rest, value: made, expires }): readonly RedisCommand[] => {
      const key = Buffer.concat([Buffer.from(around(id)), rest]);
      return [['DEL', key], made(key), ...(expires === null ? [] : [['PEXPIRE', key, expires] as const])];
    });

const pointOf = (id: string) =>
  fc.record({
    id: fc.oneof(fc.uuid(), fc.integer({ min: 1, max: 1e9 })),
    vector: fc.constant([0.5, -0.25, 0.125, 1]),
    payload: fc.record({
      workspace_id: fc.constantFrom(id, `${id}x`, `${id.slice(1)}_`),
      content: fc.string(),
      n: fc.integer(),
    }),
  });

/** Any tenant with any data beside data that only looks like its own. */
export const anyWorld: fc.Arbitrary<SmallWorld> = fc
  .uniqueArray(tenantId, { minLength: 2, maxLength: 2 })
  .chain(([source = '', target = '']) =>
    fc.record({
      source: fc.constant(source),
      target: fc.constant(target),
      redis: fc.array(keyOf(source), { minLength: 1, maxLength: 40 }).map((keys) => keys.flat()),
      points: fc.uniqueArray(pointOf(source), { maxLength: 12, selector: ({ id }) => id }),
    }),
  )
  .map(({ source, target, redis, points }) => ({
    source,
    target,
    tenants: [source, target],
    redis,
    collections: [{ name: 'any', points }],
    configs: [],
    graph: [],
    kept: false,
    secrets: '{}',
  }));

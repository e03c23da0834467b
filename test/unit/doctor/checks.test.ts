import { expect, test } from 'vitest';
import { clockCheck, latencyCheck } from '../../../src/doctor/common-checks.ts';
import { graphChecks } from '../../../src/doctor/graph-checks.ts';
import { leftoverChecks } from '../../../src/doctor/leftover-checks.ts';
import { localChecks, stateChecks } from '../../../src/doctor/local-checks.ts';
import { qdrantVersionCheck } from '../../../src/doctor/qdrant-checks.ts';
import { redisChecks } from '../../../src/doctor/redis-checks.ts';
import type { Check } from '../../../src/report/doctor-report.ts';

/** `name level` of what is not well: the worst of a name. */
const ills = (checks: readonly Check[]) =>
  checks.filter(({ level }) => level !== 'ok').map(({ name, level }) => `${name} ${level}`);

type RedisFacts = Parameters<typeof redisChecks>[0];
const server: RedisFacts['server'] = {
  product: 'redis',
  version: '7.0.15',
  role: 'master',
  loading: false,
  cluster: false,
  masters: 1,
  migratingSlots: 0,
  usedMemory: 0,
  maxMemory: 0,
  expiredKeys: 0,
  evictedKeys: 0,
  replicas: 0,
  runId: 'r',
};
const node: RedisFacts['nodes'][number] = {
  address: '127.0.0.1:6379',
  usedMemory: 50,
  maxMemory: 100,
  policy: 'noeviction',
  evictedKeys: 0,
  aof: true,
  saveFailed: false,
  replicas: 0,
  replicasBehind: 0,
};
const redis = (more: {
  server?: Partial<RedisFacts['server']>;
  node?: Partial<typeof node>;
  facts?: Partial<RedisFacts>;
}) =>
  redisChecks({
    server: { ...server, ...more.server },
    nodes: [{ ...node, ...more.node }],
    skewMs: 3,
    rights: { user: 'default', told: true, missing: [], missed: [] },
    held: [],
    ...more.facts,
  });

test.each([
  ['a sound server', {}, []],
  ['one that could evict', { node: { policy: 'allkeys-lru' } }, ['memory warning']],
  ['one that evicts', { node: { policy: 'volatile-ttl', evictedKeys: 1 } }, ['memory error']],
  ['a full one that evicts', { node: { policy: 'allkeys-lru', usedMemory: 95 } }, ['memory error']],
  ['a full one', { node: { usedMemory: 95 } }, ['memory warning']],
  ['one that keeps no log of its writes', { node: { aof: false } }, ['persistence warning']],
  ['one without a limit, whatever its policy', { node: { maxMemory: 0, policy: 'allkeys-lru' } }, []],
  ['one that cannot save', { node: { saveFailed: true } }, ['persistence error']],
  ['one with a replica not in step', { node: { replicas: 2, replicasBehind: 1 } }, ['replicas warning']],
  ['a replica', { server: { role: 'slave' } }, ['role error']],
  ['one that is loading', { server: { loading: true } }, ['state error']],
  ['a cluster that is down', { server: { cluster: true, down: 'no slots' } }, ['role error']],
  ['a Dragonfly', { server: { product: 'dragonfly', version: '1.30.0', maxMemory: 100 } }, ['version warning']],
  ['an old one', { server: { version: '5.0.1' } }, ['version warning']],
  ['a clock that is off', { facts: { skewMs: -60_000 } }, ['clock warning']],
  ['a lock', { facts: { held: [{ tenant: 'a', ttlMs: 1_000 }] } }, ['lock warning']],
  [
    'a user who may not do all',
    { facts: { rights: { user: 'u', told: false, missing: ['renamenx'], missed: ['dump'] } } },
    ['commands error', 'commands warning', 'commands unchecked'],
  ],
] as const)('Redis: %s is told as what it is', (_, facts, expected) => {
  expect(ills(redis(facts as Parameters<typeof redis>[0]))).toEqual(expected);
});

type GraphFacts = Parameters<typeof graphChecks>[0];
const neo4j: GraphFacts = {
  server: { dialect: { name: 'neo4j', idFunction: 'elementId' }, version: '5.26.0' },
  state: { replica: false },
  database: { name: 'neo4j', access: 'read-write', status: 'online' },
  memory: new Map([['db.memory.transaction.max', '0B']]),
  privileges: [{ access: 'GRANTED', action: 'set_label' }],
  timeLimit: 0,
  schemaNotOnline: [],
  schemaCount: 3,
};
const index = (state: 'failed' | 'populating') => [{ name: 'i', state }] as unknown as GraphFacts['schemaNotOnline'];
const memgraph = { server: { dialect: { name: 'memgraph', idFunction: 'id' }, version: '3.1.0' } } as const;

test.each<[string, Partial<GraphFacts>, readonly string[]]>([
  ['a sound server', {}, []],
  ['Neo4j 4.3', { server: { ...neo4j.server, version: '4.3.1' } }, ['version error']],
  ['a year’s version', { server: { ...neo4j.server, version: '2025.1.0' } }, ['version warning']],
  ['a read-only database', { database: { name: 'x', access: 'read-only', status: 'online' } }, ['state error']],
  ['one that is offline', { database: { name: 'x', access: 'read-write', status: 'offline' } }, ['state error']],
  ['a limit that ends a batch', { timeLimit: 20 }, ['time limit warning']],
  ['a limit that is not told', { timeLimit: undefined }, ['time limit unchecked']],
  ['a failed index', { schemaNotOnline: index('failed') }, ['indexes error']],
  ['an index in the making', { schemaNotOnline: index('populating') }, ['indexes warning']],
  ['a denied right', { privileges: [{ access: 'DENIED', action: 'set_label' }] }, ['rights error']],
  ['rights that nobody tells', { privileges: undefined }, ['rights unchecked']],
  [
    'a full Memgraph without transactions',
    {
      ...memgraph,
      database: undefined,
      state: { replica: false, storageMode: 'IN_MEMORY_ANALYTICAL' },
      memory: new Map([
        ['memory_tracked', '1.9GiB'],
        ['allocation_limit', '2.00GiB'],
      ]),
      used: { usedBytes: 1.9, limitBytes: 2 },
    },
    ['version warning', 'state error', 'memory error'],
  ],
])('graph: %s is told as what it is', (_, facts, expected) => {
  expect(ills(graphChecks({ ...neo4j, ...facts }))).toEqual(expected);
});

test('versions, round trips, clocks and this machine are judged at their limits', () => {
  expect(['1.10.1', '1.11.0', '1.17.9', '1.18.0', '2.0.0'].map((text) => qdrantVersionCheck(text).level)).toEqual([
    'error',
    'ok',
    'ok',
    'warning',
    'warning',
  ]);
  expect(latencyCheck('redis', [400, 1, 2])).toMatchObject({ level: 'ok', text: '2.0 ms (median of 3)' });
  expect(latencyCheck('redis', [150, 150])).toMatchObject({ level: 'warning' });
  expect(clockCheck('qdrant', 5_900, 1_000)).toMatchObject([{ level: 'ok' }]);
  expect(clockCheck('qdrant', undefined)).toEqual([]);
  const facts = { node: '20.19.0', freeBytes: 2 ** 40, fileSystem: undefined, stateFolder: undefined, writable: true };
  const around = { stateDir: 'state', interactive: false, hasEncryptionKey: true };
  const folder = { kind: 'folder', mode: 0o700, owner: 'own' } as const;
  const at = (more: Partial<Parameters<typeof stateChecks>[0]>) =>
    ills([...localChecks({ ...facts, ...more }, around), ...stateChecks({ ...facts, ...more }, around)]);
  expect(at({})).toEqual([]);
  expect(at({ node: '20.18.9' })).toEqual(['node error']);
  expect(at({ node: '23.1.0' })).toEqual(['node warning']);
  expect(at({ writable: false })).toEqual(['folder error']);
  expect(at({ stateFolder: { ...folder, mode: 0o750 } })).toEqual(['folder warning']);
  expect(at({ stateFolder: { ...folder, kind: 'link' } })).toEqual(['folder warning']);
  expect(at({ stateFolder: { ...folder, owner: 'other' } })).toEqual(['folder error']);
  // A volume that belongs to root and is written through its group: a move works there.
  const volume = { ...folder, owner: 'root', mode: 0o770 } as const;
  expect(at({ stateFolder: volume })).toEqual(['folder warning']);
  expect(at({ stateFolder: volume, writable: false })).toEqual(['folder error']);
  expect(ills(localChecks(facts, { ...around, hasEncryptionKey: false }))).toEqual(['ENCRYPTION_KEY warning']);
  expect(at({ stateFolder: folder, freeBytes: 2 ** 20, fileSystem: 'network' })).toEqual([
    'disk error',
    'file system warning',
  ]);
});

test('locks of processes that are gone are no reason to worry, others are', () => {
  const lock = { tenant: 'a', owner: 'run 1', alive: true, path: 'p' };
  expect(ills(leftoverChecks({ unfinished: [], locks: [] }))).toEqual([]);
  expect(ills(leftoverChecks({ unfinished: [], locks: [{ ...lock, alive: false }] }))).toEqual([]);
  expect(ills(leftoverChecks({ unfinished: [], locks: [lock, { ...lock, tenant: undefined }] }))).toEqual([
    'lock warning',
    'lock warning',
  ]);
  const run = { id: 'r', moves: 'a → b', next: ['tenant-migrate resume r', 'tenant-migrate rollback r'] };
  expect(leftoverChecks({ unfinished: [run], locks: [] })).toMatchObject([
    { level: 'warning', fix: 'tenant-migrate resume r   or: tenant-migrate rollback r' },
  ]);
});

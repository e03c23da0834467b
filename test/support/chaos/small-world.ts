import { randomBytes } from 'node:crypto';
import { pointId } from '../../../scripts/seed/point-id.ts';
import { pythonJson } from '../../../scripts/seed/python-json.ts';
import { between, hex, type Random, randomFor, sentence } from '../../../scripts/seed/random.ts';
import { tenantConfig } from '../../../scripts/seed/tenant-config.ts';
import { type RedisCommand, tenantKeys } from '../../../scripts/seed/tenant-keys.ts';

/** About 300 objects in four stores: one tenant among neighbours, some of whose ids contain its own. */
export interface SmallWorld {
  readonly source: string;
  readonly target: string;
  /** All whose configs and nodes there may be. */
  readonly tenants: readonly string[];
  readonly redis: readonly RedisCommand[];
  readonly collections: readonly { readonly name: string; readonly points: readonly SmallPoint[] }[];
  readonly configs: readonly { readonly tenant: string; readonly sections: ReturnType<typeof tenantConfig> }[];
  readonly graph: readonly SmallGraph[];
  /** Whether the application keeps its configs in Redis alone. */
  readonly kept: boolean;
  /** Secrets of the source's config, as `--config-secrets` takes them: those that its record in Redis does not prove. */
  readonly secrets: string;
}

interface SmallPoint {
  readonly id: string | number;
  readonly vector: readonly number[];
  readonly payload: Readonly<Record<string, unknown>>;
}

interface SmallGraph {
  readonly label: string;
  /** Labels that each node has beside; one entry a node. */
  readonly nodes: readonly { readonly labels: readonly string[]; readonly properties: Record<string, unknown> }[];
  readonly relationships: readonly { readonly from: number; readonly to: number; readonly weight: number }[];
}

const COLLECTIONS = ['lightrag_vdb_chunks', 'lightrag_vdb_entities', 'lightrag_vdb_relationships'];
const VECTOR = 4;

/**
 * The same seed gives the same world. `fresh` gives its tenants names that nobody else has, for a graph that is shared
 * with others: their length, and all else, stays the same.
 */
export function smallWorld(seed: number, { fresh = false }: { readonly fresh?: boolean } = {}): SmallWorld {
  const random = randomFor(seed, 'world');
  const word = (bytes: number) => {
    const drawn = hex(random, bytes);
    return fresh ? randomBytes(bytes).toString('hex') : drawn;
  };
  const stem = ['acme', 'siraya', 't-1', '007', 'Customer_A'][between(random, 0, 5)] ?? 'acme';
  const source = `${stem}${word(3)}`;
  const target = `tenant_${word(4)}`;
  const alike = [`${source}_eu`, `my_${source}`, `${source}x`, `${target}0`];
  const other = `other${word(3)}`;
  const kept = randomFor(seed, 'kept')() < 0.4;
  const configs = [source, other, `${source}_eu`].map((tenant) => ({ tenant, sections: tenantConfig(seed, tenant) }));
  return {
    source,
    target,
    tenants: [source, target, ...alike, other],
    redis: [
      ...commandsOf(seed, source, between(random, 50, 110)),
      ...commandsOf(seed, other, 26),
      ...work(random, source, other),
      ...alike.flatMap((tenant) => lookAlikes(random, tenant)),
    ],
    collections: COLLECTIONS.map((name) => ({
      name,
      points: [
        ...points(random, source, between(random, 5, 25)),
        ...[...alike, other].flatMap((tenant) => points(random, tenant, 3)),
        { id: between(random, 1, 1e9), vector: vector(random), payload: { note: 'of nobody' } },
      ],
    })),
    configs,
    graph: [
      graph(random, source, between(random, 10, 30)),
      ...[...alike, other].map((label) => graph(random, label, 3)),
    ],
    kept,
    secrets: secretsOf(tenantConfig(seed, source), kept ? isShort : undefined),
  };
}

function commandsOf(seed: number, tenant: string, total: number): readonly RedisCommand[] {
  return [...tenantKeys({ seed, tenant, total, members: 20 })].flatMap(({ commands }) => commands);
}

/** Keys of a tenant whose id contains the source's or the target's, in each of the layouts that are claimed. */
function lookAlikes(random: Random, tenant: string): readonly RedisCommand[] {
  return [
    ['SET', `${tenant}_text_chunks:chunk-${hex(random, 4)}`, sentence(random, 3)],
    ['SET', `task:${tenant}:${hex(random, 4)}`, sentence(random, 3), 'PX', between(random, 3_600_000, 9_000_000)],
    ['HSET', `${tenant}:session`, 'user', sentence(random, 1)],
    ['RPUSH', `${tenant}_doc_status__sched:queue`, 'a', 'b'],
  ];
}

/** Records of work that name the tenant inside, as Python and JavaScript write them; one of them names another. */
function work(random: Random, tenant: string, other: string): readonly RedisCommand[] {
  const values = Array.from({ length: between(random, 3, 9) }, (_, i) => {
    const value = { tenant_id: i === 2 ? other : tenant, note: sentence(random, 3), result: { tenant_id: tenant } };
    return i % 2 === 0 ? pythonJson(value) : JSON.stringify(value);
  });
  return values.map((value, i) => {
    const key = `${i % 3 === 0 ? 'batch' : 'task'}:${tenant}:work-${hex(random, 4)}`;
    return i % 2 === 0 ? ['SET', key, value, 'PX', between(random, 3_600_000, 9_000_000)] : ['SET', key, value];
  });
}

function points(random: Random, tenant: string, count: number): readonly SmallPoint[] {
  return Array.from({ length: count }, (_, i) => {
    const id = `item-${hex(random, 6)}`;
    return {
      // Numbers, ids made from the tenant, and ids of nobody's making.
      id: i % 5 === 4 ? between(random, 1, 1e9) : pointId(i % 2 === 0 ? 'lightrag' : 'random', random, tenant, id),
      vector: vector(random),
      payload: { workspace_id: tenant, id, content: sentence(random, 4), created_at: 1_767_225_600 + i },
    };
  });
}

/** Four decimals that a 32-bit float holds as they are. */
function vector(random: Random): readonly number[] {
  return Array.from({ length: VECTOR }, () => between(random, -512, 512) / 1024);
}

function graph(random: Random, label: string, count: number): SmallGraph {
  return {
    label,
    nodes: Array.from({ length: count }, (_, i) => ({
      labels: i % 4 === 0 ? ['Person'] : [],
      properties: { entity_id: `Entity ${i}`, description: sentence(random, 5), rank: i, tags: ['a', `b${i}`] },
    })),
    relationships: Array.from({ length: count }, (_, i) => ({
      from: i,
      to: between(random, 0, count),
      weight: between(random, 1, 10),
    })),
  };
}

/** Of such a secret the API shows nothing, so that no record proves it. */
const isShort = (secret: string): boolean => secret.length < 12;

/** The secrets of a config, as `--config-secrets` takes them. */
export function secretsOf(
  config: ReturnType<typeof tenantConfig>,
  wanted: (secret: string) => boolean = () => true,
): string {
  const secrets: Record<string, Record<string, string>> = {};
  for (const [section, members] of Object.entries(config)) {
    for (const [name, value] of Object.entries(members)) {
      if ((name === 'api_key' || name === 'api_token') && wanted(String(value)))
        secrets[section] = { ...secrets[section], [name]: String(value) };
    }
  }
  return JSON.stringify(secrets);
}

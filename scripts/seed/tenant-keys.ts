import { oddKeys } from './odd-keys.ts';
import { pythonJson } from './python-json.ts';
import { between, hex, type Random, randomFor, sentence } from './random.ts';
import { tenantConfig } from './tenant-config.ts';

/** A Redis command with its arguments. */
export type RedisCommand = readonly [name: string, ...args: (string | number | Buffer)[]];

/** One key and the commands that make it; run again they leave the same. */
export interface SeededKey {
  readonly key: string | Buffer;
  readonly kind: 'claimed' | 'config record' | 'unclaimed';
  readonly commands: readonly RedisCommand[];
}

/**
 * A tenant's keys as LightRAG and the application on it write them: exactly `total` claimed ones, every Redis type
 * among them, then the config's record and a few keys that no template claims.
 */
export function* tenantKeys({
  seed,
  tenant,
  total,
  members = 300,
}: {
  seed: number;
  tenant: string;
  total: number;
  /** Of large keys. */
  members?: number;
}): Generator<SeededKey> {
  const random = randomFor(seed, tenant, 'keys');
  let left = total;
  for (const key of claimed(random, tenant, { total, members })) {
    if (left-- === 0) break;
    yield key;
  }
  while (left-- > 0) yield cachedAnswer(random, tenant);
  yield {
    key: `tenant:config:${tenant}`,
    kind: 'config record',
    commands: [set(`tenant:config:${tenant}`, configRecord(seed, tenant))],
  };
  for (let i = 0; i < 5; i++) yield unclaimed(`cache:${tenant}:answer:${i}`, sentence(random, 4));
}

/** The kinds in the shares that a real tenant showed; `tenantKeys` fills up with cached answers. */
function* claimed(
  random: Random,
  tenant: string,
  { total, members }: { total: number; members: number },
): Generator<SeededKey> {
  const share = (part: number) => Math.max(1, Math.floor(total * part));
  yield* oddKeys(random, tenant, members);
  yield* documents(random, tenant, share(0.005));
  for (let i = 0; i < share(0.0016); i++) yield task(random, tenant, i);
  for (let i = 0; i < share(0.0005); i++) yield batch(random, tenant, i);
  for (let i = 0; i < share(0.0141); i++) yield textChunk(random, tenant, i);
  for (let i = 0; i < share(0.3537); i++) yield chunkList(random, `${tenant}_entity_chunks:Entity ${i}`);
  for (let i = 0; i < share(0.4677); i++)
    yield chunkList(random, `${tenant}_relation_chunks:Entity ${i}<SEP>Entity ${i * 7}`);
}

/** Each document with its record, status, sidecar and lists, and the sorted sets of LightRAG's scheduler. */
function* documents(random: Random, tenant: string, count: number): Generator<SeededKey> {
  const ids = Array.from({ length: count }, () => `doc-${hex(random, 16)}`);
  for (const [i, id] of ids.entries()) {
    const file_path = `report ${i}.pdf`;
    const content = sentence(random, 40);
    yield string(`${tenant}_full_docs:${id}`, pythonJson({ content, file_path, create_time: epoch + i, _id: id }));
    yield string(
      `${tenant}_doc_status:${id}`,
      pythonJson({
        content_summary: content.slice(0, 40),
        status: statusOf(i),
        file_path,
        created_at: isoTime,
        chunks_list: [],
      }),
    );
    yield made(`${tenant}_doc_status__sched:basename:${file_path}`, ['SADD', id]);
    yield string(`${tenant}_full_entities:${id}`, pythonJson({ entity_names: [`Entity ${i}`], count: 1, _id: id }));
    yield string(
      `${tenant}_full_relations:${id}`,
      pythonJson({ relation_pairs: [[`Entity ${i}`, 'Entity 0']], _id: id }),
    );
  }
  for (const status of ['processed', 'failed', 'pending']) {
    const members = ids.filter((_, i) => statusOf(i) === status).flatMap((id) => [0, `${isoTime}|${id}`]);
    if (members.length > 0) yield made(`${tenant}_doc_status__sched:status:${status}`, ['ZADD', ...members]);
  }
}

const epoch = 1_767_225_600; // 2026-01-01T00:00:00Z, in seconds
const isoTime = '2026-01-01T00:00:00+00:00';
const hour = 3_600_000;

function statusOf(i: number): string {
  return i % 10 === 9 ? 'failed' : i % 10 === 8 ? 'pending' : 'processed';
}

/** The application's own record of work, with the tenant's id inside and a time to live of hours to days. */
function task(random: Random, tenant: string, i: number): SeededKey {
  const id = hex(random, 16);
  const value = {
    task_id: id,
    tenant_id: tenant,
    status: 'completed',
    progress: i / 100,
    result: { note: sentence(random, 5), about: tenant },
  };
  return string(`task:${tenant}:${id}`, pythonJson(value), between(random, 6 * hour, 72 * hour));
}

function batch(random: Random, tenant: string, i: number): SeededKey {
  const id = hex(random, 16);
  const value = { batch_id: id, tenant_id: tenant, tasks: [hex(random, 16), hex(random, 16)], total: i + 2 };
  return string(`batch:${tenant}:${id}`, pythonJson(value), between(random, 24 * hour, 240 * hour));
}

function textChunk(random: Random, tenant: string, i: number): SeededKey {
  const id = `chunk-${hex(random, 16)}`;
  const content = sentence(random, 60);
  return string(
    `${tenant}_text_chunks:${id}`,
    pythonJson({ tokens: 90, content, chunk_order_index: i, full_doc_id: `doc-${i}`, create_time: epoch + i, _id: id }),
  );
}

function chunkList(random: Random, key: string): SeededKey {
  return string(
    key,
    pythonJson({ chunk_ids: [`chunk-${hex(random, 16)}`], count: 1, create_time: epoch, update_time: epoch }),
  );
}

function cachedAnswer(random: Random, tenant: string): SeededKey {
  const value = {
    return: sentence(random, 25),
    cache_type: 'extract',
    chunk_id: `chunk-${hex(random, 8)}`,
    create_time: epoch,
  };
  return string(`${tenant}_llm_response_cache:default:extract:${hex(random, 16)}`, pythonJson(value));
}

function configRecord(seed: number, tenant: string): string {
  return pythonJson({ tenant_id: tenant, ...tenantConfig(seed, tenant), created_at: isoTime, updated_at: isoTime });
}

function unclaimed(key: string, value: string): SeededKey {
  return { key, kind: 'unclaimed', commands: [set(key, value)] };
}

function string(key: string, value: string, ttl?: number): SeededKey {
  return { key, kind: 'claimed', commands: [set(key, value, ttl)] };
}

/** A key of another type: made anew, so that seeding twice leaves the same. */
function made(key: string, [name, ...args]: RedisCommand): SeededKey {
  return {
    key,
    kind: 'claimed',
    commands: [
      ['DEL', key],
      [name, key, ...args],
    ],
  };
}

/** `ttl` in milliseconds. */
function set(key: string, value: string, ttl?: number): RedisCommand {
  return ttl === undefined ? ['SET', key, value] : ['SET', key, value, 'PX', ttl];
}

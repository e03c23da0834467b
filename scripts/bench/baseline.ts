import { setTimeout as sleep } from 'node:timers/promises';
import type { ChainableCommander, Redis } from 'ioredis';
import { request } from 'undici';
import type { Move } from '../../src/model/move.ts';

const KEYS_IN_A_PIPELINE = 500;
const POINTS_IN_A_PAGE = 100;
const PAUSE_MS = 100;

/** How long the guide's script would take. */
export interface BaselineTime {
  readonly ms: number;
  /** Records that were timed. */
  readonly timed: number;
  /** Records for which `ms` stands; more than `timed` where the rest is extrapolated. */
  readonly of: number;
}

/**
 * What the guide's script does with Redis: everything that matches `*source*` is copied by type, in pipelines of 500,
 * with two TYPE calls for each key that wait for their replies. At most `limit` keys are copied, the rest is extrapolated.
 */
export async function copyLikeTheGuide(redis: Redis, { source, target }: Move, limit: number): Promise<BaselineTime> {
  const begun = performance.now();
  const keys: string[] = [];
  let cursor = '0';
  do {
    const [next, page] = await redis.scan(cursor, 'MATCH', `*${source}*`, 'COUNT', 1_000);
    keys.push(...page);
    cursor = next;
  } while (cursor !== '0');
  const scanned = performance.now();
  const copied = keys.slice(0, limit);
  for (let first = 0; first < copied.length; first += KEYS_IN_A_PIPELINE) {
    await copyBatch(redis, copied.slice(first, first + KEYS_IN_A_PIPELINE), { source, target });
  }
  const perKey = (performance.now() - scanned) / copied.length;
  return { ms: scanned - begun + perKey * keys.length, timed: copied.length, of: keys.length };
}

async function copyBatch(redis: Redis, keys: readonly string[], { source, target }: Move): Promise<void> {
  const reads = redis.pipeline();
  for (const key of keys) addRead(reads, key, await redis.type(key));
  const values = (await reads.exec()) ?? [];
  const writes = redis.pipeline();
  for (const [index, key] of keys.entries()) {
    addWrite(writes, key.replaceAll(source, target), await redis.type(key), values[index]?.[1]);
  }
  await writes.exec();
}

function addRead(pipeline: ChainableCommander, key: string, type: string): void {
  if (type === 'string') pipeline.getBuffer(key);
  else if (type === 'hash') pipeline.hgetall(key);
  else if (type === 'list') pipeline.lrange(key, '0', '-1');
  else if (type === 'set') pipeline.smembers(key);
  else if (type === 'zset') pipeline.call('ZRANGE', key, '0', '-1', 'WITHSCORES');
  else pipeline.exists(key);
}

function addWrite(pipeline: ChainableCommander, key: string, type: string, value: unknown): void {
  if (type === 'string') pipeline.set(key, value as Buffer);
  else if (type === 'hash') pipeline.hset(key, value as Record<string, string>);
  else if (type === 'list') pipeline.rpush(key, ...(value as string[]));
  else if (type === 'set') pipeline.sadd(key, ...(value as string[]));
  else if (type === 'zset') {
    const flat = value as string[];
    pipeline.zadd(key, ...flat.map((_, index) => flat[index % 2 === 0 ? index + 1 : index - 1] ?? ''));
  }
}

/**
 * What the guide's script does with Qdrant: pages of 100 points with their payload, one update for each page, then a
 * pause of 0.1 s. `pages` pages of one collection are moved and the rest is extrapolated; the caller moves them back.
 */
export async function updateLikeTheGuide(
  { qdrantUrl, collection, move }: { readonly qdrantUrl: string; readonly collection: string; readonly move: Move },
  { pages, points }: { readonly pages: number; readonly points: number },
): Promise<BaselineTime> {
  const url = `${qdrantUrl}/collections/${collection}/points`;
  const filter = { must: [{ key: 'workspace_id', match: { value: move.source } }] };
  const begun = performance.now();
  let moved = 0;
  for (let page = 0; page < pages; page += 1) {
    const body = { filter, limit: POINTS_IN_A_PAGE, with_payload: true, with_vector: false };
    const { result } = (await post(`${url}/scroll`, body)) as { result: { points: { id: unknown }[] } };
    if (result.points.length === 0) break;
    const ids = result.points.map(({ id }) => id);
    await post(`${url}/payload`, { payload: { workspace_id: move.target }, points: ids });
    moved += ids.length;
    await sleep(PAUSE_MS);
  }
  return { ms: ((performance.now() - begun) / moved) * points, timed: moved, of: points };
}

async function post(url: string, body: unknown): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  const reply = await request(url, { method: 'POST', headers, body: JSON.stringify(body) });
  if (reply.statusCode !== 200) throw new Error(`POST ${url}: ${reply.statusCode} ${await reply.body.text()}`);
  return reply.body.json();
}

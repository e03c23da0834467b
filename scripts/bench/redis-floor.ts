import type { Redis } from 'ioredis';
import type { Move } from '../../src/model/move.ts';

export interface FloorSizes {
  readonly scanCount: number;
  readonly batch: number;
  readonly inFlight: number;
}

const NAMESPACES =
  '(?:full_docs|text_chunks|llm_response_cache|full_entities|full_relations|entity_chunks|relation_chunks|doc_status)(?:__sched)?';

/** Where a tenant stands in a key, and its new name. */
type Rename = (key: string) => string | undefined;

/** The same for many tenants: the id is read out of the key and looked up. */
export function renameManyBare(redis: Redis, moves: readonly Move[], sizes: FloorSizes): Promise<number> {
  const targets = new Map(moves.map(({ source, target }) => [source, target]));
  const claimed = new RegExp(`^(task:|batch:)?([^:]+?)(?=:|_${NAMESPACES}:)`);
  return renameAll(redis, sizes, (key) => {
    const match = claimed.exec(key);
    const target = targets.get(match?.[2] ?? '');
    return match === null || target === undefined
      ? undefined
      : `${match[1] ?? ''}${target}${key.slice(match[0].length)}`;
  });
}

/**
 * Renames a tenant's keys as fast as a plain loop with this client can: one scan feeds pipelines of RENAMENX.
 * No undo log, no look at the replies, keys taken for text. Resolves to the number of renames.
 */
export function renameBare(redis: Redis, { source, target }: Move, sizes: FloorSizes): Promise<number> {
  const claimed = new RegExp(`^(?:task:|batch:)?${source}(?=:|_${NAMESPACES}:)`);
  return renameAll(redis, sizes, (key) => {
    const start = claimed.exec(key)?.[0].length;
    return start === undefined ? undefined : key.slice(0, start - source.length) + target + key.slice(start);
  });
}

async function renameAll(redis: Redis, sizes: FloorSizes, renamed: Rename): Promise<number> {
  const running = new Set<Promise<unknown>>();
  let renames = 0;
  let pipeline = redis.pipeline();
  const send = async (): Promise<void> => {
    renames += pipeline.length;
    const sent: Promise<unknown> = pipeline.exec().finally(() => running.delete(sent));
    running.add(sent);
    pipeline = redis.pipeline();
    if (running.size >= sizes.inFlight) await Promise.race(running);
  };
  let page = redis.scan('0', 'COUNT', sizes.scanCount);
  for (;;) {
    const [cursor, keys] = await page;
    if (cursor !== '0') page = redis.scan(cursor, 'COUNT', sizes.scanCount);
    for (const key of keys) {
      const name = renamed(key);
      if (name === undefined) continue;
      pipeline.renamenx(key, name);
      if (pipeline.length >= sizes.batch) await send();
    }
    if (cursor === '0') break;
  }
  if (pipeline.length > 0) await send();
  await Promise.all(running);
  return renames;
}

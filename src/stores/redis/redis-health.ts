import { randomBytes } from 'node:crypto';
import { lockKey, probeKey } from './lock-key.ts';
import { openLink } from './open-link.ts';
import { readInfo, readServer } from './read-server.ts';
import { type RedisSettings, type Reply, replyError } from './redis-connection.ts';
import type { RedisLink } from './redis-link.ts';
import { type CommandRights, commandRights } from './redis-rights.ts';
import { parseServer, type RedisServer } from './redis-server.ts';

/** How a Redis-compatible server is, for one who wants to move a tenant in it. */
export interface RedisHealth {
  readonly server: RedisServer;
  /** One for each master. */
  readonly nodes: readonly RedisNodeHealth[];
  /** The server's clock minus ours, ms; undefined where this user may not ask. */
  readonly skewMs: number | undefined;
  readonly rights: CommandRights;
  /** Locks of these tenants that somebody holds. */
  readonly held: readonly { readonly tenant: string; readonly ttlMs: number }[];
}

export interface RedisNodeHealth {
  readonly address: string;
  readonly usedMemory: number;
  /** 0: no limit. */
  readonly maxMemory: number;
  /** Such as `noeviction`; empty where it does not tell. */
  readonly policy: string;
  readonly evictedKeys: number;
  readonly aof: boolean;
  /** Writing to its disk failed the last time: writes may be refused. */
  readonly saveFailed: boolean;
  readonly replicas: number;
  /** Those that are connected and do not receive. */
  readonly replicasBehind: number;
}

const PINGS = 5;

/** A connection that looks at a server and leaves it as it is. */
export interface RedisHealthProbe {
  readonly address: string;
  /** Round trips of a PING, one after the other, ms. */
  pings(): Promise<readonly number[]>;
  health(tenants: readonly string[]): Promise<RedisHealth>;
  /**
   * Writes a key of its own that ends after five seconds, dumps it, restores it under another name, and removes both. The
   * server's words where that fails.
   */
  tryRestore(): Promise<string | undefined>;
  close(): Promise<void>;
}

/** Connects once. Throws MigrateError `unreachable` or `unauthorised`. */
export async function openRedisHealth(settings: RedisSettings): Promise<RedisHealthProbe> {
  const link = await openLink(settings);
  return {
    address: link.address,
    pings: () => pings(link),
    health: (tenants) => healthOf(link, tenants),
    tryRestore: () => tryRestore(link),
    close: () => link.close(),
  };
}

async function pings(link: RedisLink): Promise<readonly number[]> {
  const ms: number[] = [];
  for (let ping = 0; ping < PINGS; ping += 1) {
    const started = performance.now();
    await link.readOnce((pipeline) => {
      pipeline.call('PING');
    });
    ms.push(performance.now() - started);
  }
  return ms;
}

async function healthOf(link: RedisLink, tenants: readonly string[]): Promise<RedisHealth> {
  const server = await readServer(link);
  const nodes = await Promise.all((link.cluster?.masters() ?? [link]).map(nodeHealth));
  return {
    server,
    nodes,
    skewMs: await skewOf(link),
    rights: await commandRights(link),
    held: await heldLocks(link, tenants),
  };
}

async function nodeHealth(link: RedisLink): Promise<RedisNodeHealth> {
  const info = await readInfo(link);
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim() ?? '';
  const { usedMemory, maxMemory, evictedKeys, replicas } = parseServer(info);
  const states = [...info.matchAll(/^slave\d+:.*?state=(\w+)/gm)].map(([, state]) => state);
  return {
    address: link.address,
    usedMemory,
    maxMemory,
    policy: field('maxmemory_policy'),
    evictedKeys,
    aof: field('aof_enabled') === '1',
    saveFailed:
      field('rdb_last_bgsave_status') === 'err' ||
      field('aof_last_write_status') === 'err' ||
      // Dragonfly's: seconds since the epoch, 0 where none has failed.
      Number(field('last_failed_save')) > Number(field('last_success_save')),
    replicas,
    // Dragonfly's word for a replica in step is stable_sync.
    replicasBehind: states.filter((state) => state !== 'online' && state !== 'stable_sync').length,
  };
}

async function skewOf(link: RedisLink): Promise<number | undefined> {
  const sent = Date.now();
  const [reply] = await link.readOnce((pipeline) => {
    pipeline.call('TIME');
  });
  if (reply === undefined || 'error' in reply) return undefined;
  const [seconds, microseconds] = reply.value as [string, string];
  const theirs = Number(seconds) * 1_000 + Number(microseconds) / 1_000;
  // As it was in the middle of the round trip.
  return theirs - (sent + Date.now()) / 2;
}

async function heldLocks(link: RedisLink, tenants: readonly string[]): Promise<RedisHealth['held']> {
  if (tenants.length === 0) return [];
  const replies = await link.readOnce((pipeline) => {
    for (const tenant of tenants) pipeline.call('PTTL', lockKey(tenant, link.cluster !== undefined));
  });
  return tenants.flatMap((tenant, index) => {
    const reply = replies[index];
    const ttlMs = reply !== undefined && 'value' in reply ? Number(reply.value) : -2;
    return ttlMs === -2 ? [] : [{ tenant, ttlMs: ttlMs === -1 ? Number.POSITIVE_INFINITY : ttlMs }];
  });
}

async function tryRestore(link: RedisLink): Promise<string | undefined> {
  const name = randomBytes(6).toString('hex');
  const [from, to] = [probeKey(name), probeKey(`${name}-restored`)];
  const refusal = (reply: Reply | undefined) => (reply === undefined ? 'no reply' : replyError(reply));
  try {
    const [set, dumped] = await link.pipeline((pipeline) => {
      pipeline.call('SET', from, name, 'PX', '5000', 'NX').callBuffer('DUMP', from);
    });
    if (refusal(set) !== '') return refusal(set);
    if (dumped === undefined || 'error' in dumped) return refusal(dumped);
    const [restored, value] = await link.pipeline((pipeline) => {
      pipeline.call('RESTORE', to, '5000', dumped.value as Buffer).call('GET', to);
    });
    if (refusal(restored) !== '') return refusal(restored);
    const same = value !== undefined && 'value' in value && value.value === name;
    return same || refusal(value) !== '' ? undefined : 'what was restored is not what was dumped';
  } finally {
    // Where even that fails, both end by themselves.
    await link.pipeline((pipeline) => void pipeline.call('DEL', from).call('DEL', to)).catch(() => undefined);
  }
}

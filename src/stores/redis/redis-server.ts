/** What INFO tells that decides whether and how a move can run. */
export interface RedisServer {
  readonly product: 'redis' | 'valkey' | 'dragonfly';
  readonly version: string;
  readonly role: string;
  readonly loading: boolean;
  /** True where keys are spread over nodes by slot. */
  readonly cluster: boolean;
  /** Number of masters that share the keys. */
  readonly masters: number;
  /** Why a cluster does not serve all keys; absent where it does. */
  readonly down?: string;
  /** Number of a cluster's slots that are on their way from one master to another. */
  readonly migratingSlots: number;
  /** Bytes; in a cluster of the master that has the least left. */
  readonly usedMemory: number;
  /** Bytes; 0 means no limit. */
  readonly maxMemory: number;
  /** Keys expired since the server started. */
  readonly expiredKeys: number;
  /** Keys evicted since the server started. */
  readonly evictedKeys: number;
  /** Replicas that are connected to it. */
  readonly replicas: number;
  /** Changes whenever the server starts anew; empty where it does not tell. */
  readonly runId: string;
}

/** Reads the text that INFO returns. */
export function parseServer(info: string): RedisServer {
  const fields = new Map<string, string>();
  for (const line of info.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const number = (name: string) => Number(fields.get(name) ?? 0);
  const dragonfly = fields.get('dragonfly_version');
  const valkey = fields.get('valkey_version');
  return {
    product: dragonfly !== undefined ? 'dragonfly' : valkey !== undefined ? 'valkey' : 'redis',
    version: dragonfly?.replace(/^df-v?/, '') ?? valkey ?? fields.get('redis_version') ?? 'unknown',
    role: fields.get('role') ?? 'master',
    loading: fields.get('loading') === '1',
    cluster: fields.get('cluster_enabled') === '1' || fields.get('redis_mode') === 'cluster',
    masters: 1,
    migratingSlots: 0,
    usedMemory: number('used_memory'),
    maxMemory: number('maxmemory'),
    expiredKeys: number('expired_keys'),
    evictedKeys: number('evicted_keys'),
    replicas: number('connected_slaves'),
    // Dragonfly has no run_id; its master_replid is made anew at each start (`server_family.cc`).
    runId: fields.get('run_id') ?? fields.get('master_replid') ?? '',
  };
}

import { createHash } from 'node:crypto';
import { Cluster, Redis } from 'ioredis';
import type { RedisServer } from '../../scripts/services/redis.ts';
import type { UndoLog } from '../../src/journal/undo-log.ts';
import type { Move } from '../../src/model/move.ts';
import type { Profile } from '../../src/profiles/profile.ts';
import type { RedisPlan } from '../../src/stages/redis/redis-plan.ts';
import { redisStage } from '../../src/stages/redis.ts';
import type { Checkpoint, Finding, Problem, StageEvent, StageOptions, VerifyPhase } from '../../src/stages/stage.ts';
import type { RedisSettings } from '../../src/stores/redis/redis-connection.ts';
import { openRedisWriter, type RedisWriter } from '../../src/stores/redis/redis-store.ts';
import { freshCluster } from './redis-cluster.ts';
import { freshRedis } from './redis-server.ts';
import { applyContext, drain, planContext } from './stage-context.ts';

/** The driver's own client, told to be plain: one connection, no RESP3. */
export function rawRedis(port: number, options: { password?: string; username?: string } = {}): Redis {
  const again = { autoResendUnfulfilledCommands: false, maxRetriesPerRequest: null };
  const redis = new Redis({ port, host: '127.0.0.1', protocol: 2, ...again, ...options });
  // Servers are restarted and stopped on purpose; what fails for good rejects its own command.
  redis.on('error', () => undefined);
  return redis;
}

export function redisSettings(port: number, more: Partial<RedisSettings> = {}): RedisSettings {
  return {
    host: '127.0.0.1',
    port,
    db: 0,
    connectTimeoutMs: 2_000,
    replyTimeoutMs: 5_000,
    clientName: 'tenant-migrate-test',
    ...more,
  };
}

/**
 * A key's type, expiry and a hash of its content, as text; by the key's bytes in Latin-1. Where the value names its
 * tenant, its bytes instead of the hash.
 */
export type Snapshot = Readonly<Record<string, string>>;

/** Every key of the server with everything that can be read of it (through `read`), read without the code under test. */
export async function snapshot(redis: Redis, read: Redis | Cluster = redis): Promise<Snapshot> {
  const keys = new Map<string, Buffer>();
  let cursor = '0';
  do {
    const [next, page] = await redis.scanBuffer(cursor, 'COUNT', 5_000);
    cursor = next.toString();
    for (const key of page) keys.set(key.toString('latin1'), key);
  } while (cursor !== '0');
  const described = await Promise.all(
    [...keys].map(async ([name, key]) => {
      const [type, expiresAt] = await Promise.all([read.type(key), read.pexpiretime(key)]);
      const content = await contentOf(read, key, type);
      const hash = createHash('sha1').update(JSON.stringify(content)).digest('hex');
      const shown = NAMES_TENANT.test(name) && type === 'string' ? Buffer.from(String(content), 'hex') : hash;
      return [name, `${type} ${expiresAt} ${typeof shown === 'string' ? shown : shown.toString('latin1')}`] as const;
    }),
  );
  return Object.fromEntries(described.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Keys whose values hold the tenant in `tenant_id`. */
const NAMES_TENANT = /^(?:task|batch):([^:]*):/;

async function contentOf(redis: Redis | Cluster, key: Buffer, type: string): Promise<unknown> {
  switch (type) {
    case 'string':
      return hex(await redis.getBuffer(key));
    case 'list':
      return hex(await redis.lrangeBuffer(key, 0, -1));
    case 'hash':
      return pairs(hex(await redis.callBuffer('HGETALL', key)) as string[]).sort();
    case 'set':
      return (hex(await redis.smembersBuffer(key)) as string[]).sort();
    case 'zset':
      return hex(await redis.callBuffer('ZRANGE', key, '0', '-1', 'WITHSCORES'));
    case 'stream':
      return withoutEncoding(hex(await redis.callBuffer('XINFO', 'STREAM', key, 'FULL', 'COUNT', '0')));
    default:
      throw new Error(`no test seeds a ${type}`);
  }
}

function hex(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('hex');
  return Array.isArray(value) ? value.map(hex) : value;
}

function pairs(flat: readonly string[]): string[] {
  return flat.flatMap((name, index) => (index % 2 === 0 ? [`${name} ${flat[index + 1]}`] : []));
}

/** Without the members that tell how the server holds a stream. */
function withoutEncoding(stream: unknown): unknown {
  const radix = /^radix-tree-/;
  const flat = stream as unknown[];
  return flat.filter(
    (_, index) => !radix.test(Buffer.from(String(flat[index - (index % 2)]), 'hex').toString('latin1')),
  );
}

/** The snapshot after keys were renamed, and what names their tenant in a value with them. */
export function renamed(before: Snapshot, names: ReadonlyMap<string, string>): Snapshot {
  const after = Object.entries(before).map(([key, value]) => {
    const name = names.get(key) ?? key;
    const [from, to] = [key, name].map((one) => NAMES_TENANT.exec(one)?.[1]);
    return [
      name,
      from === undefined ? value : value.replace(`"tenant_id":"${from}"`, () => `"tenant_id":"${to}"`),
    ] as const;
  });
  return Object.fromEntries(after.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** One redis-server with the stage, its store and its undo log: what a test does to them reads as one line each. */
export class RedisWorld {
  readonly server: RedisServer;
  readonly raw: Redis;
  store: RedisWriter;
  undoFile: UndoLog | undefined;
  readonly events: StageEvent[] = [];
  moves: readonly Move[] = [{ source: 'siraya', target: 'tenant_7' }];
  profile: Profile | undefined;

  /** All servers: one, or the masters of a cluster. */
  readonly raws: readonly Redis[];

  protected constructor(server: RedisServer, raws: readonly Redis[], store: RedisWriter) {
    this.server = server;
    this.raws = raws;
    this.raw = raws[0] as Redis;
    this.store = store;
  }

  static async start(args: readonly string[] = []): Promise<RedisWorld> {
    const server = await freshRedis(['--enable-debug-command', 'yes', ...args]);
    return new RedisWorld(server, [rawRedis(server.port)], await openRedisWriter(redisSettings(server.port)));
  }

  /** From now on the stage reaches the server in this way, through a proxy or as another user. */
  async connect(settings: RedisSettings): Promise<void> {
    await this.store.close();
    this.store = await openRedisWriter(settings);
  }

  /** Empties the server and forgets what a test set. */
  async reset(): Promise<void> {
    await Promise.all(this.raws.map((raw) => raw.flushall()));
    await this.undoFile?.close();
    this.undoFile = undefined;
    this.events.splice(0);
    this.moves = [{ source: 'siraya', target: 'tenant_7' }];
    this.profile = undefined;
  }

  async stop(): Promise<void> {
    await this.undoFile?.close();
    await this.store.close();
    for (const raw of this.raws) raw.disconnect();
    await this.server.stop();
  }

  preflight(how: { probe?: boolean } & Partial<StageOptions> = {}): Promise<readonly Problem[]> {
    const { probe = false, ...options } = how;
    return redisStage.preflight(this.moves, this.#reading(options), ...(probe ? [this.store] : []));
  }

  plan(options: Partial<StageOptions> = {}): Promise<RedisPlan> {
    return redisStage.plan(this.moves, this.#reading(options));
  }

  verify(plan: RedisPlan, options: Partial<StageOptions> = {}, phase: VerifyPhase = 'applied') {
    return redisStage.verify(plan, phase, this.#reading(options));
  }

  /** Only what makes a run fail. */
  async differences(plan: RedisPlan, options: Partial<StageOptions> = {}, phase: VerifyPhase = 'applied') {
    return (await this.verify(plan, options, phase)).filter(({ severity }) => severity === 'difference');
  }

  async apply(plan: RedisPlan, how: How = {}): Promise<readonly Checkpoint[]> {
    return drain(redisStage.apply(plan, await this.writing(how)));
  }

  async finalize(plan: RedisPlan, how: How = {}): Promise<readonly Checkpoint[]> {
    return drain(redisStage.finalize(plan, await this.writing(how)));
  }

  async undo(plan: RedisPlan, how: How = {}): Promise<readonly Checkpoint[]> {
    return drain(redisStage.undo(plan, await this.writing(how)));
  }

  async quiesce(options: Partial<StageOptions> = {}, signal?: AbortSignal): Promise<void> {
    const ctx = this.#reading(options);
    await redisStage.quiesce?.(this.moves, { ...ctx, store: this.store, signal: signal ?? ctx.signal });
  }

  /** Of all servers; two that hold the same key are told apart from one. */
  async snapshot(): Promise<Snapshot> {
    const read = this.reading();
    const parts = (await Promise.all(this.raws.map((raw) => snapshot(raw, read)))).flatMap((part) =>
      Object.entries(part),
    );
    const all = new Map<string, string>();
    for (const [key, value] of parts) all.set(key, all.has(key) ? `twice: ${all.get(key)} ${value}` : value);
    return Object.fromEntries([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  protected reading(): Redis | Cluster {
    return this.raw;
  }

  async writing({ permit, ...options }: How) {
    const { events, undoFile, profile } = this;
    const overrides = { options, events, ...(profile === undefined ? {} : { profile }) };
    const ctx = await applyContext(this.store, {
      ...overrides,
      ...(permit === undefined ? {} : { permit }),
      ...(undoFile === undefined ? {} : { undo: undoFile }),
    });
    this.undoFile = ctx.undo;
    return ctx;
  }

  #reading(options: Partial<StageOptions>) {
    const { events, profile } = this;
    return planContext(this.store, { options, events, ...(profile === undefined ? {} : { profile }) });
  }
}

type How = Partial<StageOptions> & { readonly permit?: (units: number) => Promise<void> };

export function kinds(findings: readonly Finding[]): readonly string[] {
  return findings.map(({ kind }) => kind);
}

/** The same on a cluster of three masters. */
export class ClusterWorld extends RedisWorld {
  readonly ports: readonly number[];
  /** Finds each key's master by itself. */
  readonly client: Cluster;

  private constructor(server: RedisServer, raws: readonly Redis[], ports: readonly number[], store: RedisWriter) {
    super(server, raws, store);
    this.ports = ports;
    this.client = new Cluster([{ host: '127.0.0.1', port: server.port }], { redisOptions: { protocol: 2 } });
  }

  static async startCluster(args: readonly string[] = []): Promise<ClusterWorld> {
    const cluster = await freshCluster(['--enable-debug-command', 'yes', ...args]);
    const [first] = cluster.nodes as [RedisServer];
    const ports = cluster.nodes.map(({ port }) => port);
    const raws = ports.map((port) => rawRedis(port));
    const store = await openRedisWriter(redisSettings(first.port));
    return new ClusterWorld({ ...first, stop: () => cluster.stop() }, raws, ports, store);
  }

  /** It finds keys that are on their way between two masters. */
  protected override reading(): Redis | Cluster {
    return this.client;
  }

  override async stop(): Promise<void> {
    this.client.disconnect();
    await super.stop();
  }

  /** Takes over every key of a plain server, with its expiry. */
  async fillFrom(plain: Redis): Promise<void> {
    const keys = await plain.keysBuffer('*');
    await Promise.all(
      keys.map(async (key) => {
        const [dump, expiry] = await Promise.all([plain.dumpBuffer(key), plain.pexpiretime(key)]);
        await this.client.restore(key, Math.max(0, expiry), dump, 'ABSTTL');
      }),
    );
  }

  /** The master that holds a key at first, and another one. */
  async masterOf(key: string): Promise<{ readonly slot: number; readonly owner: number; readonly other: number }> {
    const slot = Number(await this.raw.cluster('KEYSLOT', key));
    const owner = slot >= 10_922 ? 2 : slot >= 5_461 ? 1 : 0;
    return { slot, owner, other: (owner + 1) % 3 };
  }

  /** The master's id in the cluster. */
  async idOf(index: number): Promise<string> {
    return String(await this.raws[index]?.cluster('MYID'));
  }
}

import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Json } from '../../src/model/json.ts';
import { ragApi } from '../../src/profiles/rag-api.ts';
import { redisDatabasesStage } from '../../src/stages/redis/databases.ts';
import { redisStage } from '../../src/stages/redis.ts';
import type { Stage, StageOptions, StagePlan, UndoPort } from '../../src/stages/stage.ts';
import { RedisLease } from '../../src/stores/redis/redis-lease.ts';
import { openRedisWriter, type RedisWriter } from '../../src/stores/redis/redis-store.ts';
import { keptPart } from '../support/backup-part.ts';
import { ClusterWorld, RedisWorld, redisSettings, type Snapshot, snapshot } from '../support/redis-world.ts';
import { drain, planContext, total } from '../support/stage-context.ts';

/** Of all the ways to be stopped, one in so many; `COPIED_VALUES=all` tries each of them, which takes minutes. */
const ONE_IN =
  process.env.COPIED_VALUES === 'all'
    ? { copy: 1, cluster: 1, databases: 1 }
    : { copy: 31, cluster: 31, databases: 151 };
const EXPIRY = 4_000_000_000_000;
const MOVES = [{ source: 'siraya', target: 'tenant_7' }] as const;
const [MOVE] = MOVES;

/** What values hold before and after a move; the last two keep their slot in a cluster. */
const VALUES: readonly (readonly [rest: string, before: string, after?: string])[] = [
  ['plain', '{"tenant_id":"siraya"}', '{"tenant_id":"tenant_7"}'],
  [
    'python',
    '{"n": 1.50, "tenant_id" : "siraya", "x": "siraya"}',
    '{"n": 1.50, "tenant_id" : "tenant_7", "x": "siraya"}',
  ],
  ['escaped', '{"tenant_id":"\\u0073iraya","x":"é"}', '{"tenant_id":"tenant_7","x":"é"}'],
  ['other', '{"tenant_id":"siraya_eu"}'],
  ['already', '{"tenant_id":"tenant_7"}'],
  ['text', 'siraya'],
  ['{doc1}', '{"tenant_id":"siraya","n":1}', '{"tenant_id":"tenant_7","n":1}'],
  ['{doc2}', '{"tenant_id":"siraya","n":2}', '{"tenant_id":"tenant_7","n":2}'],
];
const PLAIN = ['siraya:list', 'siraya:{doc3}', 'batch:siraya:list'];

type Wrap = (store: RedisWriter) => RedisWriter;
type AnyStage = Stage<unknown, unknown, StagePlan>;

/** Where keys are copied, and how they are reached. */
interface Place {
  readonly stage: AnyStage;
  readonly options: Partial<StageOptions>;
  store(wrap?: Wrap): unknown;
  read(): Promise<Snapshot>;
  fill(): Promise<void>;
  set(key: string, value: string): Promise<unknown>;
  get(key: string): Promise<string | null>;
  expireAt(key: string, ms: number): Promise<unknown>;
}

let single: RedisWorld;
let cluster: ClusterWorld;
let second: Redis;
let secondStore: RedisWriter;
const places = {} as Record<'copy' | 'cluster' | 'databases', Place>;

beforeAll(async () => {
  [single, cluster] = await Promise.all([RedisWorld.start(), ClusterWorld.startCluster()]);
  second = single.raw.duplicate({ db: 1 });
  secondStore = await openRedisWriter(redisSettings(single.server.port, { db: 1, clientName: 'second' }));
  const as = (stage: unknown) => stage as AnyStage;
  const client = (redis: Pick<Redis, 'set' | 'get' | 'pexpireat'>) => ({
    set: (key: string, value: string) => redis.set(key, value, 'KEEPTTL'),
    get: (key: string) => redis.get(key),
    expireAt: (key: string, ms: number) => redis.pexpireat(key, ms),
  });
  places.copy = {
    stage: as(redisStage),
    options: { redisMode: 'copy' },
    store: (wrap = (store) => store) => wrap(single.store),
    read: () => single.snapshot(),
    fill: async () => {
      await single.raw.flushall();
      await fill(single.raw);
    },
    ...client(single.raw),
  };
  places.cluster = {
    stage: as(redisStage),
    options: {},
    store: (wrap = (store) => store) => wrap(cluster.store),
    read: () => cluster.snapshot(),
    fill: async () => {
      await Promise.all(cluster.raws.map((raw) => raw.flushall()));
      await fill(cluster.client as unknown as Redis);
    },
    ...client(cluster.client as unknown as Redis),
  };
  places.databases = {
    ...places.copy,
    stage: as(redisDatabasesStage),
    store: (wrap = (store) => store) => ({
      databases: [
        { db: 0, store: wrap(single.store) },
        { db: 1, store: wrap(secondStore) },
      ],
      close: () => Promise.resolve(),
    }),
    read: async () => {
      const other = Object.entries(await snapshot(second)).map(([key, value]) => [`1 ${key}`, value]);
      return { ...(await single.snapshot()), ...Object.fromEntries(other) };
    },
    fill: async () => {
      await places.copy.fill();
      await fill(second);
    },
  };
});
afterAll(async () => {
  await secondStore.close();
  second.disconnect();
  await Promise.all([single.stop(), cluster.stop()]);
});

async function fill(redis: Redis): Promise<void> {
  const setting = VALUES.map(([rest, value]) => redis.set(`task:siraya:${rest}`, value, 'PXAT', EXPIRY));
  const others = ['task:siraya_eu:1', 'task:tenant_76:1', 'tenant:config:siraya', 'siraya_notes:1'];
  await Promise.all([
    ...setting,
    ...PLAIN.map((key) => redis.rpush(key, 'a', '{"tenant_id":"siraya"}')),
    ...others.map((key) => redis.set(key, '{"tenant_id":"siraya"}')),
  ]);
}

/** The world after the move, written out from the list above. */
function movedOf(before: Snapshot): Snapshot {
  const after = Object.entries(before).map(([name, text]) => {
    const [, db = '', key = name] = /^(1 )?(.*)$/s.exec(name) ?? [];
    const value = VALUES.find(([rest]) => key === `task:siraya:${rest}`);
    if (value === undefined) return [PLAIN.includes(key) ? `${db}${key.replace('siraya', 'tenant_7')}` : name, text];
    const bytes = (json: string) => Buffer.from(json).toString('latin1');
    return [`${db}task:tenant_7:${value[0]}`, text.replace(bytes(value[1]), () => bytes(value[2] ?? value[1]))];
  });
  return Object.fromEntries(after);
}

/** An undo log in memory, as text: that of a file would cost more than all else here. */
class Log implements UndoPort {
  readonly #lines: string[] = [];

  append(entries: readonly Json[]): Promise<number> {
    return Promise.resolve(this.#lines.push(JSON.stringify(entries)));
  }

  async *read() {
    for (let id = this.#lines.length; id > 0; id -= 1) yield { id, entries: JSON.parse(this.#lines[id - 1] ?? '[]') };
  }
}

/** The run as the orchestrator makes it, over one undo log. */
class Run {
  readonly #place: Place;
  readonly undo = new Log();
  readonly plan: StagePlan;

  private constructor(place: Place, plan: StagePlan) {
    this.#place = place;
    this.plan = plan;
  }

  static async begin(place: Place, options: Partial<StageOptions> = {}): Promise<Run> {
    const ctx = planContext(place.store(), { options: { ...place.options, ...options } });
    const plan = await place.stage.plan(MOVES, ctx);
    return new Run(place, plan);
  }

  #context(steps: Steps, options: Partial<StageOptions> = {}, log: Pick<UndoPort, 'read'> = this.undo) {
    const { store, options: own } = this.#place;
    const all = { batchSize: 3, ...own, ...options };
    const append = (entries: readonly Json[]) => steps.step(() => this.undo.append(entries));
    return {
      ...planContext(
        store((one) => steps.around(one)),
        { options: all },
      ),
      permit: () => Promise.resolve(),
      undo: { append, read: () => log.read() },
    };
  }

  async differences(options: Partial<StageOptions> = {}, phase: 'applied' | 'finalized' = 'applied') {
    const { stage, store, options: own } = this.#place;
    const ctx = planContext(store(), { options: { ...own, ...options } });
    const found = await stage.verify(this.plan, phase, ctx);
    return found.filter(({ severity }) => severity === 'difference').map(({ message }) => message);
  }

  async forwards(steps = new Steps(), options: Partial<StageOptions> = {}): Promise<void> {
    const { stage } = this.#place;
    const ctx = this.#context(steps, options);
    const applied = await drain(stage.apply(this.plan, ctx));
    expect([total(applied, 'failed'), total(applied, 'conflicts')]).toEqual([0, 0]);
    expect(await this.differences(options)).toEqual([]);
    await drain(stage.finalize(this.plan, ctx));
    expect(await this.differences(options, 'finalized')).toEqual([]);
  }

  async apply(options: Partial<StageOptions> = {}) {
    return drain(this.#place.stage.apply(this.plan, this.#context(new Steps(), options)));
  }

  async finalize(options: Partial<StageOptions> = {}) {
    return drain(this.#place.stage.finalize(this.plan, this.#context(new Steps(), options)));
  }

  async back(steps = new Steps(), log: Pick<UndoPort, 'read'> = this.undo): Promise<void> {
    const undone = await drain(this.#place.stage.undo(this.plan, this.#context(steps, {}, log)));
    expect([total(undone, 'failed'), total(undone, 'conflicts')]).toEqual([0, 0]);
  }
}

type How = 'before' | 'half' | 'after';
const WRITES = new Set([
  'rename',
  'restore',
  'restoreAll',
  'unlinkStill',
  'unlinkUnwritten',
  'replaceUnwritten',
  'replaceTokens',
  'copy',
]);

/** Ends a run at its n-th write, or line of the log: before it, in the middle of it, or after it. */
class Steps {
  count = 0;
  readonly #at: number;
  readonly #how: How;
  #ended = false;

  constructor(at = Number.POSITIVE_INFINITY, how: How = 'before') {
    this.#at = at;
    this.#how = how;
  }

  async step<T>(work: () => Promise<T>, half: () => Promise<unknown> = work): Promise<T> {
    this.count += 1;
    const here = this.count === this.#at;
    if (this.#ended) throw new Error('stopped');
    if (here) this.#ended = true;
    if (here && this.#how !== 'before') await (this.#how === 'half' ? half() : work());
    if (here) throw new Error('stopped');
    return work();
  }

  around(store: RedisWriter): RedisWriter {
    return new Proxy(store, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        if (!WRITES.has(String(name))) return member.bind(target);
        return (first: unknown, ...rest: unknown[]) => {
          const call = (one: unknown) => () => member.call(target, one, ...rest) as Promise<unknown>;
          const part = Array.isArray(first) && rest.length === 0 ? first.slice(0, first.length / 2) : first;
          return this.step(call(first), call(part));
        };
      },
    });
  }
}

describe.each(['copy', 'cluster', 'databases'] as const)('values that name their tenant, keys copied: %s', (name) => {
  const place = () => places[name];
  let before: Snapshot;
  const start = async (options: Partial<StageOptions> = {}): Promise<Run> => {
    await place().fill();
    before = await place().read();
    return Run.begin(place(), options);
  };

  test('are rewritten at the target alone until finalize; a lease is nobody’s key', async () => {
    const run = await start({ verify: 'full' });
    const { port } = name === 'cluster' ? cluster.server : single.server;
    const lease = await RedisLease.acquire(redisSettings(port), { tenants: ['siraya', 'tenant_7'], owner: 'one' });
    expect(await place().stage.preflight(MOVES, planContext(place().store()), place().store())).toEqual([]);
    await run.apply();
    expect(await place().get('task:siraya:plain')).toBe('{"tenant_id":"siraya"}');
    expect(await place().get('task:tenant_7:plain')).toBe('{"tenant_id":"tenant_7"}');
    expect(await run.differences({ verify: 'full' })).toEqual([]);
    await run.finalize();
    if (lease instanceof RedisLease) await lease.release();
    expect(await place().read()).toEqual(movedOf(before));
    await run.back();
    expect(await place().read()).toEqual(before);
  });

  test('come to the same end, or back to the start, from wherever a run is stopped', async () => {
    const whole = await start();
    const [forwards, backwards] = [new Steps(), new Steps()];
    await whole.forwards(forwards);
    expect(await place().read()).toEqual(movedOf(before));
    await whole.back(backwards);
    expect(await place().read()).toEqual(before);
    const hows = ['before', 'half', 'after'] as const;
    const endings = ['resume', 'undo', 'undo twice', 'backup'] as const;
    const all = Array.from({ length: forwards.count }, (_, n) =>
      hows.flatMap((how) => endings.map((ending) => ({ at: n + 1, how, ending }))),
    ).flat();
    const wrong: unknown[] = [];
    for (const { at, how, ending } of all.filter((_, index) => index % ONE_IN[name] === 0)) {
      const run = await start();
      const part = await keptPart(place().stage.backup, 'siraya', planContext(place().store()));
      await run.forwards(new Steps(at, how)).catch(ifNotStopped);
      try {
        if (ending === 'resume') {
          await (await continued(run)).forwards(new Steps(), { continuing: true });
          expect(await place().read()).toEqual(movedOf(before));
        } else if (ending === 'undo twice') {
          await run.back(new Steps(1 + ((at * 7) % backwards.count), how)).catch(ifNotStopped);
        }
        await run.back(new Steps(), ending === 'backup' ? logOf(part) : run.undo);
        expect(spelled(await place().read(), ending)).toEqual(spelled(before, ending));
      } catch (error) {
        wrong.push([at, how, ending, String(error)]);
      }
    }
    expect(wrong).toEqual([]);

    async function continued(run: Run): Promise<Run> {
      const options = { ...place().options, continuing: true };
      const again = await place().stage.plan(MOVES, planContext(place().store(), { options }));
      expect([again.problems, again.conflicts]).toEqual([[], 0]);
      return run;
    }
    async function* entriesOf(part: Awaited<ReturnType<typeof keptPart>>) {
      let id = 0;
      for await (const entries of place().stage.backup?.undoEntries(part, MOVE, ragApi) ?? []) {
        id += 1;
        yield { id, entries };
      }
    }
    function logOf(part: Awaited<ReturnType<typeof keptPart>>): Pick<UndoPort, 'read'> {
      return { read: () => entriesOf(part) };
    }
  });

  test('of a twin that named the target before get their own token back', async () => {
    await place().fill();
    const twin = '{"tenant_id":"tenant_7"}';
    await place().set('task:tenant_7:plain', twin);
    await place().expireAt('task:tenant_7:plain', EXPIRY);
    before = await place().read();
    const merge = { merge: true };
    const run = await Run.begin(place(), merge);
    await run.forwards(new Steps(), merge);
    expect(await place().get('task:siraya:plain')).toBeNull();
    await run.back();
    expect(await place().read()).toEqual(before);
  });

  test('keep what is written at either end, and name whom their key names', async () => {
    const run = await start();
    await run.apply();
    const both = { continuing: true };
    // The source is written after it was copied: its copy is made anew, and rewritten, by one pass.
    await place().set('task:siraya:plain', '{"late":1,"tenant_id":"siraya"}');
    await run.apply(both);
    expect(await place().get('task:tenant_7:plain')).toBe('{"late":1,"tenant_id":"tenant_7"}');
    expect((await run.differences(both)).filter((message) => !/content/.test(message))).toEqual([]);
    // Between verify and finalize: both stay.
    await place().set('task:siraya:plain', '{"late":2,"tenant_id":"siraya"}');
    await run.finalize({ ...both, onConflict: 'skip' });
    expect(await place().get('task:siraya:plain')).toBe('{"late":2,"tenant_id":"siraya"}');
    await run.apply(both);
    await run.finalize(both);
    expect(await place().get('task:siraya:plain')).toBeNull();
    // The application goes on under the new name, and all is taken back with what it wrote.
    await place().set('task:tenant_7:plain', '{"late":3,"tenant_id":"tenant_7"}');
    await place().set('task:tenant_7:python', '{"late":3,"tenant_id":"tenant_7"}');
    await run.back();
    expect(await place().get('task:siraya:plain')).toBe('{"late":3,"tenant_id":"siraya"}');
    expect(await place().get('task:siraya:python')).toBe('{"late":3,"tenant_id":"siraya"}');
    expect(await place().get('task:tenant_7:plain')).toBeNull();
  });
});

/** A backup holds no tokens: what it takes back is spelled as JSON mostly is, and named the source. */
function spelled(world: Snapshot, ending: string): Snapshot {
  if (ending !== 'backup') return world;
  const entries = Object.entries(world).filter(([key]) => !key.endsWith(':already'));
  return Object.fromEntries(entries.map(([key, text]) => [key, text.replace('\\u0073', 's')]));
}

function ifNotStopped(error: unknown): void {
  if (!(error instanceof Error) || !error.message.includes('stopped')) throw error;
}

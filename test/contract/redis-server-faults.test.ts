import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import type { MigrateError } from '../../src/model/errors.ts';
import type { RedisPlan } from '../../src/stages/redis/redis-plan.ts';
import type { StageOptions } from '../../src/stages/stage.ts';
import { seedNeighbours, seedTenant } from '../support/redis-tenants.ts';
import { RedisWorld, redisSettings, renamed, type Snapshot } from '../support/redis-world.ts';
import { total } from '../support/stage-context.ts';

const PASSWORD = 'geheim-7411';
const overwrite = { merge: true, onConflict: 'overwrite' } satisfies Partial<StageOptions>;

let world: RedisWorld;
let names: ReadonlyMap<string, string>;
let before: Snapshot;

afterEach(() => world.stop(), 10_000);

describe('a server that changes in the middle of a move', () => {
  test.each<Fault>([
    {
      to: 'a replica',
      happens: () => world.raw.replicaof('127.0.0.1', 1),
      says: /READONLY/,
      next: /--redis-host.*master.*again/,
      mend: () => world.raw.replicaof('NO', 'ONE'),
    },
    {
      to: 'one that cannot save to its disk',
      args: ['--save', '3600 1'],
      happens: async () => {
        await rm(world.server.dir, { recursive: true });
        await world.raw.bgsave();
        while (!(await world.raw.info('persistence')).includes('rdb_last_bgsave_status:err')) await sleep(10);
      },
      says: /MISCONF/,
      next: /disk.*again/,
      mend: () => world.raw.config('SET', 'stop-writes-on-bgsave-error', 'no'),
    },
    {
      to: 'one without its replicas',
      happens: () => world.raw.config('SET', 'min-replicas-to-write', '1'),
      says: /NOREPLICAS/,
      next: /replicas.*again/,
      mend: () => world.raw.config('SET', 'min-replicas-to-write', '0'),
    },
    {
      to: 'one with another password',
      happens: async () => {
        await world.raw.config('SET', 'requirepass', PASSWORD);
        await world.raw.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      },
      says: /refused the login/,
      next: /REDIS_PASSWORD/,
      mend: () => world.connect(redisSettings(world.server.port, { password: PASSWORD })),
    },
  ])('to $to stops it, names server and remedy, loses nothing, and is finished later', async (fault) => {
    await start(fault.args);
    const plan = await world.plan({ verify: 'full' });
    const error: MigrateError = await world.apply(plan, { batchSize: 20, permit: during(8, fault.happens) }).then(
      () => expect.unreachable(),
      (reason) => reason,
    );
    const reasons = error instanceof AggregateError ? (error.errors as MigrateError[]) : [error];
    for (const reason of reasons) {
      expect(reason).toMatchObject({ name: 'MigrateError', message: expect.stringMatching(fault.says) });
      expect(reason.message).toContain(`127.0.0.1:${world.server.port}`);
      expect(reason.next).toMatch(fault.next);
    }
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(PASSWORD);
    expectNothingLost(await world.snapshot());
    await fault.mend();
    expect((await world.differences(plan, { verify: 'full' })).map(({ kind }) => kind)).toEqual(['left-behind']);
    await completes(plan);
  });

  test('to one without memory stops what needs transactions, which go on when there is some', async () => {
    await start();
    await world.raw.set('tenant_7:hash', 'x'.repeat(5_000));
    await world.raw.copy('siraya:list', 'tenant_7:list');
    before = await world.snapshot();
    const plan = await world.plan(overwrite);
    const memory = (limit: string) => world.raw.config('SET', 'maxmemory', limit);
    const stopped = {
      code: 'store',
      message: expect.stringMatching(new RegExp(`127.0.0.1:${world.server.port}.*OOM`)),
      next: expect.stringMatching(/memory.*again/),
    };
    const full = during(1, () => memory('1mb'));
    await expect(world.apply(plan, { ...overwrite, batchSize: 20, permit: full })).rejects.toMatchObject(stopped);
    expect(Object.keys(await world.snapshot()).length).toBe(Object.keys(before).length);
    await memory('0');
    await world.apply(plan, { ...overwrite, continuing: true });
    await memory('1mb');
    await expect(world.finalize(plan, overwrite)).rejects.toMatchObject(stopped);
    await memory('0');
    await world.finalize(plan, overwrite);
    expect(await world.differences(plan, overwrite, 'finalized')).toEqual([]);
    const after = await world.snapshot();
    await memory('1mb');
    await expect(world.undo(plan, overwrite)).rejects.toMatchObject(stopped);
    expect(await world.snapshot()).toEqual(after);
    await memory('0');
    await world.undo(plan, overwrite);
    expect(await world.snapshot()).toEqual(before);
  });

  test('to one that is restarted and loads its data for a while loses nothing, and is finished later', async () => {
    await start(['--save', '3600 1', '--key-load-delay', '3000', '--loading-process-events-interval-bytes', '1024']);
    const plan = await world.plan({ verify: 'full' });
    let seenLoading = false;
    const restart = async () => {
      await restarted();
      seenLoading ||= (await world.store.server()).loading;
    };
    await world.apply(plan, { batchSize: 20, permit: during(8, restart) }).catch(() => undefined);
    expect(seenLoading).toBe(true);
    while ((await world.store.server()).loading) await sleep(20);
    expectNothingLost(await world.snapshot());
    await completes(plan);
  }, 30_000);
});

describe('a server that is restarted without its data', () => {
  test.each(['counts', 'sample', 'full'] as const)(
    'is never called done (%s), however often it is tried',
    async (verify) => {
      await start();
      const plan = await world.plan({ verify });
      await world.apply(plan, { batchSize: 20, permit: during(8, restarted) }).catch(() => undefined);
      expect(await world.raw.dbsize()).toBeLessThan(names.size);
      await neverDone(plan, { verify, continuing: true });
    },
  );

  test('between the last batch and verify is seen', async () => {
    await start();
    const plan = await world.plan();
    await world.apply(plan);
    await restarted();
    expect(await world.raw.dbsize()).toBe(0);
    await neverDone(plan, {});
  });

  test('while all that it holds can expire is seen: what it lost did not', async () => {
    await start();
    await world.raw.flushall();
    for (let n = 0; n < 50; n += 1) await world.raw.set(`siraya:${n}`, '', 'PX', 600_000);
    const plan = await world.plan();
    await world.apply(plan);
    await restarted();
    // The new server's own count of expired keys explains nothing.
    for (let n = 0; n < 60; n += 1) await world.raw.set(`other:${n}`, '', 'PX', 1);
    await sleep(20);
    await world.raw.keys('*');
    await neverDone(plan, {});
  });

  async function neverDone(plan: RedisPlan, options: Partial<StageOptions>): Promise<void> {
    for (const phase of ['applied', 'finalized'] as const) {
      const differences = await world.differences(plan, options, phase);
      expect(differences).toContainEqual(
        expect.objectContaining({ kind: 'count', message: expect.stringContaining('started anew') }),
      );
      const applied = await world.apply(plan, { ...options, continuing: true });
      expect(total(applied, 'moved')).toBe(0);
      await world.finalize(plan, { ...options, continuing: true });
    }
    const undone = await world.undo(plan, options);
    expect(total(undone, 'moved')).toBe(0);
    expect(total(undone, 'vanished')).toBeGreaterThan(0);
  }
});

interface Fault {
  readonly to: string;
  readonly args?: readonly string[];
  readonly happens: () => Promise<unknown>;
  readonly says: RegExp;
  readonly next: RegExp;
  readonly mend: () => Promise<unknown>;
}

async function start(args: readonly string[] = []): Promise<void> {
  world = await RedisWorld.start(args);
  const all = new Map(await seedTenant(world.raw, 'siraya'));
  await seedNeighbours(world.raw);
  const pipeline = world.raw.pipeline();
  for (let n = 0; n < 300; n += 1) {
    pipeline.set(`siraya_text_chunks:${n}`, `chunk ${n}`, 'PX', 90_000_000 + n);
    all.set(`siraya_text_chunks:${n}`, `tenant_7_text_chunks:${n}`);
  }
  await pipeline.exec();
  names = all;
  before = await world.snapshot();
}

async function restarted(): Promise<void> {
  const { runId } = await world.store.server();
  void world.raw.call('DEBUG', 'RESTART').catch(() => undefined);
  while ((await world.store.server().catch(() => ({ runId }))).runId === runId) await sleep(20);
}

function expectNothingLost(now: Snapshot): void {
  const back = new Map([...names].map(([from, to]) => [to, from]));
  expect(Object.keys(now).length).toBe(Object.keys(before).length);
  expect(renamed(now, back)).toEqual(before);
}

async function completes(plan: RedisPlan): Promise<void> {
  await world.apply(plan, { continuing: true });
  await world.finalize(plan, { continuing: true });
  expect(await world.differences(plan, { verify: 'full', continuing: true }, 'finalized')).toEqual([]);
  expect(await world.snapshot()).toEqual(renamed(before, names));
  await world.undo(plan);
  expect(await world.snapshot()).toEqual(before);
}

/** A permit during whose call of this number something happens. */
function during(call: number, happens: () => Promise<unknown>): () => Promise<void> {
  let calls = 0;
  return async () => {
    calls += 1;
    if (calls === call) await happens();
  };
}

import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { redisStage } from '../../src/stages/redis.ts';
import { openRedisReader, type RedisReader } from '../../src/stores/redis/redis-store.ts';
import { startLateProxy } from '../support/late-proxy.ts';
import { seedNeighbours, seedTenant } from '../support/redis-tenants.ts';
import { RedisWorld, redisSettings, renamed, type Snapshot } from '../support/redis-world.ts';
import { total } from '../support/stage-context.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

/** Set it to the printed value to see the same cuts again. */
const SEED = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000);
const SCHEDULES = Number(process.env.FAULT_SCHEDULES ?? 40);
const LANES = 4;

describe(`a connection that is cut at any moment (FAULT_SEED=${SEED})`, () => {
  test(
    `loses, doubles and touches nothing, and the move comes to its end: ${SCHEDULES} schedules`,
    async () => {
      const links: Link[] = [];
      for (let lane = 0; lane < LANES; lane += 1) links.push(await startLink());
      const lanes = links.map(async (link, lane) => {
        for (let schedule = lane; schedule < SCHEDULES; schedule += LANES) await runSchedule(link, schedule);
        await link.stop();
      });
      await Promise.all(lanes);
    },
    60_000 + SCHEDULES * 2_000,
  );

  async function runSchedule({ world, proxy }: Link, schedule: number): Promise<void> {
    const random = generator(SEED * 1_000 + schedule);
    const { before, names } = await seed(world, 260);
    const options = { batchSize: 5 + Math.floor(random() * 60) };
    const plan = await world.plan();
    const cuts = [() => cutSomewhere(proxy, random), () => cutSomewhere(proxy, random)].slice(random() < 0.5 ? 1 : 0);
    const cutting = cuts.map((cut) => cut());
    const applying = world.apply(plan, options).then((checkpoints) => {
      expect([schedule, total(checkpoints, 'moved')]).toEqual([schedule, names.size]);
    });
    const failure = await applying.catch((error: Error) => {
      if (error.name === 'AssertionError') throw error;
      return String(error);
    });
    await Promise.all(cutting);
    const what = `schedule ${schedule}${failure === undefined ? '' : `, which failed: ${failure}`}`;
    expectNothingLost(await world.snapshot(), { before, names, what });
    if (random() < 0.7) {
      await retried(() => world.apply(plan, { ...options, continuing: true }));
      expect([what, await world.differences(plan)]).toEqual([what, []]);
      expect([what, await world.snapshot()]).toEqual([what, renamed(before, names)]);
    }
    const undoing = random() < 0.5 ? cutSomewhere(proxy, random) : undefined;
    await world.undo(plan).catch(() => undefined);
    await undoing;
    expectNothingLost(await world.snapshot(), { before, names, what });
    await retried(() => world.undo(plan));
    expect([what, await world.snapshot()]).toEqual([what, before]);
  }
});

/** A cut that is set now and happens later: after some bytes in one direction, or after some time. */
async function cutSomewhere(proxy: TcpProxy, random: () => number): Promise<void> {
  const kind = random();
  if (kind < 0.4) proxy.cutAfterBytes(1 + Math.floor(random() * 18_000), 'up');
  else if (kind < 0.8) proxy.cutAfterBytes(1 + Math.floor(random() * 12_000), 'down');
  else {
    await sleep(random() * 40);
    proxy.cutAll();
  }
}

/** A cut that was set and not reached may fall into a later step: then that step is simply repeated. */
async function retried(work: () => Promise<unknown>): Promise<void> {
  await work().catch(work);
}

function expectNothingLost(
  now: Snapshot,
  { before, names, what }: { before: Snapshot; names: ReadonlyMap<string, string>; what: string },
): void {
  const back = new Map([...names].map(([from, to]) => [to, from]));
  expect([what, Object.keys(now).length]).toEqual([what, Object.keys(before).length]);
  expect([what, renamed(now, back)]).toEqual([what, before]);
}

describe('a link', () => {
  let link: Link;
  beforeAll(async () => {
    link = await startLink();
  });
  afterAll(() => link.stop());
  beforeEach(() => link.world.connect(redisSettings(link.proxy.port)));
  afterEach(async () => {
    link.proxy.setLatency(0);
    link.proxy.hang(false);
    await link.proxy.refuse(false);
  });

  test('that is slow costs a few round trips, not one for each key', async () => {
    const { world, proxy } = link;
    const { before, names } = await seed(world, 2_000);
    proxy.setLatency(25);
    const started = Date.now();
    expect(await world.preflight({ probe: true })).toEqual([]);
    const plan = await world.plan();
    await world.apply(plan);
    expect(await world.verify(plan)).toEqual([]);
    expect(Date.now() - started).toBeLessThan(50 * 80);
    expect(await world.snapshot()).toEqual(renamed(before, names));
  });

  test('that is away for a moment is waited for', async () => {
    const { world, proxy } = link;
    const { before, names } = await seed(world, 260);
    const plan = await world.plan();
    const away = during(3, async () => {
      proxy.cutAll();
      await proxy.refuse(true);
      setTimeout(() => void proxy.refuse(false), 600);
    });
    await world.apply(plan, { batchSize: 20, permit: away });
    expect(await world.snapshot()).toEqual(renamed(before, names));
  });

  test('that is cut while a store is opened is made anew, or fails with its address', async () => {
    const proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: link.world.server.port } });
    for (let bytes = 1; bytes < 400; bytes += 13) {
      proxy.cutAfterBytes(bytes, bytes % 2 === 0 ? 'up' : 'down');
      const opened = await openRedisReader(redisSettings(proxy.port)).catch((error: unknown) => error);
      if (opened instanceof Error) expect(opened).toMatchObject({ name: 'MigrateError', code: 'unreachable' });
      else await (opened as RedisReader).close();
    }
    await proxy.close();
  });

  test('that hangs is given up and made anew', async () => {
    const { world, proxy } = link;
    const { before, names } = await seed(world, 260);
    await world.connect(redisSettings(proxy.port, { replyTimeoutMs: 500, connectTimeoutMs: 500 }));
    const plan = await world.plan();
    const hanging = during(3, async () => {
      proxy.hang(true);
      setTimeout(() => proxy.hang(false), 900);
    });
    await world.apply(plan, { batchSize: 20, permit: hanging });
    expect(await world.snapshot()).toEqual(renamed(before, names));
  });

  test('that stays away fails with its address, and what was moved is counted', async () => {
    const { world, proxy } = link;
    const { before, names } = await seed(world, 260);
    const plan = await world.plan();
    // More batches than are ever under way at once, so that some are done.
    const away = during(20, async () => {
      await proxy.refuse(true);
      proxy.cutAll();
    });
    const done = [];
    const ctx = await world.writing({ batchSize: 10, permit: away });
    let failure: unknown;
    try {
      for await (const checkpoint of redisStage.apply(plan, ctx)) done.push(checkpoint);
    } catch (error) {
      failure = error;
    }
    expect(failure).toMatchObject({ code: 'unreachable', message: expect.stringContaining(`:${proxy.port}`) });
    const there = Object.keys(await world.snapshot()).filter((key) => [...names.values()].includes(key));
    expect(total(done, 'moved')).toBeGreaterThan(0);
    expect(total(done, 'moved')).toBeLessThanOrEqual(there.length);
    await proxy.refuse(false);
    await world.undo(plan);
    expect(await world.snapshot()).toEqual(before);
  });
});

describe('a connection that is cut while equal sources are removed', () => {
  test('leaves no key that is not logged: all are gone in the end, and all come back', async () => {
    const link = await startLink();
    const { world, proxy } = link;
    const all = { up: 0, down: 0 };
    for (let cut = 0; cut <= 30; cut += 1) {
      const { before, names } = await seed(world, 30);
      const pipeline = world.raw.pipeline();
      for (const [from, to] of names) pipeline.copy(Buffer.from(from, 'latin1'), Buffer.from(to, 'latin1'));
      await pipeline.exec();
      for (const kind of ['task', 'batch'])
        await world.raw.set(`${kind}:tenant_7:1`, '{"tenant_id":"tenant_7"}', 'KEEPTTL');
      const both = await world.snapshot();
      const plan = await world.plan({ merge: true });
      const start = { ...proxy.passed };
      // The last bytes are those of the transaction and its reply.
      const direction = cut % 2 === 0 ? 'up' : 'down';
      const fromEnd = cut <= 16 ? 1 + 40 * (cut - 1) : (all[direction] * (cut - 16)) / 15;
      if (cut > 0) proxy.cutAfterBytes(Math.max(1, Math.floor(all[direction] - fromEnd)), direction);
      const done = await world.finalize(plan, { merge: true });
      if (cut === 0) {
        all.up = proxy.passed.up - start.up;
        all.down = proxy.passed.down - start.down;
      }
      expect([cut, total(done, 'skipped')]).toEqual([cut, names.size]);
      expect([cut, await world.snapshot()]).toEqual([cut, renamed(before, names)]);
      await retried(() => world.undo(plan, { merge: true }));
      expect([cut, await world.snapshot()]).toEqual([cut, both]);
    }
    await link.stop();
  }, 60_000);
});

describe('a batch that reaches the server late', () => {
  let world: RedisWorld;
  beforeEach(async () => {
    world = await RedisWorld.start();
  });
  afterEach(() => world.stop());

  test('cannot: its connection is ended at the server before anything is looked at', async () => {
    const { before, names } = await seed(world, 100);
    const proxy = await startLateProxy(world.server.port);
    await world.connect(redisSettings(proxy.port));
    const plan = await world.plan();
    const held = proxy.holdFrom('renamenx');
    const applying = world.apply(plan, { batchSize: 20 });
    await held;
    await sleep(20);
    proxy.loseClients();
    await applying;
    expect(await world.snapshot()).toEqual(renamed(before, names));
    await world.undo(plan);
    await proxy.deliver();
    await sleep(100);
    expect(await world.snapshot()).toEqual(before);
    proxy.close();
  });

  test('is waited for where the user may not end connections', async () => {
    const { before, names } = await seed(world, 100);
    await world.raw.acl('SETUSER', 'mover', 'on', 'nopass', '~*', '+@all', '-client');
    const proxy = await startLateProxy(world.server.port);
    await world.connect(redisSettings(proxy.port, { username: 'mover', password: 'any' }));
    const plan = await world.plan();
    const held = proxy.holdFrom('renamenx');
    let looked = false;
    const applying = world.apply(plan, { batchSize: 20 }).finally(() => {
      looked = true;
    });
    await held;
    await sleep(20);
    proxy.loseClients();
    await sleep(1_500);
    expect(looked).toBe(false);
    await proxy.deliver();
    await applying;
    expect(await world.differences(plan)).toEqual([]);
    expect(await world.snapshot()).toEqual(renamed(before, names));
    proxy.close();
  });
});

describe('a server that is restarted in the middle', () => {
  test('with its data goes on: applying again reaches the end, and an undo the start', async () => {
    const world = await RedisWorld.start(['--save', '3600 1']);
    const { before, names } = await seed(world, 260);
    const plan = await world.plan();
    const restart = during(4, () => restarted(world, 'RESTART'));
    await world.apply(plan, { batchSize: 20, permit: restart }).catch(() => undefined);
    expectNothingLost(await world.snapshot(), { before, names, what: 'restart' });
    await world.apply(plan, { continuing: true });
    expect(await world.differences(plan)).toEqual([]);
    expect(await world.snapshot()).toEqual(renamed(before, names));
    await world.undo(plan);
    expect(await world.snapshot()).toEqual(before);
    await world.stop();
  });

  test('without its data is noticed by verify', async () => {
    const world = await RedisWorld.start();
    await seed(world, 260);
    const plan = await world.plan({ verify: 'counts' });
    const crash = during(4, () => restarted(world, 'CRASH-AND-RECOVER'));
    await world.apply(plan, { batchSize: 20, permit: crash }).catch(() => undefined);
    expect(await world.differences(plan, { verify: 'counts' })).toMatchObject([
      { kind: 'count', message: expect.stringContaining('started anew') },
    ]);
    await world.stop();
  });

  test('ends a listing of its keys, which could pass over some in silence', async () => {
    const world = await RedisWorld.start(['--save', '3600 1']);
    await world.raw.call('DEBUG', 'POPULATE', '5000', 'siraya');
    const listing = async () => {
      let pages = 0;
      for await (const _ of world.store.scan(100)) {
        pages += 1;
        if (pages === 5) await restarted(world, 'RESTART');
      }
    };
    await expect(listing()).rejects.toThrow('started anew');
    await world.stop();
  });

  async function restarted(world: RedisWorld, how: 'RESTART' | 'CRASH-AND-RECOVER'): Promise<void> {
    const { runId } = await world.store.server();
    void world.raw.call('DEBUG', how).catch(() => undefined);
    while ((await world.store.server().catch(() => ({ runId }))).runId === runId) await sleep(20);
  }
});

test('two hundred thousand keys are planned, moved and verified in bounded memory', async () => {
  setFlagsFromString('--expose_gc');
  const collect = runInNewContext('gc') as () => void;
  const held = () => {
    collect();
    return process.memoryUsage().heapUsed / (1 << 20);
  };
  const world = await RedisWorld.start();
  await world.raw.call('DEBUG', 'POPULATE', '200000', 'siraya');
  const start = held();
  const plan = await world.plan();
  let most = held();
  let checkpoints = 0;
  for await (const _ of redisStage.apply(plan, await world.writing({}))) {
    checkpoints += 1;
    if (checkpoints % 25 === 0) most = Math.max(most, held());
  }
  expect(await world.verify(plan)).toEqual([]);
  expect(Math.max(most, held()) - start).toBeLessThan(30);
  await world.stop();
});

interface Link {
  readonly world: RedisWorld;
  readonly proxy: TcpProxy;
  stop(): Promise<void>;
}

/** A server that the stage reaches through a proxy, and the test directly. */
async function startLink(): Promise<Link> {
  const world = await RedisWorld.start();
  const proxy = await startTcpProxy({ target: { host: '127.0.0.1', port: world.server.port } });
  await world.connect(redisSettings(proxy.port));
  const stop = async () => {
    await proxy.close();
    await world.stop();
  };
  return { world, proxy, stop };
}

async function seed(
  world: RedisWorld,
  more: number,
): Promise<{ before: Snapshot; names: ReadonlyMap<string, string> }> {
  await world.reset();
  const names = new Map(await seedTenant(world.raw, 'siraya'));
  await seedNeighbours(world.raw);
  const pipeline = world.raw.pipeline();
  for (let n = 0; n < more; n += 1) {
    pipeline.set(`siraya_text_chunks:${n}`, `chunk ${n}`, 'PX', 90_000_000 + n);
    names.set(`siraya_text_chunks:${n}`, `tenant_7_text_chunks:${n}`);
  }
  await pipeline.exec();
  return { before: await world.snapshot(), names };
}

/** A permit during whose call of this number something happens. */
function during(call: number, happens: () => Promise<void>): () => Promise<void> {
  let calls = 0;
  return async () => {
    calls += 1;
    if (calls === call) await happens();
  };
}

/** Park and Miller's generator: the same seed gives the same cuts. */
function generator(seed: number): () => number {
  let state = (seed % 2_147_483_646) + 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { redisChecks } from '../../src/doctor/redis-checks.ts';
import { printable } from '../../src/model/byte-string.ts';
import { openRedisHealth } from '../../src/stores/redis/redis-health.ts';
import { openRedisReader } from '../../src/stores/redis/redis-store.ts';
import { seedNeighbours, seedTenant } from '../support/redis-tenants.ts';
import { kinds, RedisWorld, redisSettings, renamed, type Snapshot } from '../support/redis-world.ts';
import {
  NOT_CONFIGURED,
  ONE_NODE_SLOTS,
  type ScriptedDragonfly,
  startScriptedDragonfly,
  TWO_NODE_SLOTS,
} from '../support/scripted-dragonfly.ts';

let world: RedisWorld;
let dragonfly: ScriptedDragonfly;
let told: ScriptedDragonfly['script'];
let names: ReadonlyMap<string, string>;
let before: Snapshot;
const rename = { redisMode: 'rename' } as const;

beforeAll(async () => {
  world = await RedisWorld.start();
  dragonfly = await startScriptedDragonfly(world.server.port);
  told = { ...dragonfly.script };
});
afterAll(async () => {
  await world.stop();
  await dragonfly.close();
});
beforeEach(async () => {
  await world.reset();
  Object.assign(dragonfly.script, told);
  names = await seedTenant(world.raw, 'siraya');
  await seedNeighbours(world.raw);
  before = await world.snapshot();
  await world.connect(redisSettings(dragonfly.port));
  dragonfly.sent.splice(0);
});
afterEach(() => {
  dragonfly.onCommand = undefined;
});

/** How often clients have sent the command. */
const sent = (command: string) => dragonfly.sent.filter((name) => name === command).length;
const halfUsed = () => {
  dragonfly.script.usedMemory = dragonfly.script.maxMemory / 2;
};

describe('out of memory', () => {
  test('at a rename, which has taken the source away, ends it at once: both names are looked at, the lost are told by shape', async () => {
    const plan = await world.plan(rename);
    dragonfly.script.writesLeft = 7;
    const failure = world.apply(plan, { ...rename, batchSize: 5, concurrency: 1, permit: async () => undefined });
    await expect(failure).rejects.toMatchObject({
      code: 'store',
      message: expect.stringMatching(/ran out of memory.*3 keys are lost.*(siraya|task|batch)\S*… \d/),
      next: expect.stringContaining('maxmemory'),
    });
    expect(sent('RENAMENX')).toBe(10);
    const after = await world.snapshot();
    const gone = [...names].filter(([from, to]) => !(from in after) && !(to in after)).map(([from]) => printable(from));
    expect(gone).toHaveLength(3);
    const failed = world.events.filter((event) => event.type === 'record-failed');
    expect(failed.map(({ record }) => record).sort()).toEqual(gone.sort());
    expect(failed.map(({ reason }) => reason)).toEqual(Array(3).fill(expect.stringMatching(/^lost: .*Out of memory/)));
  });

  test('keeps batches that are not yet sent from being sent, and tells all that were under way', async () => {
    // A plan of the version before, or of a server that does not say what it is, has several under way.
    const { copies: _, ...plan } = await world.plan(rename);
    dragonfly.script.writesLeft = 0;
    const failure = await world.apply(plan, { ...rename, batchSize: 2, concurrency: 4 }).catch((error) => error);
    expect(failure.message).toContain(`: ${sent('RENAMENX')} keys are lost`);
    expect(sent('RENAMENX')).toBeLessThanOrEqual(8);
  });

  test('at the rewriting of a value ends it at once, and what was under way is looked at', async () => {
    const plan = await world.plan(rename);
    dragonfly.onCommand = ([name]) => {
      if (/^EVAL$/i.test(String(name))) dragonfly.script.writesLeft = 0;
    };
    await expect(world.apply(plan, { ...rename, batchSize: 2, concurrency: 1 })).rejects.toMatchObject({
      code: 'store',
      message: expect.stringMatching(/Out of memory.*\d values.*none of them is gone/),
      next: expect.stringContaining('maxmemory'),
    });
    expect(sent('EVAL')).toBe(1);
    const last = dragonfly.sent.lastIndexOf('EVAL');
    expect(dragonfly.sent.slice(last).filter((name) => name === 'RENAMENX')).toEqual([]);
  });

  test('at a copy leaves the source as it was', async () => {
    const plan = await world.plan();
    dragonfly.script.writesLeft = 3;
    await expect(world.apply(plan, { batchSize: 4 })).rejects.toMatchObject({
      code: 'store',
      message: expect.stringContaining('Out of memory'),
      next: expect.stringContaining('maxmemory'),
    });
    const after = await world.snapshot();
    for (const key of names.keys()) expect(after[key]).toBe(before[key]);
  });
});

describe('a Dragonfly with room to spare', () => {
  test('has its keys copied, compared and removed by default, and taken back without a rename', async () => {
    expect(await world.preflight({ probe: true })).toEqual([]);
    const plan = await world.plan({ verify: 'full' });
    expect(plan).toMatchObject({ problems: [], copies: 'all' });
    expect(plan.notices).toContainEqual(
      expect.objectContaining({ kind: 'copied', message: expect.stringMatching(/out of memory.*loses the key/) }),
    );
    await world.apply(plan);
    await world.finalize(plan);
    expect(await world.snapshot()).toEqual(renamed(before, names));
    expect(await world.differences(plan, { verify: 'full' }, 'finalized')).toEqual([]);
    await world.undo(plan);
    expect(await world.snapshot()).toEqual(before);
    expect(sent('RENAMENX')).toBe(0);
  });

  test.each([
    [0.66, ['memory']],
    [0.64, []],
  ])('that uses %d of its memory is asked to rename: problems %j', async (used, problems) => {
    dragonfly.script.usedMemory = used * dragonfly.script.maxMemory;
    expect((await world.preflight(rename)).map(({ code }) => code)).toEqual(problems);
  });

  test('renames where that is asked for, and copies from the moment at which less than 35 % are free', async () => {
    halfUsed();
    expect(await world.preflight({ ...rename, probe: true })).toEqual([]);
    const plan = await world.plan({ ...rename, verify: 'full' });
    expect(plan).toMatchObject({ copies: 'when-short', copied: 0 });
    dragonfly.sent.splice(0);
    dragonfly.onCommand = () => {
      if (sent('RENAMENX') >= 10) dragonfly.script.usedMemory = 0.7 * dragonfly.script.maxMemory;
    };
    await world.apply(plan, { ...rename, batchSize: 5, concurrency: 1 });
    expect([sent('RENAMENX'), sent('RESTORE')]).toEqual([10, names.size - 10]);
    expect(world.events.filter((event) => event.type === 'note').map(({ text }) => text)).toEqual([
      expect.stringMatching(/less than 35 %.*copied/),
    ]);
    expect(kinds(await world.verify(plan, { verify: 'full' }))).toEqual(['pending-removal']);
    await world.finalize(plan, rename);
    expect(await world.snapshot()).toEqual(renamed(before, names));
    dragonfly.sent.splice(0);
    await world.undo(plan, rename);
    expect(await world.snapshot()).toEqual(before);
    expect(sent('RENAMENX')).toBe(0);
  });
});

describe('a start anew while keys are listed', () => {
  const list = async (onAnew?: () => void) => {
    let restarted = false;
    for await (const _ of world.store.scan(10, onAnew)) {
      if (!restarted) dragonfly.restart();
      restarted = true;
    }
  };

  test('is seen by master_replid, where INFO has no run_id', async () => {
    await expect(list()).rejects.toThrow('was started anew while its keys were listed');
    await expect(list(() => undefined)).rejects.toThrow('was started anew while its keys were listed');
  });

  test('that nothing tells makes a listing begin anew where the connection was lost', async () => {
    dragonfly.script.replid = undefined;
    let anew = 0;
    await list(() => {
      anew += 1;
    });
    expect(anew).toBe(1);
    await expect(list()).rejects.toThrow(/cannot be told.*run_id.*master_replid/);
  });

  test('that nothing would tell is said in the plan, and verify lists all keys twice', async () => {
    dragonfly.script.replid = undefined;
    const plan = await world.plan();
    expect(plan.notices).toContainEqual(
      expect.objectContaining({ kind: 'server', message: expect.stringMatching(/run_id.*master_replid.*twice/) }),
    );
    await world.apply(plan);
    await world.finalize(plan);
    let listings = 0;
    dragonfly.onCommand = async ([name, cursor]) => {
      if (String(name).toUpperCase() !== 'SCAN' || String(cursor) !== '0') return;
      listings += 1;
      if (listings === 2) await world.raw.set('siraya:unseen', 'x');
    };
    expect(await world.differences(plan, {}, 'finalized')).toMatchObject([{ kind: 'left-behind', count: 1 }]);
    expect(listings).toBe(2);
  });
});

describe('cluster mode', () => {
  test('that is emulated by one node with all slots is spoken to as one server', async () => {
    Object.assign(dragonfly.script, { mode: 'cluster', slots: ONE_NODE_SLOTS });
    await world.connect(redisSettings(dragonfly.port));
    expect(await world.preflight({ probe: true })).toEqual([]);
  });

  test.each([
    ['of two nodes', TWO_NODE_SLOTS, /real cluster.*2 nodes/],
    ['that is not configured', NOT_CONFIGURED, /real cluster.*not yet configured/],
    ['whose slots are not told', "-NOPERM this user has no permissions to run the 'cluster' command\r\n", /NOPERM/],
    ['with slots that nobody holds', ONE_NODE_SLOTS.replace('16383', '16000'), /real cluster.*383 slots/],
  ])('%s is refused with the reason', async (_, slots, reason) => {
    Object.assign(dragonfly.script, { mode: 'cluster', slots });
    await expect(openRedisReader(redisSettings(dragonfly.port))).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(reason),
      next: expect.stringContaining('--skip-redis'),
    });
  });
});

describe('what it tells of itself', () => {
  test('rights: who we are and what we may run, asked for with a user and a command only', async () => {
    Object.assign(dragonfly.script, { user: 'mover', denied: ['RENAMENX', 'WATCH'] });
    const { rights } = await healthOf();
    expect(rights).toEqual({ user: 'mover', told: true, missing: ['renamenx'], missed: ['watch'] });
    halfUsed();
    expect(await world.preflight(rename)).toMatchObject([
      { code: 'denied', message: expect.stringContaining("no permissions to run the 'RENAMENX' command") },
    ]);
  });

  test('that it is loading, which plain INFO leaves out', async () => {
    dragonfly.script.loading = true;
    expect(await world.preflight()).toMatchObject([{ code: 'loading' }]);
    expect(levelOf(await healthOf(), 'state')).toBe('error');
  });

  test('that its last save failed', async () => {
    expect(levelOf(await healthOf(), 'persistence')).not.toBe('error');
    dragonfly.script.failedSave = 1_790_000_001;
    expect(levelOf(await healthOf(), 'persistence')).toBe('error');
  });

  test.each([
    [0.5, 'ok', /copied.*50 % are free, --redis-mode rename needs 35 %/],
    [0.7, 'warning', /copied.*30 % are free/],
  ])('memory: %d of it used', async (used, level, text) => {
    dragonfly.script.usedMemory = used * dragonfly.script.maxMemory;
    expect(redisChecks(await healthOf()).find(({ name }) => name === 'mode')).toMatchObject({
      level,
      text: expect.stringMatching(text),
    });
  });

  async function healthOf() {
    const probe = await openRedisHealth(redisSettings(dragonfly.port));
    try {
      return await probe.health([]);
    } finally {
      await probe.close();
    }
  }

  const levelOf = (health: Awaited<ReturnType<typeof healthOf>>, name: string) =>
    redisChecks(health).find((check) => check.name === name)?.level;
});

import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RedisServer } from '../../scripts/services/redis.ts';
import type { Json } from '../../src/model/json.ts';
import { ragApi } from '../../src/profiles/rag-api.ts';
import { redisBackup } from '../../src/stages/redis/backup.ts';
import { redisStage } from '../../src/stages/redis.ts';
import { openRedisWriter, type RedisWriter } from '../../src/stores/redis/redis-store.ts';
import { keptPart, restoreContext, restored, stoppedAfter } from '../support/backup-part.ts';
import { freshRedis } from '../support/redis-server.ts';
import { namesOf, seedNeighbours, seedTenant } from '../support/redis-tenants.ts';
import { rawRedis, redisSettings, snapshot } from '../support/redis-world.ts';
import { applyContext, drain, planContext, total } from '../support/stage-context.ts';

describe('a backup of Redis keys', () => {
  let servers: readonly [RedisServer, RedisServer];
  let raws: readonly [Redis, Redis];
  let stores: readonly [RedisWriter, RedisWriter];

  beforeAll(async () => {
    servers = [await freshRedis([]), await freshRedis([])];
    const ports = servers.map(({ port }) => port) as [number, number];
    raws = [rawRedis(ports[0]), rawRedis(ports[1])];
    stores = [await openRedisWriter(redisSettings(ports[0])), await openRedisWriter(redisSettings(ports[1]))];
  });
  afterAll(async () => {
    for (const store of stores) await store.close();
    for (const raw of raws) raw.disconnect();
    for (const server of servers) await server.stop();
  });
  beforeEach(async () => {
    for (const raw of raws) await raw.flushall();
    await seedTenant(raws[0], 'siraya');
    await seedNeighbours(raws[0]);
  });

  const keep = () => keptPart(redisBackup, 'siraya', planContext(stores[0]));
  const restoreTo = (store: RedisWriter, part: Awaited<ReturnType<typeof keep>>) =>
    restored(redisBackup.restore(part, restoreContext(store)));

  it('brings every type, name and expiry back, and nothing of a neighbour', async () => {
    const before = await snapshot(raws[0]);
    const part = await keep();
    const own = [...namesOf('siraya', 'x').keys()];
    expect(part.written.records).toEqual({ key: own.length });
    expect(part.written.notKept).toEqual([expect.stringContaining('tenant:config:siraya:')]);
    expect(await restoreTo(stores[1], part)).toBe(own.length);
    const wanted = Object.fromEntries(Object.entries(before).filter(([name]) => own.includes(name)));
    expect(await snapshot(raws[1])).toEqual(wanted);
    const look = await redisBackup.compare(part, planContext(stores[1]));
    expect(look).toMatchObject({ absent: 0, equal: own.length, different: 0, work: false });
  });

  it('stopped anywhere goes on where it was', async () => {
    const part = await keep();
    await stoppedAfter(redisBackup.restore(part, restoreContext(stores[1])), 1);
    await raws[1].del('siraya:list');
    expect(await restoreTo(stores[1], part)).toBe(1);
    expect((await redisBackup.compare(part, planContext(stores[1]))).work).toBe(false);
  });

  it('sees another value, another type and another expiry as different, and overwrites none', async () => {
    const part = await keep();
    await restoreTo(stores[1], part);
    await raws[1].set('siraya:empty', 'not empty');
    await raws[1].del('siraya:list');
    await raws[1].sadd('siraya:list', 'a');
    await raws[1].pexpire('siraya:hash', 60_000);
    const disturbed = await snapshot(raws[1]);
    const look = await redisBackup.compare(part, planContext(stores[1]));
    expect(look).toMatchObject({ absent: 0, different: 3 });
    expect([...look.samples].sort()).toEqual(['siraya:empty', 'siraya:hash', 'siraya:list']);
    expect(await restoreTo(stores[1], part)).toBe(0);
    expect(await snapshot(raws[1])).toEqual(disturbed);
  });

  it('gives back the undo log of a move whose own is lost', async () => {
    const before = await snapshot(raws[0]);
    await raws[0].del('tenant_7');
    const start = await snapshot(raws[0]);
    const part = await keep();
    const move = { source: 'siraya', target: 'tenant_9' };
    const plan = await redisStage.plan([move], planContext(stores[0]));
    const moving = await applyContext(stores[0]);
    await drain(redisStage.apply(plan, moving));
    await moving.undo.close();
    expect(await snapshot(raws[0])).not.toEqual(start);
    const ctx = await applyContext(stores[0]);
    for await (const entries of redisBackup.undoEntries(part, move, ragApi)) await ctx.undo.append(entries as Json[]);
    expect(total(await drain(redisStage.undo(plan, ctx)), 'moved')).toBe(namesOf('siraya', 'x').size);
    await ctx.undo.close();
    expect(await snapshot(raws[0])).toEqual(start);
    expect(Object.keys(before).length).toBe(Object.keys(start).length + 1);
  });
});

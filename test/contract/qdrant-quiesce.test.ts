import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stopReason } from '../../src/model/errors.ts';
import { qdrantStage } from '../../src/stages/qdrant.ts';
import type { StageEvent } from '../../src/stages/stage.ts';
import type { QdrantWriter } from '../../src/stores/qdrant/qdrant-reader.ts';
import { openQdrantWriter } from '../../src/stores/qdrant/qdrant-store.ts';
import { type QdrantStandIn, startQdrantStandIn } from '../support/qdrant-stand-in.ts';
import { FIELD, loggedContext, makeTenants, planOf, type Tenants } from '../support/qdrant-tenants.ts';
import { pointsOf, QdrantWorld, withField } from '../support/qdrant-world.ts';
import { drain, planContext } from '../support/stage-context.ts';

// The queue is held by the simulated server; a real one cannot be told to.
let standIn: QdrantStandIn;
let world: QdrantWorld;
let tenants: Tenants;
let dead: QdrantWriter;
let writer: QdrantWriter;

beforeEach(async () => {
  standIn = await startQdrantStandIn();
  world = new QdrantWorld(standIn.url);
  tenants = await makeTenants(world);
  dead = await openQdrantWriter({ url: standIn.url, timeoutMs: 200 });
  writer = await openQdrantWriter({ url: standIn.url, timeoutMs: 5_000 });
});

afterEach(async () => {
  standIn.releaseUpdates();
  await Promise.all([dead.close(), writer.close()]);
  await standIn.close();
});

/** A run whose process dies while the server has its first writes in the queue. */
async function brokenRun() {
  const plan = await planOf(writer, tenants.move);
  const broken = await loggedContext(dead, { options: { batchSize: 25 } });
  standIn.holdUpdates();
  await expect(drain(qdrantStage.apply(plan, broken))).rejects.toMatchObject({ code: 'store' });
  return { plan, undo: broken.undo };
}

/** Calls quiesce, looks whether it waits, and lets the server go on. */
async function quiesceAround(goOn: () => void): Promise<void> {
  let returned = false;
  const quiesced = qdrantStage.quiesce?.([tenants.move], planContext(writer)).then(() => {
    returned = true;
  });
  await sleep(250);
  expect(returned).toBe(false);
  goOn();
  await quiesced;
}

describe('what a broken process left in the update queue', () => {
  it('is applied before a rollback looks, which then gives back the start', async () => {
    const before = await world.states();
    const { plan, undo } = await brokenRun();
    expect(pointsOf(await world.states())).toEqual(pointsOf(before));
    await quiesceAround(() => standIn.releaseUpdates());
    const moved = { field: FIELD, value: tenants.move.target };
    expect(await writer.count({ collection: tenants.chunks, match: moved })).toBeGreaterThan(0);
    await drain(qdrantStage.undo(plan, await loggedContext(writer, { undo })));
    await sleep(50);
    expect(await world.states()).toEqual(before);
  });

  it('is applied before the run goes on, which then comes to its end', async () => {
    const before = await world.states();
    const { plan, undo } = await brokenRun();
    await quiesceAround(() => standIn.releaseUpdates());
    const ctx = await loggedContext(writer, { undo });
    await drain(qdrantStage.apply(plan, ctx));
    expect(await qdrantStage.verify(plan, 'applied', ctx)).toEqual([]);
    expect(pointsOf(await world.states())).toEqual(withField(before, FIELD, tenants.move));
  });

  it('is waited for even when it is at work and no longer counted', async () => {
    standIn.fail({ path: /\/points\/payload/, kind: 'trouble', trouble: 'late', ms: 400 });
    const filter = { must: [{ key: FIELD, match: { value: tenants.move.source } }] };
    const body = { payload: { [FIELD]: tenants.move.target }, filter };
    await expect(world.send('POST', `/collections/${tenants.chunks}/points/payload?wait=true`, body)).rejects.toThrow();
    expect((await writer.collection(tenants.chunks)).updateQueue).toBe(0);
    await quiesceAround(() => undefined);
    const match = { field: FIELD, value: tenants.move.source };
    expect(await writer.count({ collection: tenants.chunks, match })).toBe(0);
  });

  it('and does not come out of it in time is an error that names the collection', async () => {
    await brokenRun();
    await expect(qdrantStage.quiesce?.([tenants.move], planContext(dead))).rejects.toMatchObject({
      code: 'store',
      retryable: true,
      message: expect.stringContaining(tenants.chunks),
    });
  });

  it('is not waited for by a run that is told to stop', async () => {
    await brokenRun();
    const stop = new AbortController();
    const ctx = planContext(writer, { signal: stop.signal });
    const quiesced = expect(qdrantStage.quiesce?.([tenants.move], ctx)).rejects.toThrow('stopped by SIGTERM');
    await sleep(150);
    stop.abort(stopReason('SIGTERM'));
    await quiesced;
  });
});

describe('where nothing is in the way', () => {
  it('no point is changed, and only collections of the move are touched', async () => {
    const before = await world.states();
    standIn.clearRequests();
    await qdrantStage.quiesce?.([tenants.move], planContext(writer));
    expect(await world.states()).toEqual(before);
    const written = standIn.requests.filter(({ write }) => write).map(({ path }) => path.split('/')[2]);
    expect(written.toSorted()).toEqual([tenants.chunks, tenants.named].toSorted());
  });

  it('a server that does not tell its queue is given the settle time, and that is said', async () => {
    const { result } = JSON.parse(await world.send('GET', `/collections/${tenants.chunks}`)) as { result: object };
    const body = JSON.stringify({ result: { ...result, update_queue: undefined }, status: 'ok', time: 0 });
    const times = Number.POSITIVE_INFINITY;
    standIn.fail({ method: 'GET', path: new RegExp(`/${tenants.chunks}$`), kind: 'status', status: 200, body, times });
    const events: StageEvent[] = [];
    const started = performance.now();
    await qdrantStage.quiesce?.([tenants.move], planContext(writer, { events, options: { settleMs: 300 } }));
    expect(performance.now() - started).toBeGreaterThanOrEqual(300);
    expect(events).toEqual([
      expect.objectContaining({ type: 'note', text: expect.stringMatching(new RegExp(`${tenants.chunks}.*--settle`)) }),
    ]);
  });
});

import { beforeEach, describe, expect, test } from 'vitest';
import { Gate } from '../../../src/orchestrator/gate.ts';
import { type LimitSettings, Limits } from '../../../src/orchestrator/limits.ts';
import { RateLimit } from '../../../src/orchestrator/rate-limit.ts';
import { RunLocks } from '../../../src/orchestrator/run-locks.ts';
import type { StageEvent, StageName, UndoPort } from '../../../src/stages/stage.ts';

/** So long an undo log takes here until its entries are durable. */
const DURABLE_MS = 300;

let now: number;
let controller: AbortController;
let limits: NotedLimits;
let paused: boolean;
let lost: readonly string[];
let events: StageEvent[];
let gate: Gate;

beforeEach(async () => {
  await make();
});

describe('a batch may pass', () => {
  test('where nothing stands against it, however often', async () => {
    for (let index = 0; index < 1_000; index += 1) await gate.pass();
    expect(events).toEqual([]);
  });

  test('no more once the run was told to stop, and learns why', async () => {
    controller.abort(new Error('stopped by SIGINT'));
    await expect(gate.pass()).rejects.toThrow('stopped by SIGINT');
  });

  test('no more where the run is told to stop while its locks are looked at', async () => {
    await make({
      lostLocks: async () => {
        controller.abort(new Error('stopped by SIGINT'));
        return [];
      },
    });
    const passing = gate.pass();
    await expect(passing).rejects.toThrow('stopped by SIGINT');
  });

  test('only once the pause file is gone, and the operator is told in the stage’s name', async () => {
    paused = true;
    gate.enter('qdrant');
    let passed = 0;
    const passing = [1, 2, 3].map(() => gate.pass().then(() => (passed += 1)));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(passed).toBe(0);
    paused = false;
    await Promise.all(passing);
    expect(events).toEqual([
      { type: 'note', stage: 'qdrant', text: expect.stringContaining('paused') },
      { type: 'note', stage: 'qdrant', text: expect.stringContaining('goes on') },
    ]);
  });

  test('no faster than the rate, which is told once for each stage that it holds', async () => {
    await make({ rates: { redis: 50 } });
    gate.enter('redis');
    const start = performance.now();
    expect(gate.mostInBatch()).toBe(5);
    for (let batch = 0; batch < 12; batch += 1) await gate.pass(5);
    expect(performance.now() - start).toBeGreaterThan(900);
    // As when records came late.
    gate.enter('redis');
    for (let batch = 0; batch < 7; batch += 1) await gate.pass(5);
    expect(events).toEqual([{ type: 'note', stage: 'redis', text: 'limited by --rate 50/s' }]);
    gate.enter('graph');
    await gate.pass(1_000_000);
    expect(gate.mostInBatch()).toBe(Number.POSITIVE_INFINITY);
    gate.enter('redis');
    await gate.pass(500);
    const waiting = gate.pass(5);
    controller.abort(new Error('stopped by SIGINT'));
    await expect(waiting).rejects.toThrow('stopped by SIGINT');
  });

  test('no more where the run is told to stop while it pauses', async () => {
    paused = true;
    const passing = gate.pass();
    controller.abort(new Error('stopped by SIGTERM'));
    await expect(passing).rejects.toThrow('stopped by SIGTERM');
  });

  test('no more once a limit is passed, and the error names stage and limit', async () => {
    await make({ maxErrors: 1 });
    gate.enter('graph');
    gate.count({ batch: 1, moved: 5, failed: 1 });
    await gate.pass();
    gate.count({ batch: 2, moved: 5, failed: 1 });
    await expect(gate.pass()).rejects.toMatchObject({
      code: 'limit',
      stage: 'graph',
      message: 'stopped early: 2 records failed: more than --max-errors 1',
    });
  });

  test('no more once the time is over, a pause included', async () => {
    await make({ timeoutMs: 1_000 });
    paused = true;
    const passing = gate.pass();
    now += 1_001;
    paused = false;
    await expect(passing).rejects.toMatchObject({ code: 'limit' });
  });

  test('no more once a lock was lost', async () => {
    lost = ['a'];
    await expect(gate.pass()).rejects.toMatchObject({ code: 'lock' });
  });
});

describe('what became of a batch', () => {
  test('is counted as it is: skipped records are no failures, vanished ones are neither', async () => {
    gate.enter('redis');
    gate.count({ batch: 1, moved: 3, skipped: 4, conflicts: 4, vanished: 2, failed: 1 });
    gate.count({ batch: 2, moved: 1 });
    expect(limits.counts).toEqual([
      ['redis', { ok: 7, failed: 1 }],
      ['redis', { ok: 1, failed: 0 }],
    ]);
  });

  test('gives a round trip where records were moved, from the moment at which the batch might be sent', async () => {
    gate.enter('redis');
    const undo = gate.timed(undoPort());
    const batch = await undo.append(['x']);
    await new Promise((resolve) => setTimeout(resolve, 30));
    gate.count({ batch, moved: 1 });
    expect(limits.latencies).toEqual([['redis', expect.any(Number)]]);
    const [[, ms]] = limits.latencies as [[string, number]];
    expect(ms).toBeGreaterThan(25);
    // Not the time in which the undo entries became durable.
    expect(ms).toBeLessThan(DURABLE_MS);
  });

  test('gives none for a batch that it did not see, one told twice, or one in which nothing was moved', async () => {
    gate.enter('redis');
    const undo = gate.timed(undoPort());
    gate.count({ batch: 0, moved: 5 });
    gate.count({ batch: 77, moved: 5 });
    const [one, two] = [await undo.append(['x']), await undo.append(['y'])];
    gate.count({ batch: one, moved: 0, skipped: 5 });
    gate.count({ batch: one, moved: 5 });
    gate.count({ batch: two, moved: 5 });
    gate.count({ batch: two, moved: 5 });
    expect(limits.latencies).toHaveLength(1);
  });

  test('is not taken for that of another stage’s batch of the same number', async () => {
    gate.enter('redis');
    const batch = await gate.timed(undoPort()).append(['x']);
    gate.enter('graph');
    gate.count({ batch, moved: 5 });
    expect(limits.latencies).toEqual([]);
  });
});

describe('the undo log behind the gate', () => {
  test('gives the numbers of the log itself, and reads it', async () => {
    const undo = gate.timed(undoPort());
    expect([await undo.append(['a']), await undo.append(['b'])]).toEqual([1, 2]);
    const read: unknown[] = [];
    for await (const batch of undo.read()) read.push(batch);
    expect(read).toEqual([
      { id: 2, entries: ['b'] },
      { id: 1, entries: ['a'] },
    ]);
  });

  test('tells a failure of the log as it is', async () => {
    const undo = gate.timed({ ...undoPort(), append: () => Promise.reject(new Error('disk full')) });
    await expect(undo.append(['a'])).rejects.toThrow('disk full');
  });
});

interface Settings extends Omit<LimitSettings, 'clock'> {
  readonly lostLocks?: () => Promise<readonly string[]>;
  readonly rates?: { readonly redis?: number };
}

async function make({ lostLocks = async () => lost, rates = {}, ...settings }: Settings = {}): Promise<void> {
  now = 1_000_000;
  paused = false;
  lost = [];
  events = [];
  controller = new AbortController();
  const clock = { now: () => now };
  limits = new NotedLimits({ ...settings, clock });
  const takeLocal = async () => ({ notes: [], lost: lostLocks, release: async () => undefined });
  const locks = new RunLocks({ takeLocal, takeLease: undefined }, [{ source: 'a', target: 'b' }], {
    now: () => Date.now(),
  });
  await locks.takeLocal({ runId: 'r', command: 'move' });
  const pauseFile = { path: '/pause', exists: async () => paused };
  gate = new Gate({
    locks,
    limits,
    pauseFile,
    rate: new RateLimit(rates),
    signal: controller.signal,
    clock,
    emit: (event) => events.push(event),
  });
}

/** Notes what it was given. */
class NotedLimits extends Limits {
  readonly counts: unknown[] = [];
  readonly latencies: [StageName, number][] = [];

  override count(stage: StageName, counts: { readonly ok: number; readonly failed: number }): void {
    this.counts.push([stage, counts]);
    super.count(stage, counts);
  }

  override latency(stage: StageName, ms: number): void {
    this.latencies.push([stage, ms]);
    super.latency(stage, ms);
  }
}

/** An undo log in memory, which takes a while to be durable. */
function undoPort(): UndoPort {
  const batches: { id: number; entries: readonly (string | null)[] }[] = [];
  return {
    append: async (entries) => {
      await new Promise((resolve) => setTimeout(resolve, DURABLE_MS));
      batches.push({ id: batches.length + 1, entries: entries as string[] });
      return batches.length;
    },
    async *read() {
      yield* [...batches].reverse();
    },
  };
}

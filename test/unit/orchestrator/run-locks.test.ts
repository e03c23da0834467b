import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Lease, LockHolder, LockPorts } from '../../../src/orchestrator/run-locks.ts';
import { RunLocks } from '../../../src/orchestrator/run-locks.ts';

const TTL_MS = 30_000;
const HOLDER: LockHolder = { runId: 'r1', command: 'move' };
const MOVES = [
  { source: 'a', target: 'b' },
  { source: 'b', target: 'c' },
];

let ports: Ports;
let locks: RunLocks;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] });
  ports = new Ports();
  locks = new RunLocks(ports, MOVES, { now: () => Date.now() });
});
afterEach(async () => {
  await locks.release();
  vi.useRealTimers();
});

describe('the locks of a run', () => {
  test('are of every tenant once, and tell what the operator should know', async () => {
    ports.notes = ['a dead process'];
    expect(await locks.takeLocal(HOLDER)).toEqual(['a dead process']);
    expect(await locks.takeLease(HOLDER)).toBeUndefined();
    expect(ports.taken).toEqual([
      ['local', ['a', 'b', 'c'], HOLDER],
      ['lease', ['a', 'b', 'c'], HOLDER],
    ]);
  });

  test('are this machine’s alone where there is no lease to take, or the server denies it', async () => {
    await locks.takeLocal(HOLDER);
    ports.denied = 'no right to SET';
    expect(await locks.takeLease(HOLDER)).toBe('no right to SET');
    const without = new RunLocks({ takeLocal: ports.takeLocal, takeLease: undefined }, MOVES, {
      now: () => Date.now(),
    });
    await without.takeLocal(HOLDER);
    expect(await without.takeLease(HOLDER)).toBe('Redis is left out');
    for (const held of [locks, without]) await held.check();
    ports.gone = ['b'];
    await vi.advanceTimersByTimeAsync(1_000);
    for (const held of [locks, without]) await expect(held.check()).rejects.toMatchObject({ code: 'lock' });
  });

  test('that another holds reject, and what was taken before is given back', async () => {
    await locks.takeLocal(HOLDER);
    ports.takeLease = () => Promise.reject(new Error('held by another'));
    await expect(locks.takeLease(HOLDER)).rejects.toThrow('held by another');
    await locks.release();
    expect(ports.released).toEqual(['local']);
  });
});

describe('before a batch', () => {
  test('the locks are not looked at more than once a second', async () => {
    await take();
    for (let index = 0; index < 100_000; index += 1) await locks.check();
    expect([ports.looks, ports.renewals]).toEqual([0, 0]);
    await vi.advanceTimersByTimeAsync(1_000);
    for (let index = 0; index < 100_000; index += 1) await locks.check();
    expect([ports.looks, ports.renewals]).toEqual([1, 1]);
  });

  test('100,000 looks at the clock take less than a second', async () => {
    await take();
    vi.useRealTimers();
    await locks.check();
    const start = performance.now();
    for (let index = 0; index < 100_000; index += 1) await locks.check();
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(ports.renewals).toBeLessThanOrEqual(2);
  });

  test('a lock in the state folder that was taken away is met within a second, and each time from then on', async () => {
    await take();
    ports.gone = ['b'];
    await vi.advanceTimersByTimeAsync(1_000);
    for (let index = 0; index < 3; index += 1) await expect(locks.check()).rejects.toMatchObject({ code: 'lock' });
  });

  test('a lease that is another’s is met within a second, and each time from then on', async () => {
    await take();
    ports.renew = async () => false;
    await vi.advanceTimersByTimeAsync(1_000);
    for (let index = 0; index < 3; index += 1) {
      await expect(locks.check()).rejects.toMatchObject({
        code: 'lock',
        message: expect.stringContaining('was lost'),
        next: expect.stringContaining('resume'),
      });
    }
  });

  test('many that come at once wait for one look', async () => {
    await take();
    await vi.advanceTimersByTimeAsync(1_000);
    await Promise.all(Array.from({ length: 50 }, () => locks.check()));
    expect(ports.renewals).toBe(1);
    ports.renew = async () => false;
    await vi.advanceTimersByTimeAsync(1_000);
    const results = await Promise.allSettled(Array.from({ length: 50 }, () => locks.check()));
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
  });

  test('a lease that cannot be renewed is held for half its time, counted from the last answer', async () => {
    await take();
    await vi.advanceTimersByTimeAsync(5_000);
    await locks.check();
    ports.renew = () => Promise.reject(new Error('connection refused'));
    for (let ms = 0; ms < TTL_MS / 2 - 500; ms += 500) {
      await vi.advanceTimersByTimeAsync(500);
      await locks.check();
    }
    await vi.advanceTimersByTimeAsync(500);
    for (let index = 0; index < 2; index += 1) {
      await expect(locks.check()).rejects.toMatchObject({
        code: 'lock',
        message: expect.stringContaining('could not be renewed'),
        cause: expect.objectContaining({ message: 'connection refused' }),
      });
    }
  });

  test('a lease that was renewed again in time is held on', async () => {
    await take();
    for (let round = 0; round < 4; round += 1) {
      ports.renew = () => Promise.reject(new Error('connection refused'));
      await vi.advanceTimersByTimeAsync(TTL_MS / 2 - 1_000);
      await locks.check();
      ports.renew = async () => true;
      await vi.advanceTimersByTimeAsync(500);
      await locks.check();
    }
  });

  test('an answer that does not come is waited for, and counted from when it was asked for', async () => {
    await take();
    const answers: ((error: Error) => void)[] = [];
    ports.renew = () => new Promise((_, reject) => answers.push(reject));
    await vi.advanceTimersByTimeAsync(1_000);
    let passed = false;
    const check = locks.check().then(() => (passed = true));
    await vi.advanceTimersByTimeAsync(TTL_MS / 2);
    expect(passed).toBe(false);
    answers[0]?.(new Error('timed out'));
    await expect(check).rejects.toMatchObject({ code: 'lock' });
  });

  test('a late answer that the lease is ours is not taken for a fresh one', async () => {
    await take();
    await vi.advanceTimersByTimeAsync(1_000);
    ports.renew = async () => {
      await new Promise((resolve) => setTimeout(resolve, 5_000));
      return true;
    };
    const check = locks.check();
    await vi.advanceTimersByTimeAsync(5_000);
    await check;
    ports.renew = async () => false;
    await expect(locks.check()).rejects.toMatchObject({ code: 'lock' });
  });
});

describe('this machine’s locks', () => {
  test('are told to be held until one was taken away, whatever became of the lease', async () => {
    expect(await locks.holdsLocal()).toBe(true);
    await take();
    ports.renew = async () => false;
    expect(await locks.holdsLocal()).toBe(true);
    ports.gone = ['b'];
    expect(await locks.holdsLocal()).toBe(false);
  });
});

describe('while nothing is written', () => {
  test('the lease is renewed three times in its time', async () => {
    await take();
    await vi.advanceTimersByTimeAsync(10 * TTL_MS);
    expect(ports.renewals).toBe(30);
  });

  test('a lease that was lost stops the next batch', async () => {
    await take();
    ports.renew = async () => false;
    await vi.advanceTimersByTimeAsync(2 * TTL_MS);
    await expect(locks.check()).rejects.toMatchObject({ code: 'lock' });
  });
});

describe('at the end', () => {
  test('both locks are given back once, and renewed no more', async () => {
    await take();
    await locks.release();
    await locks.release();
    expect([...ports.released].sort()).toEqual(['lease', 'local']);
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(10 * TTL_MS);
    expect(ports.renewals).toBe(0);
  });

  test.each(['rejects', 'throws'])('one that cannot be given back, and %s, does not keep the other', async (how) => {
    await take();
    ports.releaseLease = () => {
      if (how === 'throws') throw new Error('no connection');
      return Promise.reject(new Error('no connection'));
    };
    await locks.release();
    expect(ports.released).toEqual(['local']);
  });

  test('a look that is still under way does no harm', async () => {
    await take();
    ports.renew = () => new Promise((_, reject) => setTimeout(() => reject(new Error('closed')), TTL_MS));
    await vi.advanceTimersByTimeAsync(TTL_MS / 3);
    const released = locks.release();
    await vi.advanceTimersByTimeAsync(TTL_MS);
    await released;
    expect([ports.renewals, [...ports.released].sort()]).toEqual([1, ['lease', 'local']]);
  });
});

async function take(): Promise<void> {
  await locks.takeLocal(HOLDER);
  await locks.takeLease(HOLDER);
}

/** Locks that do as they are told. */
class Ports implements LockPorts {
  readonly taken: unknown[] = [];
  readonly released: string[] = [];
  notes: readonly string[] = [];
  gone: readonly string[] = [];
  denied: string | undefined;
  looks = 0;
  renewals = 0;
  renew = async () => true;
  releaseLease = async () => {
    this.released.push('lease');
  };

  takeLocal: LockPorts['takeLocal'] = async (tenants, holder) => {
    this.taken.push(['local', tenants, holder]);
    return {
      notes: this.notes,
      lost: async () => {
        this.looks += 1;
        return this.gone;
      },
      release: async () => {
        this.released.push('local');
      },
    };
  };

  takeLease: NonNullable<LockPorts['takeLease']> = async (tenants, holder) => {
    this.taken.push(['lease', tenants, holder]);
    if (this.denied !== undefined) return { denied: this.denied };
    const lease: Lease = {
      ttlMs: TTL_MS,
      renew: () => {
        this.renewals += 1;
        return this.renew();
      },
      release: () => this.releaseLease(),
    };
    return lease;
  };
}

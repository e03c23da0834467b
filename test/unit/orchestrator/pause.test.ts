import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import { pauseFile } from '../../../src/journal/pause-file.ts';
import { stopReason } from '../../../src/model/errors.ts';
import { LOOK_EVERY_MS, type PauseFile, pausePoint } from '../../../src/orchestrator/pause.ts';

let folder: string;
let path: string;
let said: string[];
let stop: AbortController;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenant-migrate-pause-'));
  path = join(folder, 'pause');
  said = [];
  stop = new AbortController();
});

describe('a run without a pause file', () => {
  test('goes on at once and says nothing', async () => {
    const started = performance.now();
    await point()();
    expect(performance.now() - started).toBeLessThan(200);
    expect(said).toEqual([]);
  });

  test('looks for it at most four times a second, however fast the batches come', async () => {
    const file = counted(path);
    const permit = point({ file });
    const started = performance.now();
    let batches = 0;
    while (performance.now() - started < 1_000) {
      await Promise.all([permit(), permit(), permit()]);
      batches += 3;
      if (batches % 300 === 0) await sleep(0);
    }
    expect(batches).toBeGreaterThan(1_000);
    expect(file.looks).toBeGreaterThanOrEqual(3);
    expect(file.looks).toBeLessThanOrEqual(5);
  });

  test('looks again when the clock was set back', async () => {
    let now = 1_000_000;
    const file = counted(path);
    const permit = point({ file, clock: { now: () => now } });
    await permit();
    await permit();
    expect(file.looks).toBe(1);
    now -= 500_000;
    await permit();
    expect(file.looks).toBe(2);
  });
});

describe('a run with a pause file', () => {
  test('waits until it is removed, and says so once each, however many batches wait', async () => {
    await writeFile(path, '');
    const permit = point();
    let through = 0;
    const batches = [1, 2, 3].map(() => permit().then(() => (through += 1)));
    await sleep(700);
    expect(through).toBe(0);
    const late = permit();
    await rm(path);
    await Promise.all([...batches, late]);
    expect(said).toEqual([`paused: goes on when ${path} is removed`, 'goes on after a pause of 1 s']);
  });

  test('pauses again when the file is there again', async () => {
    const permit = point();
    await permit();
    for (let round = 0; round < 2; round += 1) {
      await writeFile(path, '');
      await sleep(LOOK_EVERY_MS + 20);
      const batch = permit();
      await sleep(100);
      await rm(path);
      await batch;
    }
    expect(said).toHaveLength(4);
  });

  test('ends at once with the reason of the signal, for every batch that waits', async () => {
    await writeFile(path, '');
    const permit = point();
    const batches = [permit(), permit()].map((batch) => batch.catch((error: unknown) => error));
    await sleep(100);
    const reason = stopReason('SIGTERM');
    const started = performance.now();
    stop.abort(reason);
    expect(await Promise.all(batches)).toEqual([reason, reason]);
    expect(performance.now() - started).toBeLessThan(100);
    await expect(permit()).rejects.toBe(reason);
    expect(said).toHaveLength(1);
  });
});

describe('a pause file that cannot be looked at', () => {
  test('is an error, not an absent file', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(point({ file: pauseFile(join(folder, 'file', 'pause')) })()).rejects.toMatchObject({
      code: 'settings',
      message: expect.stringMatching(/^the pause file .*file\/pause cannot be looked at: ENOTDIR/),
      next: expect.stringContaining('--pause-file'),
    });
  });

  test.skipIf(process.getuid?.() === 0)('for want of rights is an error as well', async () => {
    const closed = join(folder, 'closed');
    await mkdir(closed);
    await chmod(closed, 0);
    try {
      await expect(point({ file: pauseFile(join(closed, 'pause')) })()).rejects.toThrow(/EACCES/);
    } finally {
      await chmod(closed, 0o700);
    }
  });

  test('is looked at again by the next batch', async () => {
    const middle = join(folder, 'middle');
    await writeFile(middle, '');
    const permit = point({ file: pauseFile(join(middle, 'pause')) });
    await expect(permit()).rejects.toThrow(/ENOTDIR/);
    await rm(middle);
    await permit();
    expect(said).toEqual([]);
  });

  test('because its file system hangs does not keep the run from stopping', async () => {
    const permit = point({ file: { path, exists: () => new Promise<boolean>(() => undefined) } });
    const batch = permit();
    stop.abort(stopReason('SIGINT'));
    await expect(batch).rejects.toThrow('stopped by SIGINT');
  });
});

function point(options: Partial<Parameters<typeof pausePoint>[0]> = {}): () => Promise<void> {
  return pausePoint({
    file: pauseFile(path),
    signal: stop.signal,
    clock: Date,
    emit: (text) => said.push(text),
    ...options,
  });
}

function counted(at: string): PauseFile & { looks: number } {
  const file = pauseFile(at);
  const counting = {
    path: at,
    looks: 0,
    exists: () => {
      counting.looks += 1;
      return file.exists();
    },
  };
  return counting;
}

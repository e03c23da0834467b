import { appendFile, mkdtemp, readFile, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { JournalTail, killAt } from '../../../scripts/kill-at.ts';
import { RunFolder } from '../../../src/journal/run-folder.ts';

const own = { command: 'move', toolVersion: 'test', settings: '', pid: process.pid, host: 'here', now: () => 1 };

async function runFolder(stateDir: string): Promise<RunFolder> {
  const folder = await RunFolder.create(stateDir, {
    toolVersion: 'test',
    moves: [{ source: 'a', target: 'b' }],
    profileDigest: 'p',
    stores: {},
    settings: {},
    startedAt: '2026-11-21T12:00:00.000Z',
  });
  await folder.open(own);
  return folder;
}

function stateFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'tenant-migrate-kill-at-'));
}

describe('the progress of a stage in a journal that is being written', () => {
  test('counts what is done of its own stage, and the batches that are not known to be done', async () => {
    const folder = await runFolder(await stateFolder());
    const tail = new JournalTail(join(folder.path, 'journal.ndjson'), folder.record.id);
    expect(await tail.progressOf('redis')).toEqual({ total: 0, done: 0, unknownBatches: 0 });
    folder.phase('apply', { redis: 100, qdrant: 7 });
    const undo = await folder.undo('redis');
    await undo.append([]);
    expect(await tail.progressOf('redis')).toEqual({ total: 100, done: 0, unknownBatches: 1 });
    folder.done('redis', { batch: 1, moved: 30 });
    await (await folder.undo('qdrant')).append([]);
    await undo.append([]);
    expect(await tail.progressOf('redis')).toEqual({ total: 100, done: 30, unknownBatches: 1 });
    expect(await tail.progressOf('qdrant')).toEqual({ total: 7, done: 0, unknownBatches: 1 });
    await folder.close();
  });

  test('a line that is not whole yet is read once it is', async () => {
    const folder = await runFolder(await stateFolder());
    folder.phase('apply', { redis: 100 });
    await folder.close();
    const path = join(folder.path, 'journal.ndjson');
    const whole = await readFile(path);
    await truncate(path, whole.length - 5);
    const tail = new JournalTail(path, folder.record.id);
    expect((await tail.progressOf('redis')).total).toBe(0);
    await appendFile(path, whole.subarray(-5));
    expect((await tail.progressOf('redis')).total).toBe(100);
  });
});

describe('a command that is to be killed in a stage', () => {
  const kill = (stateDir: string, main: string) =>
    killAt({ main, args: [], stateDir, stage: 'redis', share: 0.5, spawn: { stdio: 'ignore' } });

  test('is an error where it ends by itself before', async () => {
    const stateDir = await stateFolder();
    const main = join(stateDir, 'main.mjs');
    await writeFile(main, 'process.exitCode = 5;');
    await expect(kill(stateDir, main)).rejects.toThrow('ended with exit code 5 before it could be killed in redis');
  });

  test('is killed once its new run says that so much is done, whatever older runs say', async () => {
    const stateDir = await stateFolder();
    const older = await runFolder(stateDir);
    older.phase('apply', { redis: 100 });
    await (await older.undo('redis')).append([]);
    older.done('redis', { batch: 1, moved: 99 });
    await older.close();
    const writer = join(stateDir, 'main.mjs');
    // A run that does a tenth of its work in each batch and hangs in the sixth.
    await writeFile(
      writer,
      `import { RunFolder } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../../src/journal/run-folder.ts')).href)};
       const folder = await RunFolder.create(${JSON.stringify(stateDir)}, { moves: [], stores: {}, settings: {}, startedAt: '2026-11-21T13:00:00.000Z' });
       await folder.open({ command: 'move', now: () => 1 });
       folder.phase('apply', { redis: 100 });
       const undo = await folder.undo('redis');
       for (let batch = 1; batch <= 6; batch += 1) {
         await undo.append([]);
         if (batch < 6) folder.done('redis', { batch, moved: 10 });
       }
       setInterval(() => undefined, 1_000);`,
    );
    const tsx = {
      stdio: 'ignore',
      env: { ...process.env, NODE_OPTIONS: `--import=${import.meta.resolve('tsx')}` },
    } as const;
    const killed = await killAt({ main: writer, args: [], stateDir, stage: 'redis', share: 0.5, spawn: tsx });
    // Killed before or after it has begun with the sixth.
    expect(killed).toMatchObject({ total: 100, done: 50, unknownBatches: expect.toBeOneOf([0, 1]) });
    expect(killed.run).not.toBe(older.record.id);
  });
});

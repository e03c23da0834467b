import { appendFile, mkdtemp, open, readFile, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UndoFile } from '../../../src/journal/undo-file.ts';
import type { UndoBatch } from '../../../src/stages/stage.ts';

let path: string;
const opened: UndoFile[] = [];

beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'tenant-migrate-undo-')), 'redis.ndjson');
});
afterEach(async () => {
  for (const file of opened.splice(0)) await file.close();
});

describe('an undo file', () => {
  test('is made for its owner alone, and is empty at first', async () => {
    const file = await openFile();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(file.empty).toBe(true);
    expect(await batches(file)).toEqual([]);
  });

  test('gives back what was appended, newest first', async () => {
    const file = await openFile();
    const entries = [{ keys: ['a', { base64: '/w==' }] }, 'läuft', null, 1.5];
    expect(await file.append(['first'])).toBe(1);
    expect(await file.append(entries)).toBe(2);
    expect(file.empty).toBe(false);
    expect(await batches(file)).toEqual([
      { id: 2, entries },
      { id: 1, entries: ['first'] },
    ]);
  });

  test('holds a batch by the time its append resolves', async () => {
    const file = await openFile();
    const written = async (index: number) => {
      await file.append([index]);
      expect(await readFile(path, 'utf8')).toContain(`[${index}]]\n`);
    };
    for (let round = 0; round < 5; round += 1) await Promise.all([0, 1, 2, 3].map((lane) => written(4 * round + lane)));
  });

  test('numbers concurrent appends in their order, and keeps that order in the file', async () => {
    const file = await openFile();
    const appended: Promise<number>[] = [];
    for (let index = 1; index <= 500; index += 1) {
      appended.push(file.append([index]));
      if (index % 7 === 0) await appended.at(-3);
    }
    expect(await Promise.all(appended)).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual(lines.map((_, index) => [index + 1, [index + 1]]));
    expect((await batches(file)).map(({ id }) => id)).toEqual(Array.from({ length: 500 }, (_, index) => 500 - index));
  });

  test('goes on with the next number when it is opened again', async () => {
    const file = await openFile();
    await file.append(['a']);
    await file.append(['b']);
    const again = await reopen(file);
    expect(await again.append(['c'])).toBe(3);
    expect((await batches(again)).map(({ entries }) => entries[0])).toEqual(['c', 'b', 'a']);
  });

  test('can be read while it grows', async () => {
    const file = await openFile();
    for (const entry of ['a', 'b', 'c']) await file.append([entry]);
    const seen: unknown[] = [];
    for await (const { entries } of file.read()) {
      seen.push(entries[0]);
      await file.append(['later']);
    }
    expect(seen).toEqual(['c', 'b', 'a']);
  });

  test('drops a last line that was torn at any of its bytes, and nothing else', async () => {
    const file = await openFile();
    await file.append(['a'.repeat(30)]);
    await file.append(['b'.repeat(30)]);
    const { size } = await stat(path);
    const line = size / 2;
    await file.close();
    opened.splice(0);
    for (let left = size - 1; left >= line; left -= 1) {
      await truncate(path, left);
      const torn = await openFile();
      expect((await batches(torn)).map(({ id }) => id)).toEqual([1]);
      expect(await torn.append(['b'.repeat(30)])).toBe(2);
      expect(await batches(torn)).toHaveLength(2);
      await torn.close();
      opened.splice(0);
      expect((await stat(path)).size).toBe(size);
    }
  });

  test('drops a tail of zeros, as some file systems leave after a power cut', async () => {
    const file = await openFile();
    await file.append(['a']);
    await file.close();
    opened.splice(0);
    await appendFile(path, Buffer.alloc(4_096));
    const again = await openFile();
    expect(await again.append(['b'])).toBe(2);
    expect((await batches(again)).map(({ entries }) => entries[0])).toEqual(['b', 'a']);
  });

  test('indexes lines that are longer than what is read at once', async () => {
    const file = await openFile();
    const sizes = [3 << 20, 10, (1 << 20) - 7, 1 << 20, 1];
    for (const size of sizes) await file.append(['x'.repeat(size)]);
    const again = await reopen(file);
    expect((await batches(again)).map(({ entries }) => String(entries[0]).length)).toEqual([...sizes].reverse());
  });

  test('takes nothing more after a write that failed, since what that left is not known', async () => {
    const file = await openFile();
    await file.append(['a']);
    await file.close();
    opened.splice(0);
    // A closed handle stands for the full disk: every write to it fails.
    await expect(Promise.all([file.append(['b']), file.append(['c'])])).rejects.toThrow();
    await expect(file.append(['d'])).rejects.toThrow();
    expect((await batches(await openFile())).map(({ entries }) => entries[0])).toEqual(['a']);
  });

  test('is an error where it cannot be read as one, rather than an empty log', async () => {
    const file = await open(path, 'w');
    await file.writeFile('[1,["a"]\n[2,["b"]]\n');
    await file.close();
    await expect(batches(await openFile())).rejects.toThrow(SyntaxError);
    await expect(UndoFile.open(join(path, 'below-a-file'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });
});

async function openFile(): Promise<UndoFile> {
  const file = await UndoFile.open(path);
  opened.push(file);
  return file;
}

async function reopen(file: UndoFile): Promise<UndoFile> {
  await file.close();
  opened.splice(0);
  return openFile();
}

async function batches(file: UndoFile): Promise<UndoBatch[]> {
  const read: UndoBatch[] = [];
  for await (const batch of file.read()) read.push(batch);
  return read;
}

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RunFolder } from '../../../src/journal/run-folder.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'state-folder-'));
});
afterEach(() => rm(folder, { recursive: true }));

it('a state folder that is not there holds no run', async () => {
  expect(await RunFolder.all(join(folder, 'none'))).toEqual([]);
});

it('a state folder that is a file is a wrong setting, and never an empty one', async () => {
  await writeFile(join(folder, 'file'), '');
  const refusal = { code: 'settings', next: 'set --state-dir to a folder that you may read and write' };
  await expect(RunFolder.all(join(folder, 'file'))).rejects.toMatchObject(refusal);
  await expect(RunFolder.unfinished(join(folder, 'file'))).rejects.toMatchObject(refusal);
});

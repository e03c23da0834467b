import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { RunFolder, type RunRecord } from '../../../src/journal/run-folder.ts';

let stateDir: string;

beforeEach(async () => {
  stateDir = join(await mkdtemp(join(tmpdir(), 'tenant-migrate-state-')), 'state');
});

describe('run folders', () => {
  test('of a state folder that is not there are none', async () => {
    expect(await RunFolder.all(stateDir)).toEqual([]);
    expect(await RunFolder.unfinished(stateDir)).toEqual([]);
  });

  test('are open to their owner alone, whatever the umask', async () => {
    const umask = process.umask(0o000);
    try {
      const run = await create();
      await run.savePlan({ a: 1 });
      await run.saveReport({ b: 2 });
      await (await run.undo('redis')).append(['x']);
      await run.close();
      expect(await modes(stateDir)).toEqual({ folders: ['700'], files: ['600'] });
    } finally {
      process.umask(umask);
    }
  });

  test('come newest first, also within one second', async () => {
    const times = ['00:00:01.500', '00:00:01.250', '00:00:00.900', '00:00:01.750'];
    for (const time of times) await create(`2026-01-01T${time}Z`);
    const found = (await RunFolder.all(stateDir)).map(({ record }) => record.startedAt.slice(11, -1));
    expect(found).toEqual([...times].sort().reverse());
  });

  test('keep what is saved in them, and replace it as a whole', async () => {
    const run = await create();
    await run.savePlan({ long: 'x'.repeat(1_000) });
    await run.savePlan({ short: true });
    await run.setState('failed', '2026-01-02T00:00:00.000Z');
    const [again] = await RunFolder.all(stateDir);
    expect(await again?.readPlan()).toEqual({ short: true });
    expect(again?.record).toMatchObject({ id: run.record.id, state: 'failed', updatedAt: '2026-01-02T00:00:00.000Z' });
    expect((await readdir(run.path)).sort()).toEqual(['plan.json', 'run.json', 'undo']);
  });

  test('have no plan before one was saved', async () => {
    expect(await (await create()).readPlan()).toBeUndefined();
  });

  test('open each undo log once, and find it again', async () => {
    const run = await create();
    const [one, two] = [await run.undo('redis'), await run.undo('redis')];
    expect(one).toBe(two);
    await one.append(['kept']);
    await run.close();
    expect(await (await (await RunFolder.all(stateDir))[0]?.undo('redis'))?.append(['next'])).toBe(2);
  });

  test('that cannot be made are a settings error', async () => {
    await mkdir(join(stateDir, '..'), { recursive: true });
    await writeFile(stateDir, 'a file');
    await expect(create()).rejects.toMatchObject({ code: 'settings', next: expect.stringContaining('--state-dir') });
  });
});

describe('a run is unfinished', () => {
  test.each<[RunRecord['state'], boolean]>([
    ['running', true],
    ['failed', true],
    ['stopped', true],
    ['done', false],
    ['refused', false],
  ])('in state %s with an intent to write: %s', async (state, unfinished) => {
    const run = await create();
    await (await run.undo('redis')).append(['intent']);
    await run.setState(state, run.record.startedAt);
    expect((await RunFolder.unfinished(stateDir)).map(({ record }) => record.id)).toEqual(
      unfinished ? [run.record.id] : [],
    );
  });

  test('never without an intent to write', async () => {
    const run = await create();
    await run.undo('redis');
    await run.setState('failed', run.record.startedAt);
    expect(await run.hasWritten()).toBe(false);
    expect(await RunFolder.unfinished(stateDir)).toEqual([]);
  });
});

describe('among the runs', () => {
  test('a folder without run.json is passed over where nothing can have been written', async () => {
    const run = await create();
    await mkdir(join(stateDir, 'runs', '20990101T000000-ended-early', 'undo'), { recursive: true });
    await mkdir(join(stateDir, 'runs', '20990101T000000-empty'));
    expect((await RunFolder.all(stateDir)).map(({ record }) => record.id)).toEqual([run.record.id]);
  });

  test('a folder without run.json is an error where something may have been written', async () => {
    const run = await create();
    await (await run.undo('graph')).append(['intent']);
    await rm(join(run.path, 'run.json'));
    await expect(RunFolder.all(stateDir)).rejects.toMatchObject({ code: 'settings' });
    await expect(RunFolder.unfinished(stateDir)).rejects.toThrow(run.path);
  });

  test.each(['', '{"schema":"tenant-migrate/run@2"}', '{"schema":', 'null'])(
    'a run.json that cannot be read is an error: %j',
    async (text) => {
      const run = await create();
      await writeFile(join(run.path, 'run.json'), text);
      await expect(RunFolder.all(stateDir)).rejects.toMatchObject({ code: 'settings' });
    },
  );

  test('files that a file manager left are passed over', async () => {
    await create();
    await writeFile(join(stateDir, 'runs', '.DS_Store'), 'x');
    expect(await RunFolder.all(stateDir)).toHaveLength(1);
  });

  test.skipIf(process.getuid?.() === 0)('a folder that may not be read is an error, not no run', async () => {
    await create();
    await chmod(join(stateDir, 'runs'), 0o000);
    await expect(RunFolder.unfinished(stateDir)).rejects.toMatchObject({ code: 'EACCES' });
    await chmod(join(stateDir, 'runs'), 0o700);
  });
});

function create(startedAt = '2026-01-01T00:00:00.000Z'): Promise<RunFolder> {
  const moves = [{ source: 'siraya', target: 'tenant_7' }];
  return RunFolder.create(stateDir, { toolVersion: '0', moves, profileDigest: 'd', stores: {}, startedAt });
}

/** The modes that occur below a folder, itself included. */
async function modes(path: string): Promise<{ folders: string[]; files: string[] }> {
  const found = { folders: new Set<string>([await mode(path)]), files: new Set<string>() };
  for (const entry of await readdir(path, { withFileTypes: true, recursive: true })) {
    found[entry.isDirectory() ? 'folders' : 'files'].add(await mode(join(entry.parentPath, entry.name)));
  }
  return { folders: [...found.folders], files: [...found.files] };
}

async function mode(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

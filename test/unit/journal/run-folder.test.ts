import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readJournal } from '../../../src/journal/journal.ts';
import { RunFolder } from '../../../src/journal/run-folder.ts';
import type { RunRecord } from '../../../src/journal/run-record.ts';
import type { UndoLog } from '../../../src/journal/undo-log.ts';

const STATE_AT = '2026-01-02T00:00:00.000Z';

let stateDir: string;
const opened: RunFolder[] = [];

beforeEach(async () => {
  stateDir = join(await mkdtemp(join(tmpdir(), 'tenant-migrate-state-')), 'state');
});
afterEach(async () => {
  for (const run of opened.splice(0)) await run.close();
});

describe('run folders', () => {
  test('of a state folder that is not there are none', async () => {
    expect(await RunFolder.all(stateDir)).toEqual([]);
    expect(await RunFolder.unfinished(stateDir)).toEqual([]);
  });

  test('are open to their owner alone, whatever the umask', async () => {
    const umask = process.umask(0o000);
    try {
      const run = await open(await create());
      await run.savePlan(plan('a'));
      await (await run.undo('redis')).append(['x']);
      await run.end({ outcome: 'done', error: null }, 'done', STATE_AT);
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
    const run = await open(await create());
    await run.savePlan({ ...plan('a'), long: 'x'.repeat(1_000) } as ReturnType<typeof plan>);
    await run.savePlan(plan('b'));
    await run.setState('failed', STATE_AT);
    await run.saveReport({ good: true });
    const [again] = await RunFolder.all(stateDir);
    expect(await again?.readPlan()).toEqual(plan('b'));
    expect(await again?.readReport()).toEqual({ good: true });
    expect(again?.record).toMatchObject({ id: run.record.id, state: 'failed', updatedAt: STATE_AT });
    expect((await readdir(run.path)).sort()).toEqual([
      'journal.ndjson',
      'plan.json',
      'report.json',
      'run.json',
      'undo',
    ]);
  });

  test('keep the settings with which the run goes on', async () => {
    const run = await create();
    expect(run.record).toMatchObject({ schema: 'tenant-migrate/run@2', settings: { 'batch-size': 500 } });
    await run.begin({ graph: 'bolt://g' }, { 'batch-size': 7, only: ['graph'] }, STATE_AT);
    const [again] = await RunFolder.all(stateDir);
    expect(again?.record).toMatchObject({
      stores: { redis: 'redis://r', graph: 'bolt://g' },
      settings: { 'batch-size': 7, only: ['graph'] },
    });
  });

  test('have no plan and no report before one was saved', async () => {
    const run = await create();
    expect(await run.readPlan()).toBeUndefined();
    expect(await run.readReport()).toBeUndefined();
  });

  test('open each undo log once, and find it again', async () => {
    const run = await open(await create());
    const [one, two] = await Promise.all([run.undo('redis'), run.undo('redis')]);
    expect(one).toBe(two);
    await one.append(['kept']);
    await run.close();
    expect(await (await (await reopen()).undo('redis')).append(['next'])).toBe(2);
  });

  test('take no batch and no note before they were opened, nor open twice', async () => {
    const run = await create();
    await expect(run.undo('redis')).rejects.toMatchObject({ code: 'internal' });
    await expect(run.savePlan(plan('a'))).rejects.toMatchObject({ code: 'internal' });
    expect(() => run.done('redis', { batch: 1, moved: 1 })).toThrow('not open');
    await open(run);
    expect(await (await run.undo('redis')).append(['now'])).toBe(1);
    await expect(open(run)).rejects.toMatchObject({ code: 'internal' });
  });

  test('that cannot be made are a settings error', async () => {
    await mkdir(join(stateDir, '..'), { recursive: true });
    await writeFile(stateDir, 'a file');
    await expect(create()).rejects.toMatchObject({ code: 'settings', next: expect.stringContaining('--state-dir') });
  });
});

describe('the journal of a run', () => {
  test('tells who worked on it, what was to be done, what was done, and how it ended', async () => {
    const run = await open(await create());
    await run.savePlan(plan('a'));
    run.phase('apply', { redis: 9 });
    const undo = await run.undo('redis');
    run.done('redis', { batch: await undo.append(['x']), moved: 3, vanished: 1 });
    run.takenBack('redis', { batch: 1, moved: 3 });
    await run.end({ outcome: 'failed', error: 'it broke' }, 'failed', STATE_AT);
    await run.close();
    const { size } = await stat(undoPath(run));
    const first = { type: 'run', format: 1, run: run.record.id, tool: '0' };
    const process_ = { type: 'process', command: 'move', tool: '0', settings: 'digest', pid: 1, host: 'h' };
    expect(await run.entries()).toMatchObject([
      { ...first, at: Date.parse(run.record.startedAt) },
      { ...process_, at: 42 },
      { type: 'plan', checksum: 'a', digest: 'of a', at: 42 },
      { type: 'phase', phase: 'apply', totals: { redis: 9 }, at: 42 },
      { type: 'intent', stage: 'redis', batches: [1, 1], offset: 0, length: size, at: 42 },
      { type: 'done', stage: 'redis', batch: 1, moved: 3, vanished: 1, at: 42 },
      { type: 'undone', stage: 'redis', batch: 1, moved: 3, at: 42 },
      { type: 'failed', error: 'it broke', at: 42 },
      { type: 'end', outcome: 'failed', at: 42 },
    ]);
    expect(await run.entries()).toHaveLength(9);
  });

  test('goes on over several processes', async () => {
    const run = await open(await create());
    await run.close();
    await open(run);
    await run.close();
    expect((await run.entries()).map(({ type }) => type)).toEqual(['run', 'process', 'process']);
    expect(await run.isJournalLost()).toBe(false);
  });

  test('and its undo log keep what a successor wrote, though the process that lost the run writes on', async () => {
    const first = await open(await create());
    const late = await first.undo('redis');
    await late.append(['first']);
    const again = await reopen();
    const undo = await again.undo('redis');
    await undo.append(['sent by the successor']);
    first.done('redis', { batch: 1, moved: 1 });
    await expect(late.append(['longer than what the successor has sent, and never to be sent'])).rejects.toThrow(
      'another process has written into',
    );
    await undo.append(['last']);
    await again.close();
    await first.close().catch(() => undefined);
    await expectEntries(['last', 'sent by the successor', 'first']);
  });

  test('is opened with the record as another process has left it', async () => {
    const [found, other] = [await create(), await reopen()];
    await other.unsettle(['redis'], STATE_AT);
    await other.close();
    await open(found);
    expect(found.record.undone).toEqual(['redis']);
  });

  test('is not written by an end without a process', async () => {
    const run = await create();
    await run.end({ outcome: 'refused', error: null }, 'refused', STATE_AT);
    expect((await run.entries()).map(({ type }) => type)).toEqual(['run']);
    expect(run.record.state).toBe('refused');
  });

  test('of another run is refused', async () => {
    const [one, two] = [await create(), await create()];
    await cp(journalPath(two), journalPath(one));
    await expect(one.entries()).rejects.toMatchObject({ code: 'journal' });
    await expect(open(one)).rejects.toThrow(`is the journal of run ${two.record.id}`);
    // Neither forgotten nor in the way of other tenants' runs.
    expect((await RunFolder.unfinished(stateDir)).map(({ path }) => path)).toEqual([one.path]);
  });

  test('that is damaged refuses the run, and is not touched', async () => {
    const run = await written();
    const bytes = await readFile(journalPath(run));
    bytes[20] = bytes[20]! ^ 1;
    await writeFile(journalPath(run), bytes);
    await expect(open(run)).rejects.toMatchObject({ code: 'journal', message: expect.stringContaining('line 1') });
    await expect(run.hasWritten()).rejects.toMatchObject({ code: 'journal' });
    expect(await run.isUnfinished()).toBe(true);
    expect(await readFile(journalPath(run))).toEqual(bytes);
  });
});

describe('a run whose journal is gone', () => {
  test.each(['removed', 'emptied', 'zeroed', 'torn in its first line'])(
    'may have written everywhere, and is continued by what its undo logs hold: %s',
    async (how) => {
      const run = await written();
      const { size } = await stat(journalPath(run));
      if (how === 'removed') await rm(journalPath(run));
      if (how === 'emptied') await truncate(journalPath(run), 0);
      if (how === 'zeroed') await writeFile(journalPath(run), Buffer.alloc(size));
      if (how === 'torn in its first line') await truncate(journalPath(run), 30);
      expect(await run.isJournalLost()).toBe(true);
      expect(await run.writtenStages()).toEqual(['redis']);
      expect(await RunFolder.unfinished(stateDir)).toHaveLength(1);

      let again = await reopen();
      expect(await again.isJournalLost()).toBe(true);
      expect(await ids(await again.undo('redis'))).toEqual([2, 1]);
      expect(await (await again.undo('redis')).append(['third'])).toBe(3);
      await again.close();

      // Also the next process must take the undo log as it is: the new journal names only a part of it.
      again = await reopen();
      expect(await again.isJournalLost()).toBe(true);
      expect(again.record.id).toBe(run.record.id);
      expect(await ids(await again.undo('redis'))).toEqual([3, 2, 1]);
      expect((await again.entries())[0]).toMatchObject({ type: 'run', run: run.record.id, lost: true });
    },
  );

  test('still has its plan', async () => {
    const run = await open(await create());
    await run.savePlan(plan('a'));
    await run.close();
    await rm(journalPath(run));
    expect(await run.readPlan()).toEqual(plan('a'));
  });
});

describe('the plan of a run', () => {
  test('is refused where it is not one that the journal names', async () => {
    const run = await open(await create());
    await run.savePlan(plan('a'));
    for (const other of [plan('b'), {}, { checksum: 7 }, null, 'a', []]) {
      await writeFile(join(run.path, 'plan.json'), JSON.stringify(other));
      await expect(run.readPlan(), JSON.stringify(other)).rejects.toMatchObject({
        code: 'journal',
        message: expect.stringContaining('plan.json'),
      });
    }
    await writeFile(join(run.path, 'plan.json'), '{"checksum":');
    await expect(run.readPlan()).rejects.toMatchObject({ code: 'journal' });
  });

  test('is the one before where a crash came between the journal and the file', async () => {
    const run = await open(await create());
    await run.savePlan(plan('a'));
    await rename(join(run.path, 'plan.json'), join(run.path, 'before'));
    await run.savePlan(plan('b'));
    await rename(join(run.path, 'before'), join(run.path, 'plan.json'));
    await run.close();
    expect(await (await reopen()).readPlan()).toEqual(plan('a'));
  });
});

describe('after a crash a run’s undo log', () => {
  test('drops a member whose line in the journal was torn, at any of its bytes, and uses its number again', async () => {
    const run = await written();
    const [journal, undo] = await Promise.all([readFile(journalPath(run)), readFile(undoPath(run))]);
    const line = journal.lastIndexOf(0x0a, -2) + 1;
    for (let left = line; left < journal.length; left += 7) {
      await writeFile(journalPath(run), journal.subarray(0, left));
      await writeFile(undoPath(run), undo);
      const again = await reopen();
      const log = await again.undo('redis');
      expect(await ids(log)).toEqual([1]);
      expect(await log.append(['other'])).toBe(2);
      await again.close();
      await expectEntries(['other', 'first']);
    }
  });

  test('drops a member that was torn though its line was not, at any of its bytes, and uses its number again', async () => {
    const run = await written();
    const [journal, undo] = await Promise.all([readFile(journalPath(run)), readFile(undoPath(run))]);
    for (let left = undo.length / 2; left < undo.length; left += 3) {
      await writeFile(journalPath(run), journal);
      await writeFile(undoPath(run), undo.subarray(0, left));
      let again = await reopen();
      expect(await ids(await again.undo('redis'))).toEqual([1]);
      // A process that ends here without a batch leaves the line behind.
      await again.close();
      again = await reopen();
      expect(await (await again.undo('redis')).append(['other'])).toBe(2);
      again.done('redis', { batch: 2, moved: 1 });
      await again.close();
      // Now the journal names two members at one place, and only the second of them is there.
      await expectEntries(['other', 'first']);
    }
  });

  test('is refused where a batch of its torn last member is known to be done', async () => {
    const run = await open(await written());
    run.done('redis', { batch: 2, moved: 1 });
    await run.close();
    await truncate(undoPath(run), (await stat(undoPath(run))).size - 1);
    const again = await reopen();
    await expect(again.undo('redis')).rejects.toMatchObject({
      code: 'journal',
      message: expect.stringContaining(undoPath(run)),
    });
  });

  test('is not refused because batches of earlier members were done, or of another stage', async () => {
    const run = await open(await written());
    run.done('redis', { batch: 1, moved: 1 });
    run.done('redis', { batch: 0, moved: 0 });
    run.done('graph', { batch: 2, moved: 1 });
    await run.close();
    await truncate(undoPath(run), (await stat(undoPath(run))).size - 1);
    expect(await ids(await (await reopen()).undo('redis'))).toEqual([1]);
  });

  test('is refused where it is gone', async () => {
    const run = await written();
    await rm(undoPath(run));
    await expect((await reopen()).undo('redis')).rejects.toMatchObject({
      code: 'journal',
      message: expect.stringContaining(`${undoPath(run)} is gone`),
    });
  });

  test('is refused, not cut, where the journal was replaced by an older copy', async () => {
    const run = await open(await create());
    await run.close();
    const older = await readFile(journalPath(run));
    await open(run);
    for (const entry of ['first', 'second']) await (await run.undo('redis')).append([entry]);
    await run.close();
    const undo = await readFile(undoPath(run));
    await writeFile(journalPath(run), older);
    await expect((await reopen()).undo('redis')).rejects.toMatchObject({ code: 'journal' });
    expect(await readFile(undoPath(run))).toEqual(undo);
  });
});

describe('what a run sent may still arrive', () => {
  test('in a stage of which a batch is not known to be done', async () => {
    const run = await open(await create());
    const [redis, graph] = [await run.undo('redis'), await run.undo('graph')];
    const batches = await Promise.all([redis.append(['a']), redis.append(['b']), graph.append(['c'])]);
    await run.undo('qdrant');
    expect([...(await run.unsettledStages())].sort()).toEqual(['graph', 'redis']);
    run.done('graph', { batch: 1, moved: 1 });
    run.done('redis', { batch: 2, moved: 1 });
    await run.close();
    expect(batches).toEqual([1, 2, 1]);
    expect(await run.unsettledStages()).toEqual(['redis']);
    await open(run);
    run.done('redis', { batch: 1, moved: 1 });
    await run.close();
    expect(await run.unsettledStages()).toEqual([]);
  });

  test('in all that it wrote to where a rollback did not come to its end, or its journal is gone', async () => {
    const run = await open(await create());
    run.done('redis', { batch: await (await run.undo('redis')).append(['a']), moved: 1 });
    run.phase('undo');
    await run.close();
    expect(await run.unsettledStages()).toEqual(['redis']);
    await open(run);
    run.phase('undo');
    await run.end({ outcome: 'rolled-back', error: null }, 'rolled-back', STATE_AT);
    await run.close();
    expect(await run.unsettledStages()).toEqual([]);
    await rm(journalPath(run));
    expect(await run.unsettledStages()).toEqual(['redis']);
  });
});

describe('a stage of a run is taken back', () => {
  test('once a rollback has taken back all of it, until it is begun again', async () => {
    const run = await open(await create());
    const undo = await run.undo('redis');
    const takeBack = async (checkpoint: { conflicts?: number }) => {
      const batch = await undo.append(['x']);
      run.takenBack('redis', { batch, moved: 1, ...checkpoint });
      await run.unsettle(['redis'], STATE_AT);
    };
    expect(await run.isTakenBack('redis')).toBe(false);
    await takeBack({ conflicts: 1 });
    expect(await run.isTakenBack('redis')).toBe(false);
    await takeBack({});
    await run.close();
    const again = await reopen();
    expect(await again.isTakenBack('redis')).toBe(true);
    expect(await again.isTakenBack('graph')).toBe(false);
    await again.begin({ redis: 'redis://r' }, {}, STATE_AT);
    expect(again.record).toMatchObject({ undone: [], state: 'running' });
    expect(await again.isTakenBack('redis')).toBe(false);
  });
});

describe('a run is unfinished', () => {
  test.each<[RunRecord['state'], boolean]>([
    ['running', true],
    ['failed', true],
    ['stopped', true],
    ['done', false],
    ['refused', false],
    ['rolled-back', false],
  ])('in state %s with an intent to write: %s', async (state, unfinished) => {
    const run = await open(await create());
    await (await run.undo('redis')).append(['intent']);
    await run.setState(state, run.record.startedAt);
    expect(await run.writtenStages()).toEqual(['redis']);
    expect((await RunFolder.unfinished(stateDir)).map(({ record }) => record.id)).toEqual(
      unfinished ? [run.record.id] : [],
    );
  });

  test('never without an intent to write', async () => {
    const run = await open(await create());
    await run.undo('redis');
    await run.setState('failed', run.record.startedAt);
    expect(await run.hasWritten()).toBe(false);
    expect(await RunFolder.unfinished(stateDir)).toEqual([]);
  });

  test('not because of an intent that did not become durable', async () => {
    const run = await open(await create());
    const undo = await run.undo('redis');
    await run.close();
    await expect(undo.append(['intent'])).rejects.toThrow();
    expect(await run.hasWritten()).toBe(false);
  });
});

describe('among the runs', () => {
  test('a folder without run.json is passed over where nothing can have been written', async () => {
    const run = await create();
    const early = join(stateDir, 'runs', '20990101T000000-ended-early');
    await mkdir(join(early, 'undo'), { recursive: true });
    await cp(journalPath(run), join(early, 'journal.ndjson'));
    await mkdir(join(stateDir, 'runs', '20990101T000000-empty'));
    expect((await RunFolder.all(stateDir)).map(({ record }) => record.id)).toEqual([run.record.id]);
  });

  test('a folder without run.json is an error where something may have been written', async () => {
    const run = await open(await create());
    await (await run.undo('graph')).append(['intent']);
    await rm(join(run.path, 'run.json'));
    await expect(RunFolder.all(stateDir)).rejects.toMatchObject({ code: 'settings' });
    await expect(RunFolder.unfinished(stateDir)).rejects.toThrow(run.path);
  });

  test.each(['', '{"schema":"tenant-migrate/run@3"}', '{"schema":"tenant-migrate/run@1"}', '{"schema":', 'null'])(
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
  const settings = { 'batch-size': 500 };
  const stores = { redis: 'redis://r' };
  return RunFolder.create(stateDir, { toolVersion: '0', moves, profileDigest: 'd', stores, settings, startedAt });
}

async function open(run: RunFolder): Promise<RunFolder> {
  await run.open({ command: 'move', toolVersion: '0', settings: 'digest', pid: 1, host: 'h', now: () => 42 });
  opened.push(run);
  return run;
}

/** The only run, as the next process finds and opens it. */
async function reopen(): Promise<RunFolder> {
  const [run] = await RunFolder.all(stateDir);
  return open(run!);
}

/** A run of which a process logged two batches and was gone. */
async function written(): Promise<RunFolder> {
  const run = await open(await create());
  const undo = await run.undo('redis');
  for (const entry of ['first', 'other']) await undo.append([entry]);
  await run.close();
  return run;
}

async function expectEntries(expected: readonly string[]): Promise<void> {
  const again = await reopen();
  const entries: unknown[] = [];
  for await (const batch of (await again.undo('redis')).read()) entries.push(...batch.entries);
  expect(entries).toEqual(expected);
  await again.close();
  await readJournal(journalPath(again), again.record.id);
}

async function ids(log: UndoLog): Promise<number[]> {
  const read: number[] = [];
  for await (const { id } of log.read()) read.push(id);
  return read;
}

function plan(checksum: string): { checksum: string; digest: string } {
  return { checksum, digest: `of ${checksum}` };
}

function journalPath(run: RunFolder): string {
  return join(run.path, 'journal.ndjson');
}

function undoPath(run: RunFolder): string {
  return join(run.path, 'undo', 'redis.ndjson.gz');
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

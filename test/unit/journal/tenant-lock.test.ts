import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { acquireLocks, forceUnlock, type LockOwner, readLocks } from '../../../src/journal/tenant-lock.ts';

const host = hostname();
let stateDir: string;
let children: ChildProcess[];

beforeEach(async () => {
  stateDir = join(await mkdtemp(join(tmpdir(), 'tenant-migrate-lock-')), 'deep', 'state');
  children = [];
});

afterEach(async () => {
  await Promise.all(children.map(end));
});

describe('a tenant that is locked', () => {
  test('is refused to a second run, which is told by whom, for how long, and what to type', async () => {
    const first = { ...me, runId: 'run-1', command: 'tenant-migrate acme acme2', since: '2026-01-01T10:00:00.000Z' };
    await acquireLocks({ stateDir, tenants: ['acme', 'acme2'], owner: first });
    const second = { ...me, runId: 'run-2', since: '2026-01-01T13:10:00.000Z' };
    await expect(acquireLocks({ stateDir, tenants: ['acme2'], owner: second })).rejects.toMatchObject({
      code: 'refused',
      message: `tenant acme2 is locked by run run-1 for 3 hours: process ${process.pid} on ${host}, tenant-migrate acme acme2`,
      next: 'wait until it ends (tenant-migrate status run-1); if that process is surely gone, add --force-unlock',
    });
  });

  test('is free again when it is released, also twice', async () => {
    const locks = await take(['acme', 'acme2']);
    expect(locks.tookOver).toEqual([]);
    await locks.release();
    await locks.release();
    expect(await files()).toEqual([]);
    await take(['acme']);
  });

  test('keeps nobody from another tenant, however alike the ids are', async () => {
    const ids = ['acme', 'Acme', 'acme_', 'acme/', 'acme.', '../acme', 'a', 'ä', 'a\u0308', '-rf', '☃'.repeat(85), '.'];
    const locks = await Promise.all(ids.map((id) => take([id])));
    const names = await files();
    expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(ids.length);
    for (const name of names) expect(name).toMatch(/^[A-Za-z0-9_]{1,40}-[0-9a-f]{32}\.lock$/);
    expect((await readLocks(stateDir, host)).map(({ tenant }) => tenant).sort()).toEqual([...ids].sort());
    await Promise.all(locks.map((lock) => lock.release()));
    expect(await files()).toEqual([]);
  });

  test('leaves the others of the refused run unlocked: all or none', async () => {
    const locks = await take(['m']);
    await expect(take(['z', 'a', 'm'])).rejects.toThrow(/^tenant m is locked/);
    expect((await readLocks(stateDir, host)).map(({ tenant }) => tenant)).toEqual(['m']);
    await locks.release();
    await take(['z', 'a', 'm']);
  });

  test('named twice by a chain of moves is locked once', async () => {
    const locks = await take(['b', 'a', 'b']);
    expect(await files()).toHaveLength(2);
    await locks.release();
    expect(await files()).toEqual([]);
  });

  test('lies in files for its owner alone', async () => {
    await take(['acme']);
    const [name = ''] = await files();
    expect((await stat(join(stateDir, 'locks'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(stateDir, 'locks', name))).mode & 0o777).toBe(0o600);
    expect((await stat(stateDir)).mode & 0o777).toBe(0o700);
  });

  test('in a folder that cannot be made is an error that names the setting', async () => {
    await writeFile(join(tmpdir(), `tenant-migrate-file-${process.pid}`), '');
    const below = join(tmpdir(), `tenant-migrate-file-${process.pid}`, 'state');
    await expect(acquireLocks({ stateDir: below, tenants: ['acme'], owner: me })).rejects.toMatchObject({
      code: 'settings',
      next: expect.stringContaining('--state-dir'),
    });
  });
});

describe('a lock whose owner is gone', () => {
  test('is taken over, and the taker is told whose it was', async () => {
    const gone = await lockOfKilled(['acme', 'acme2']);
    const locks = await take(['acme', 'acme2', 'acme3']);
    expect(locks.tookOver).toEqual([gone, gone]);
    await expect(take(['acme'])).rejects.toThrow(`process ${process.pid}`);
    await locks.release();
    expect(await files()).toEqual([]);
  });

  test('is not taken over while its owner lives, even with a host name that others have', async () => {
    const sleeper = await sleeping();
    await acquireLocks({ stateDir, tenants: ['acme'], owner: { ...me, pid: sleeper.pid ?? 0 } });
    await expect(take(['acme'])).rejects.toThrow(`process ${sleeper.pid} on ${host}`);
  });

  test('of another host is never taken over', async () => {
    await lockOfKilled(['acme'], { host: 'elsewhere' });
    await expect(take(['acme'])).rejects.toThrow(/ on elsewhere, /);
    expect((await readLocks(stateDir, host))[0]).toMatchObject({ alive: true });
  });

  test.runIf(process.platform === 'linux')('is known by its start, though its pid lives again', async () => {
    await take(['acme']);
    await changeLock((record) => ({ ...record, mark: { ...record.mark, startTime: '1' } }));
    expect((await take(['acme'])).tookOver).toHaveLength(1);
  });

  test.runIf(process.platform === 'linux')('is known by the start of the machine', async () => {
    await take(['acme']);
    await changeLock((record) => ({ ...record, mark: { ...record.mark, bootId: 'before', machineId: 'this one' } }));
    // Another machine may have the same name.
    await expect(take(['acme'])).rejects.toThrow(/is locked/);
    const machineId = await readFile('/etc/machine-id', 'utf8').catch(() => '');
    if (machineId.trim() === '') return;
    await changeLock((record) => ({ ...record, mark: { ...record.mark, machineId: machineId.trim() } }));
    expect((await take(['acme'])).tookOver).toHaveLength(1);
  });

  test.runIf(process.platform === 'linux')('in another container cannot be seen, and is not taken over', async () => {
    await lockOfKilled(['acme']);
    await changeLock((record) => ({ ...record, mark: { ...record.mark, pidNamespace: 'pid:[1]' } }));
    await expect(take(['acme'])).rejects.toThrow(/is locked/);
  });

  test.runIf(process.platform === 'linux')('as a zombie is gone as well', async () => {
    // The shell becomes a program that never asks how its child ended.
    const shell = spawn('sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
    children.push(shell);
    const pid = Number(String((await once(shell.stdout, 'data'))[0]));
    await acquireLocks({ stateDir, tenants: ['acme'], owner: { ...me, pid } });
    await expect.poll(() => readFile(`/proc/${pid}/stat`, 'utf8')).toContain(') Z ');
    expect((await take(['acme'])).tookOver).toHaveLength(1);
  });

  test('is taken over by exactly one of many in one process', async () => {
    const tenants = Array.from({ length: 15 }, (_, index) => `t${index}`);
    await lockOfKilled(tenants);
    for (const tenant of tenants) {
      const results = await Promise.allSettled(Array.from({ length: 25 }, () => take([tenant])));
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    }
    expect(await files()).toHaveLength(tenants.length);
  });
});

describe('many processes', () => {
  test('that meet a lock whose owner is gone: exactly one takes it over, and the others are told of it', async () => {
    const tenants = Array.from({ length: 25 }, (_, index) => `t${index}`);
    await lockOfKilled(tenants);
    const takers = await startTakers(4);
    for (const tenant of tenants) {
      const answers = await Promise.all(takers.map((taker) => taker.ask(`take ${tenant}`)));
      const winners = takers.filter((_, index) => answers[index]?.tookOver === 1);
      expect(winners).toHaveLength(1);
      for (const { refused } of answers) {
        if (refused !== undefined) expect(refused).toContain(`process ${winners[0]?.child.pid} on`);
      }
      await winners[0]?.ask('release');
    }
    expect(await files()).toEqual([]);
  });

  test('never hold one lock together, and killed at any moment they leave it to the next', async () => {
    const takers = await startTakers(3);
    // How often one takes over from another is up to the machine: until it has come about often enough.
    for (let takeovers = 0; takeovers < 50; ) {
      const results = await Promise.all(takers.map((taker) => taker.ask('churn 1500 acme')));
      expect(results.flatMap(({ shared }) => shared)).toEqual([]);
      takeovers += results.reduce((sum, { tookOver = 0 }) => sum + tookOver, 0);
    }
    for (const { ask, child } of takers) {
      const churning = ask('churn 60000 acme');
      await new Promise((resolve) => setTimeout(resolve, 50 + 100 * Math.random()));
      await end(child);
      expect(await churning).toBe('gone');
    }
    const isAlive = async ({ runId }: LockOwner) => runId === me.runId;
    await acquireLocks({ stateDir, tenants: ['acme'], owner: me, isAlive });
    await expect(take(['acme'])).rejects.toThrow(`process ${process.pid}`);
  });
});

describe('a lock that cannot be read', () => {
  for (const [what, text] of [
    ['empty', ''],
    ['torn', '{"schema":"tenant-migrate/lock@1","tenant":"ac'],
    ['of another version', '{"schema":"tenant-migrate/lock@2"}'],
    ['without a process', '{"schema":"tenant-migrate/lock@1","tenant":"acme","pid":0}'],
    ['no object', 'null'],
  ] as const) {
    test(`because it is ${what} is held, until it is forced`, async () => {
      await (await take(['acme'])).release();
      const path = await emptyLock(text);
      await expect(take(['acme'])).rejects.toMatchObject({
        code: 'refused',
        message: `tenant acme is locked, and its lock ${path} cannot be read`,
        next: expect.stringContaining('--force-unlock'),
      });
      expect(await readLocks(stateDir, host)).toEqual([{ tenant: undefined, owner: undefined, alive: true, path }]);
      expect(await forceUnlock({ stateDir, tenants: ['acme'] })).toEqual([]);
      await take(['acme']);
    });
  }
});

describe('unlocking by force', () => {
  test('removes the locks of these tenants alone, and tells whose they were', async () => {
    const owner = { ...me, host: 'elsewhere' };
    await acquireLocks({ stateDir, tenants: ['a', 'b', 'ab'], owner });
    expect(await forceUnlock({ stateDir, tenants: ['b', 'a', 'c'] })).toEqual([owner, owner]);
    expect((await readLocks(stateDir, host)).map(({ tenant }) => tenant)).toEqual(['ab']);
  });

  test('leaves what another run is just writing beside the lock', async () => {
    await take(['acme']);
    const [name = ''] = await files();
    const aside = `${name}.0123456789abcdef.new`;
    await writeFile(join(stateDir, 'locks', aside), '');
    await forceUnlock({ stateDir, tenants: ['acme'] });
    expect(await files()).toEqual([aside]);
  });

  test('where there is no state folder removes nothing', async () => {
    expect(await forceUnlock({ stateDir, tenants: ['a'] })).toEqual([]);
    expect(await readLocks(stateDir, host)).toEqual([]);
  });

  test('is seen by the run that lost its lock, which then leaves the new one alone', async () => {
    const first = await take(['acme', 'acme2']);
    expect(await first.lost()).toEqual([]);
    await forceUnlock({ stateDir, tenants: ['acme2'] });
    expect(await first.lost()).toEqual(['acme2']);
    await take(['acme2']);
    expect(await first.lost()).toEqual(['acme2']);
    await first.release();
    expect((await readLocks(stateDir, host)).map(({ tenant }) => tenant)).toEqual(['acme2']);
  });
});

test('locks are listed with their owners, and whether these live', async () => {
  await take(['z']);
  const gone = await lockOfKilled(['a']);
  expect(await readLocks(stateDir, host)).toEqual([
    { tenant: 'a', owner: gone, alive: false, path: expect.stringMatching(/a-[0-9a-f]+\.lock$/) },
    { tenant: 'z', owner: me, alive: true, path: expect.stringMatching(/z-[0-9a-f]+\.lock$/) },
  ]);
});

const me: LockOwner = {
  runId: 'run-me',
  pid: process.pid,
  host,
  command: 'tenant-migrate a b',
  since: '2026-01-01T00:00:00.000Z',
};

function take(tenants: readonly string[]): ReturnType<typeof acquireLocks> {
  return acquireLocks({ stateDir, tenants, owner: me });
}

async function files(): Promise<readonly string[]> {
  return readdir(join(stateDir, 'locks'));
}

/** Locks of a process that was killed while it held them. */
async function lockOfKilled(tenants: readonly string[], change: Partial<LockOwner> = {}): Promise<LockOwner> {
  const sleeper = await sleeping();
  const owner = { ...me, runId: 'run-killed', pid: sleeper.pid ?? 0, ...change };
  await acquireLocks({ stateDir, tenants, owner });
  await end(sleeper);
  return owner;
}

async function sleeping(): Promise<ChildProcess> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

type Marked = LockOwner & { readonly mark: Record<string, string> };

/** Changes what the one lock says. */
async function changeLock(change: (record: Marked) => Marked): Promise<void> {
  const [name = ''] = await files();
  const path = join(stateDir, 'locks', name);
  await writeFile(path, JSON.stringify(change(JSON.parse(await readFile(path, 'utf8')) as Marked)));
}

async function emptyLock(text: string): Promise<string> {
  const locks = await take(['acme']);
  const [name = ''] = await files();
  await locks.release();
  const path = join(stateDir, 'locks', name);
  await writeFile(path, text);
  return path;
}

interface Answer {
  readonly tookOver?: number;
  readonly refused?: string;
  readonly shared?: readonly string[];
}

interface Taker {
  readonly child: ChildProcess;
  ask(line: string): Promise<Answer>;
}

function startTakers(count: number): Promise<readonly Taker[]> {
  return Promise.all(Array.from({ length: count }, startTaker));
}

async function startTaker(): Promise<Taker> {
  const script = join(import.meta.dirname, '../../support/lock-taker.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', script, stateDir, host], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  let text = '';
  const gone = once(child, 'exit').then(() => ['"gone"\n']);
  const answer = async () => {
    while (!text.includes('\n')) text += String((await Promise.race([once(child.stdout, 'data'), gone]))[0]);
    const line = text.slice(0, text.indexOf('\n'));
    text = text.slice(line.length + 1);
    return JSON.parse(line) as Answer;
  };
  await answer();
  return {
    child,
    ask: (line) => {
      child.stdin.write(`${line}\n`);
      return answer();
    },
  };
}

import { mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { claim, type LockRecord } from '../../../src/journal/lock-file.ts';

let path: string;

beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'tenant-migrate-lock-file-')), 'x.lock');
});

describe('on a file system without hard links', () => {
  test('a lock is taken, refused and taken over as elsewhere', async () => {
    expect(await claim({ ...without('EPERM'), text: lock('a') })).toEqual({ tookOver: undefined });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const refused = await claim({ ...without('ENOTSUP'), text: lock('b') });
    expect(refused).toMatchObject({ heldBy: { text: lock('a') } });
    const taken = await claim({ ...without('ENOSYS'), text: lock('b'), isGone: async ({ runId }) => runId === 'a' });
    expect(taken).toMatchObject({ tookOver: { runId: 'a' } });
    expect(await readFile(path, 'utf8')).toBe(lock('b'));
    expect(await readdir(join(path, '..'))).toEqual(['x.lock']);
  });

  test('one of many takes it over', async () => {
    await writeFile(path, lock('gone'));
    const isGone = async ({ runId }: LockRecord) => runId === 'gone';
    const claims = Array.from({ length: 30 }, (_, index) =>
      claim({ ...without('EPERM'), text: lock(`${index}`), isGone }),
    );
    expect((await Promise.all(claims)).filter((result) => 'tookOver' in result)).toHaveLength(1);
  });

  test('any other failure is one', async () => {
    await expect(claim({ ...without('EIO'), text: lock('a') })).rejects.toThrow('EIO');
    expect(await readdir(join(path, '..'))).toEqual([]);
  });
});

test('takers that were killed while they took over, one after the other, leave a lock that can be taken over', async () => {
  await writeFile(path, lock('0'));
  const isGone = async ({ runId }: LockRecord) => runId !== 'me';
  // Each dies with the right to replace what the one before it has left.
  for (const dead of ['1', '2', '3']) {
    const dying = claim({
      path,
      text: lock(dead),
      isGone,
      addName: async (from, to) => {
        const text = await readFile(String(from), 'utf8');
        if (String(to) === path) throw Object.assign(new Error('EEXIST'), { code: 'EEXIST' });
        await writeFile(String(to), text, { flag: 'wx' });
        throw new Error('killed');
      },
    });
    await expect(dying).rejects.toThrow(/killed|EEXIST/);
  }
  expect((await readdir(join(path, '..'))).filter((name) => name.endsWith('.takeover')).length).toBeGreaterThan(0);
  expect(await claim({ path, text: lock('me'), isGone })).toMatchObject({ tookOver: { runId: '0' } });
  expect(await readFile(path, 'utf8')).toBe(lock('me'));
});

test('a request that a network file system repeats finds its own lock', async () => {
  await writeFile(path, lock('me'));
  expect(await claim({ path, text: lock('me'), isGone: async () => false })).toEqual({ tookOver: undefined });
});

function without(code: string) {
  const addName = async () => {
    throw Object.assign(new Error(code), { code });
  };
  return { path, addName, isGone: async () => false };
}

function lock(runId: string): string {
  const rest = { pid: 1, host: 'h', command: 'c', since: '2026-01-01T00:00:00.000Z', mark: {}, token: runId };
  return JSON.stringify({ schema: 'tenant-migrate/lock@1', tenant: 't', runId, ...rest });
}

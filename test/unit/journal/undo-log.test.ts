import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LoggedMember, UndoLog } from '../../../src/journal/undo-log.ts';
import type { UndoBatch } from '../../../src/stages/stage.ts';

let path: string;
/** What the journal would say. */
let named: LoggedMember[];
const opened: UndoLog[] = [];

/** There is no journal. */
const AS_IT_IS = 'as it is';
type Members = readonly LoggedMember[] | typeof AS_IT_IS;

beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'tenant-migrate-undo-')), 'redis.ndjson.gz');
  named = [];
});
afterEach(async () => {
  for (const log of opened.splice(0)) await log.close();
});

describe('an undo log', () => {
  test('is made for its owner alone, and is empty at first', async () => {
    const log = await open();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(log.empty).toBe(true);
    expect(await batches(log)).toEqual([]);
  });

  test('gives back what was appended, newest first', async () => {
    const log = await open();
    const entries = [{ keys: ['a', { base64: '/w==' }] }, 'läuft', 'two\nlines\u2028', ' ', null, 1.5];
    expect(await log.append(['first'])).toBe(1);
    expect(await log.append(entries)).toBe(2);
    expect(await log.append([])).toBe(3);
    expect(log.empty).toBe(false);
    const expected = [
      { id: 3, entries: [] },
      { id: 2, entries },
      { id: 1, entries: ['first'] },
    ];
    expect(await batches(log)).toEqual(expected);
    expect(await batches(await reopen(log))).toEqual(expected);
  });

  test('is an ordinary gzip file of lines', async () => {
    const log = await open();
    await Promise.all([log.append(['a']), log.append(['b'])]);
    await log.append(['läuft']);
    const text = '[1,["a"]]\n[2,["b"]]\n[3,["läuft"]]\n';
    expect(gunzipSync(await readFile(path)).toString('utf8')).toBe(text);
    expect(execFileSync('gzip', ['-dc', path]).toString('utf8')).toBe(text);
  });

  test('holds a batch, and the journal names it, by the time its append resolves', async () => {
    const log = await open();
    const lane = async (name: number) => {
      for (let step = 0; step < 5; step += 1) {
        const id = await log.append([`${name}.${step}`]);
        expect(gunzipSync(await readFile(path)).toString('utf8')).toContain(`[${id},["${name}.${step}"]]\n`);
        expect(named.some(({ batches: [first, last] }) => first <= id && id <= last)).toBe(true);
      }
    };
    await Promise.all([1, 2, 3, 4].map(lane));
  });

  test('numbers concurrent appends in their order, keeps that order, and syncs them in groups', async () => {
    const log = await open();
    const appended: Promise<number>[] = [];
    for (let index = 1; index <= 500; index += 1) {
      appended.push(log.append([index]));
      if (index % 7 === 0) await appended.at(-3);
    }
    expect(await Promise.all(appended)).toEqual(numbers(500));
    expect((await batches(log)).map(({ id }) => id)).toEqual(numbers(500).reverse());
    expect(named.flatMap(({ batches: [first, last] }) => numbers(last).slice(first - 1))).toEqual(numbers(500));
    expect(named.length).toBeLessThan(250);
    expect(await batches(await reopen(log))).toHaveLength(500);
  });

  test('goes on with the next number when it is opened again, with and without a journal', async () => {
    let log = await open();
    await log.append(['a']);
    await Promise.all([log.append(['b']), log.append(['c'])]);
    log = await reopen(log);
    expect(await log.append(['d'])).toBe(4);
    log = await reopen(log, AS_IT_IS);
    expect(await log.append(['e'])).toBe(5);
    expect((await batches(log)).map(({ entries }) => entries[0])).toEqual(['e', 'd', 'c', 'b', 'a']);
  });

  test('can be read while it grows', async () => {
    const log = await open();
    for (const entry of ['a', 'b', 'c']) await log.append([entry]);
    const seen: unknown[] = [];
    for await (const { entries } of log.read()) {
      seen.push(entries[0]);
      await log.append(['later']);
    }
    expect(seen).toEqual(['c', 'b', 'a']);
  });

  test('holds batches that are larger than what is read or packed at once', async () => {
    let log = await open();
    const large = randomBytes(3 << 20).toString('base64');
    const huge = 'läuft'.repeat(12 << 20);
    for (const entry of [large, 'small', huge]) await log.append([entry]);
    for (const members of [named, AS_IT_IS] as const) {
      log = await reopen(log, members);
      const read = await batches(log);
      expect(read.map(({ entries }) => String(entries[0]).length)).toEqual([huge.length, 5, large.length]);
      expect(read[0]?.entries[0] === huge && read[2]?.entries[0] === large).toBe(true);
    }
  });

  test('takes nothing more after a write that failed, since what that left is not known', async () => {
    const log = await open();
    await log.append(['a']);
    await log.close();
    opened.splice(0);
    await expect(Promise.all([log.append(['b']), log.append(['c'])])).rejects.toThrow();
    await expect(log.append(['d'])).rejects.toThrow();
    // The journal may name the member that did not come to be.
    expect(named.length).toBeGreaterThanOrEqual(1);
    const again = await open();
    expect((await batches(again)).map(({ entries }) => entries[0])).toEqual(['a']);
    expect(await again.append(['b'])).toBe(2);
  });

  test('takes nothing more after the journal failed', async () => {
    const log = await open([], () => Promise.reject(new Error('journal full')));
    await expect(log.append(['a'])).rejects.toThrow('journal full');
    await expect(log.append(['b'])).rejects.toThrow('journal full');
    expect(await batches(log)).toEqual([]);
    // What it left in the file is dropped: it was never sent.
    expect((await reopen(log, [])).empty).toBe(true);
    expect((await stat(path)).size).toBe(0);
  });

  test('is an error where it cannot be opened, rather than an empty log', async () => {
    await writeFile(path, '');
    await expect(UndoLog.open({ path: join(path, 'below-a-file'), members: [], intend })).rejects.toMatchObject({
      code: 'ENOTDIR',
    });
  });
});

describe('a torn undo log', () => {
  test.each([
    ['with its journal', true],
    ['without a journal', false],
  ])('loses its last member alone, wherever that was torn, and goes on: %s', async (_, withJournal) => {
    const { whole, members } = await threeMembers();
    const last = members[2]!;
    for (let left = last.offset; left < whole.length; left += 1) {
      for (const zeros of [0, whole.length - left, 4_096]) {
        await writeFile(path, Buffer.concat([whole.subarray(0, left), Buffer.alloc(zeros)]));
        // A byte that happens to be zero was not torn off.
        const isWhole = (await readFile(path)).subarray(0, whole.length).equals(whole);
        const log = await open(withJournal ? [...members] : AS_IT_IS);
        const kept = isWhole ? 4 : 2;
        expect((await batches(log)).map(({ id }) => id)).toEqual(numbers(kept).reverse());
        expect(await log.append(['next'])).toBe(kept + 1);
        expect((await batches(log)).map(({ id }) => id)).toEqual(numbers(kept + 1).reverse());
        expect(
          gunzipSync(await readFile(path))
            .toString('utf8')
            .trimEnd()
            .split('\n'),
        ).toHaveLength(kept + 1);
        await close(log);
      }
    }
  });

  test('is empty where its only member was torn', async () => {
    const log = await open();
    await log.append(['a']);
    await close(log);
    await truncate(path, 10);
    for (const members of [[...named], AS_IT_IS] as const) {
      const again = await open(members);
      expect(again.empty).toBe(true);
      await close(again);
    }
  });

  test('drops a member that the journal does not name, and uses its numbers again', async () => {
    const { members } = await threeMembers();
    const log = await open(members.slice(0, 2));
    expect((await batches(log)).map(({ id }) => id)).toEqual([2, 1]);
    expect(await log.append(['again'])).toBe(3);
    expect((await batches(log)).map(({ entries }) => entries[0])).toEqual(['again', 'b', 'a']);
  });

  test('drops half of a member that the journal does not name', async () => {
    const { whole, members } = await threeMembers();
    for (const left of [1, 5, 19, 20, 21, 30]) {
      await writeFile(path, whole.subarray(0, members[2]!.offset + left));
      const log = await open(members.slice(0, 2));
      expect((await batches(log)).map(({ id }) => id)).toEqual([2, 1]);
      await close(log);
    }
  });
});

describe('an undo log that was damaged is refused, naming the file', () => {
  test('in any byte of any member before the last, with its journal and without', async () => {
    const { whole, members } = await threeMembers();
    for (let at = 0; at < members[2]!.offset; at += 1) {
      const changed = Buffer.from(whole);
      changed[at] = changed[at]! ^ 0xff;
      await writeFile(path, changed);
      await expectDamage(members, at);
      await expectDamage(AS_IT_IS, at);
      expect(await readFile(path)).toEqual(changed);
    }
  });

  test('in any byte of its last member, where a batch of that is known to be done', async () => {
    const { whole, members } = await threeMembers();
    const done = [...members.slice(0, 2), { ...members[2]!, done: true }];
    for (let at = members[2]!.offset; at < whole.length; at += 1) {
      const changed = Buffer.from(whole);
      changed[at] = changed[at]! ^ 0xff;
      await writeFile(path, changed);
      await expectDamage(done, at);
      await writeFile(path, whole.subarray(0, at));
      await expectDamage(done, at);
    }
  });

  test('in the last member that the journal names, where another follows: that one was begun later', async () => {
    const { whole, members } = await threeMembers();
    const changed = Buffer.from(whole);
    changed[members[1]!.offset + 25] = changed[members[1]!.offset + 25]! ^ 1;
    await writeFile(path, changed);
    await expectDamage(members.slice(0, 2), 25);
  });

  test('by what was put in between two members, or one removed', async () => {
    const { whole, members } = await threeMembers();
    const [, second, third] = members as [LoggedMember, LoggedMember, LoggedMember];
    for (const foreign of [Buffer.from('x'), Buffer.alloc(100), randomBytes(4_096), whole.subarray(0, second.offset)]) {
      await writeFile(path, Buffer.concat([whole.subarray(0, third.offset), foreign, whole.subarray(third.offset)]));
      await expectDamage([...members.slice(0, 2), { ...third, done: true }], foreign.length);
    }
    for (const foreign of [Buffer.from('x'), Buffer.alloc(100), randomBytes(4_096)]) {
      await writeFile(path, Buffer.concat([whole.subarray(0, third.offset), foreign, whole.subarray(third.offset)]));
      await expectDamage(AS_IT_IS, foreign.length);
    }
    await writeFile(path, Buffer.concat([whole.subarray(0, second.offset), whole.subarray(third.offset)]));
    await expectDamage(members, 0);
  });

  test('where it is gone or shorter than the journal knows', async () => {
    const { members } = await threeMembers();
    await truncate(path, members[1]!.offset + 3);
    await expectDamage(members, 0);
    await rm(path);
    await expectDamage(members, 0);
    await expectDamage(members.slice(0, 1), 0);
  });

  test('by a journal that is an older copy, rather than cut to what that names', async () => {
    const { whole, members } = await threeMembers();
    for (const older of [members.slice(0, 1), []]) {
      await expect(UndoLog.open({ path, members: older, intend })).rejects.toMatchObject({
        code: 'journal',
        message: expect.stringContaining(`${path} goes on where`),
        next: expect.stringContaining('journal.ndjson'),
      });
    }
    expect(await readFile(path)).toEqual(whole);
  });

  test('while it is in use', async () => {
    const log = await open();
    for (const entry of ['a', 'b']) await log.append([entry]);
    const bytes = await readFile(path);
    bytes[named[0]!.offset + 25] = bytes[named[0]!.offset + 25]! ^ 1;
    await writeFile(path, bytes);
    await expect(batches(log)).rejects.toMatchObject({ code: 'journal', message: expect.stringContaining(path) });
  });
});

describe('without a journal an undo log', () => {
  test('is taken as it is, up to its last whole member', async () => {
    const { whole } = await threeMembers();
    for (const tail of [Buffer.alloc(0), Buffer.alloc(512), Buffer.from('what is this'), randomBytes(64)]) {
      await writeFile(path, whole);
      await appendFile(path, tail);
      const log = await open(AS_IT_IS);
      expect((await batches(log)).map(({ id }) => id)).toEqual([4, 3, 2, 1]);
      await close(log);
      expect(await readFile(path)).toEqual(whole);
    }
  });

  test('is empty where there is none, and where it holds nothing of ours', async () => {
    expect((await open(AS_IT_IS)).empty).toBe(true);
    await writeFile(path, 'what is this');
    expect((await open(AS_IT_IS)).empty).toBe(true);
  });
});

async function expectDamage(members: Members, at: number): Promise<void> {
  await expect(open(members), `at ${at}`).rejects.toMatchObject({
    code: 'journal',
    message: expect.stringContaining(path),
  });
}

/** A file of three members, of which the last holds batches 3 and 4. */
async function threeMembers(): Promise<{ whole: Buffer; members: readonly LoggedMember[] }> {
  const log = await open();
  await log.append(['a']);
  await log.append(['b']);
  await Promise.all([log.append(['c']), log.append(['d'])]);
  await close(log);
  expect(named).toHaveLength(3);
  return { whole: await readFile(path), members: [...named] };
}

async function intend(member: LoggedMember): Promise<void> {
  named.push(member);
}

async function open(members: Members = named, journal = intend): Promise<UndoLog> {
  const log = await UndoLog.open({ path, members: members === AS_IT_IS ? undefined : members, intend: journal });
  opened.push(log);
  return log;
}

async function close(log: UndoLog): Promise<void> {
  opened.splice(opened.indexOf(log), 1);
  await log.close();
}

async function reopen(log: UndoLog, members: Members = named): Promise<UndoLog> {
  await close(log);
  return open(members);
}

async function batches(log: UndoLog): Promise<UndoBatch[]> {
  const read: UndoBatch[] = [];
  for await (const batch of log.read()) read.push(batch);
  return read;
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

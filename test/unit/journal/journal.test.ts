import { appendFile, mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Journal, readJournal } from '../../../src/journal/journal.ts';
import type { JournalEntry } from '../../../src/journal/journal-entry.ts';

const FIRST = { type: 'run', format: 1, run: 'r1', tool: '1.2.3', at: 1 } as const;
const RUN = 'r1';

let path: string;
const opened: Journal[] = [];

beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'tenant-migrate-journal-')), 'journal.ndjson');
});
afterEach(async () => {
  for (const journal of opened.splice(0)) await journal.close();
});

describe('a journal', () => {
  test('is made for its owner alone, with its first line, and never over another', async () => {
    await create();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readJournal(path, RUN)).toEqual([FIRST]);
    await expect(Journal.create(path, FIRST)).rejects.toMatchObject({ code: 'EEXIST' });
  });

  test('is lines of a checksum and JSON, each checksum going on from the one before', async () => {
    const journal = await create();
    await journal.append(phase('läuft ✓'));
    const text = await readFile(path, 'utf8');
    let crc = 0;
    for (const line of text.trimEnd().split('\n')) {
      crc = crc32(line.slice(9), crc);
      expect(line.slice(0, 9)).toBe(`${crc.toString(16).padStart(8, '0')} `);
    }
    expect(JSON.parse(text.trimEnd().split('\n')[1]!.slice(9))).toEqual(phase('läuft ✓'));
  });

  test('gives back its entries in order, and goes on where it ended', async () => {
    const journal = await create();
    await journal.append(phase('a'));
    await journal.close();
    const again = await open();
    expect(again.entries).toEqual([FIRST, phase('a')]);
    await again.append(phase('b'));
    expect(again.entries).toEqual([FIRST, phase('a'), phase('b')]);
    await again.close();
    expect(await readJournal(path, RUN)).toEqual([FIRST, phase('a'), phase('b')]);
  });

  test('holds an entry by the time its append resolves', async () => {
    const journal = await create();
    const lane = async (name: number) => {
      for (let step = 0; step < 8; step += 1) {
        await journal.append(phase(`<${name}.${step}>`));
        expect(await readFile(path, 'utf8')).toContain(`"<${name}.${step}>"`);
        expect(await readJournal(path, RUN)).toContainEqual(phase(`<${name}.${step}>`));
      }
    };
    await Promise.all([1, 2, 3, 4, 5].map(lane));
  });

  test('keeps the order of entries that come at once, those among them that may wait included', async () => {
    const journal = await create();
    const expected: JournalEntry[] = [FIRST];
    const appended: Promise<void>[] = [];
    for (let index = 0; index < 3_000; index += 1) {
      const entry = phase(`${index} ${'x'.repeat(index % 97)}`);
      expected.push(entry);
      if (index % 3 === 0) journal.note(entry);
      else appended.push(journal.append(entry));
      if (index % 501 === 0) await appended.at(-2);
    }
    await Promise.all(appended);
    expect(journal.entries).toEqual(expected);
    expect(await readJournal(path, RUN)).toEqual(expected);
  });

  test('keeps what may wait with the next append, and with the close', async () => {
    const journal = await create();
    journal.note(phase('a'));
    await journal.append(phase('b'));
    expect(await readJournal(path, RUN)).toEqual([FIRST, phase('a'), phase('b')]);
    journal.note(phase('c'));
    journal.note(phase('d'));
    await journal.close();
    expect(await readJournal(path, RUN)).toEqual([FIRST, phase('a'), phase('b'), phase('c'), phase('d')]);
  });

  test('takes nothing after it was closed, and does not count it among its entries', async () => {
    const journal = await create();
    await journal.close();
    opened.splice(0);
    await expect(Promise.all([journal.append(phase('a')), journal.append(phase('b'))])).rejects.toThrow();
    await expect(journal.append(phase('c'))).rejects.toThrow();
    await expect(journal.close()).rejects.toThrow();
    expect(journal.entries).toEqual([FIRST]);
    expect(await readJournal(path, RUN)).toEqual([FIRST]);
  });

  test('tells at its close that what could wait was not written', async () => {
    const journal = await create();
    await journal.close();
    opened.splice(0);
    journal.note(phase('a'));
    await expect(journal.close()).rejects.toThrow();
  });
});

describe('a torn journal', () => {
  test('loses only lines that were not whole, and goes on, wherever it was torn', async () => {
    const journal = await create();
    const written = [phase('a'), phase('läuft'), phase('c')];
    for (const entry of written) await journal.append(entry);
    const whole = await readFile(path);
    for (let left = 0; left <= whole.length; left += 1) {
      const lines = whole.subarray(0, left).filter((byte) => byte === 0x0a).length;
      const kept = [FIRST, ...written].slice(0, lines);
      await writeFile(path, whole.subarray(0, left));
      expect(await readJournal(path, RUN)).toEqual(kept);
      // A zero in the place of what was torn off, be it the newline alone.
      await appendFile(path, Buffer.alloc(1));
      expect(await readJournal(path, RUN)).toEqual(kept);
      if (lines === 0) continue;
      const again = await Journal.open(path, RUN);
      await again.append(phase('next'));
      await again.close();
      expect(await readJournal(path, RUN)).toEqual([...kept, phase('next')]);
    }
  });

  test.each(['whole', 'torn'])('drops the zeros that a file system leaves behind a %s line', async (last) => {
    const journal = await create();
    await journal.append(phase('a'));
    if (last === 'torn') await appendFile(path, '0badc0de {"type":"pha');
    await appendFile(path, Buffer.alloc(5_000));
    expect(await readJournal(path, RUN)).toEqual([FIRST, phase('a')]);
    const again = await open();
    await again.append(phase('b'));
    expect(await readJournal(path, RUN)).toEqual([FIRST, phase('a'), phase('b')]);
    expect((await readFile(path)).includes(0)).toBe(false);
  });

  test('has no entries where not one line is whole', async () => {
    await writeFile(path, Buffer.alloc(4_096));
    expect(await readJournal(path, RUN)).toEqual([]);
    await writeFile(path, '');
    expect(await readJournal(path, RUN)).toEqual([]);
  });
});

describe('a journal that was changed is refused', () => {
  test('in any byte, naming the file and the line', async () => {
    const whole = await threeLines();
    let line = 1;
    for (let at = 0; at < whole.length; at += 1) {
      for (const bit of [1, 32, 128]) {
        const changed = Buffer.from(whole);
        changed[at] = changed[at]! ^ bit;
        await writeFile(path, changed);
        await expect(readJournal(path, RUN), `byte ${at}, bit ${bit}`).rejects.toMatchObject({
          code: 'journal',
          message: expect.stringContaining(`${path} is damaged at line ${line}:`),
        });
      }
      if (whole[at] === 0x0a) line += 1;
    }
  });

  test.each<[string, number, (lines: string[]) => string[]]>([
    ['the first line removed', 1, ([, ...rest]) => rest],
    ['a line removed', 2, ([a, , ...rest]) => [a!, ...rest]],
    ['a line doubled', 3, ([a, b, ...rest]) => [a!, b!, b!, ...rest]],
    ['the last line doubled', 5, (lines) => [...lines, lines.at(-1)!]],
    ['two lines swapped', 2, ([a, b, c, d]) => [a!, c!, b!, d!]],
    ['a line of its own put in elsewhere', 2, ([a, ...rest]) => [a!, rest.at(-1)!, ...rest]],
    ['an empty line', 3, ([a, b, ...rest]) => [a!, b!, '', ...rest]],
    ['a line of a checksum alone', 3, ([a, b, ...rest]) => [a!, b!, b!.slice(0, 9), ...rest]],
    ['a line with the checksum of its text alone', 2, ([a, ...rest]) => [a!, sealed('{"type":"end"}'), ...rest]],
    ['zeros in the middle', 3, ([a, b, ...rest]) => [a!, b!, '\0'.repeat(64), ...rest]],
    ['something else altogether', 1, () => ['<html>', 'a journal', '</html>']],
  ])('%s, naming line %i', async (_, line, change) => {
    const lines = (await threeLines()).toString('utf8').trimEnd().split('\n');
    await writeFile(path, `${change(lines).join('\n')}\n`);
    const refused = { code: 'journal', message: expect.stringContaining(`${path} is damaged at line ${line}:`) };
    await expect(readJournal(path, RUN)).rejects.toMatchObject(refused);
    await expect(Journal.open(path, RUN)).rejects.toMatchObject(refused);
  });

  test('and left as it is', async () => {
    const whole = await threeLines();
    whole[whole.length - 5] = 0x20;
    await writeFile(path, whole);
    await expect(Journal.open(path, RUN)).rejects.toThrow('is damaged at line 4');
    expect(await readFile(path)).toEqual(whole);
  });
});

describe('a journal that is not this run’s own is refused', () => {
  test('one of another run', async () => {
    await create({ ...FIRST, run: 'r2' });
    await expect(readJournal(path, RUN)).rejects.toMatchObject({
      code: 'journal',
      message: `${path} is the journal of run r2, not of run r1`,
    });
  });

  test('one that does not begin with its run', async () => {
    await writeFile(path, `${sealed(JSON.stringify(phase('a')))}\n`);
    await expect(Journal.open(path, RUN)).rejects.toMatchObject({
      code: 'journal',
      message: expect.stringContaining('no run'),
    });
  });

  test('one of a newer format, naming the version that knows it', async () => {
    await create({ ...FIRST, format: 2, tool: '9.8.7' });
    await expect(Journal.open(path, RUN)).rejects.toMatchObject({
      code: 'journal',
      message: expect.stringContaining(path),
      next: expect.stringContaining('9.8.7'),
    });
  });

  test('while one that is not there is that very error', async () => {
    await expect(readJournal(path, RUN)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(Journal.open(path, RUN)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

function phase(text: string): JournalEntry {
  return { type: 'phase', phase: text, at: 5 };
}

/** A line as the first of a journal would be. */
function sealed(text: string): string {
  return `${crc32(text).toString(16).padStart(8, '0')} ${text}`;
}

/** The bytes of a journal of four lines, its first included. */
async function threeLines(): Promise<Buffer> {
  const journal = await create();
  for (const text of ['a', 'läuft', 'c']) await journal.append(phase(text));
  return readFile(path);
}

async function create(first: typeof FIRST | (JournalEntry & { type: 'run' }) = FIRST): Promise<Journal> {
  return kept(await Journal.create(path, first));
}

async function open(): Promise<Journal> {
  return kept(await Journal.open(path, RUN));
}

function kept(journal: Journal): Journal {
  opened.push(journal);
  return journal;
}

import { type FileHandle, open, readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { MigrateError } from '../model/errors.ts';
import { GroupCommit } from './group-commit.ts';
import { FORMAT, type JournalEntry } from './journal-entry.ts';
import { TO_CHANGE, TO_READ } from './no-follow.ts';
import { syncFolder } from './sync-folder.ts';

/** A journal as it was read: its entries, and where a torn tail begins. */
interface Lines {
  readonly entries: readonly JournalEntry[];
  /** Bytes of whole lines. */
  readonly end: number;
  /** The checksum of the last line, with which that of the next begins. */
  readonly crc: number;
}

/**
 * A run's append-only record: one line an entry, `<crc32, 8 hex digits> <JSON>`. Each checksum goes on from the one of
 * the line before, so that a line that was changed, removed, doubled or put in is noticed. Entries that wait together
 * share one write and one fdatasync.
 */
export class Journal {
  readonly #file: FileHandle;
  readonly #commits: GroupCommit<JournalEntry>;
  readonly #entries: JournalEntry[];
  #end: number;
  #crc: number;

  private constructor(file: FileHandle, lines: Lines) {
    this.#file = file;
    this.#entries = [...lines.entries];
    this.#end = lines.end;
    this.#crc = lines.crc;
    this.#commits = new GroupCommit((group, durable) => this.#write(group, durable));
  }

  /** Makes a journal that begins with this entry, durable under its name. */
  static async create(path: string, first: JournalEntry & { type: 'run' }): Promise<Journal> {
    const journal = new Journal(await open(path, 'wx', 0o600), { entries: [], end: 0, crc: 0 });
    try {
      await journal.append(first);
      await syncFolder(dirname(path));
      return journal;
    } catch (error) {
      await journal.#file.close();
      throw error;
    }
  }

  /** Opens the journal of this run to go on; cuts off a torn tail. Throws as {@link readJournal}. */
  static async open(path: string, run: string): Promise<Journal> {
    const lines = await readLines(path, run);
    const file = await open(path, TO_CHANGE);
    try {
      await file.truncate(lines.end);
      return new Journal(file, lines);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** All entries that were written so far. */
  get entries(): readonly JournalEntry[] {
    return this.#entries;
  }

  /** Resolves when the entry is durable. After a write that failed nothing more is taken. */
  append(entry: JournalEntry): Promise<void> {
    return this.#commits.durable(entry);
  }

  /** Writes the entry with the next group; it is durable with the next {@link append} or {@link close}. */
  note(entry: JournalEntry): void {
    this.#commits.soon(entry);
  }

  /** Waits until all is durable. */
  async close(): Promise<void> {
    try {
      await this.#commits.close();
    } finally {
      await this.#file.close();
    }
  }

  async #write(entries: readonly JournalEntry[], durable: boolean): Promise<void> {
    let crc = this.#crc;
    let lines = '';
    for (const entry of entries) {
      const text = JSON.stringify(entry);
      crc = crc32(text, crc);
      lines += `${hex(crc)} ${text}\n`;
    }
    const bytes = Buffer.from(lines);
    await this.#refuseOtherWriter();
    await writeAll(this.#file, bytes, this.#end);
    if (durable) await this.#file.datasync();
    this.#end += bytes.length;
    this.#crc = crc;
    for (const entry of entries) this.#entries.push(entry);
  }

  /** Where another process has taken the run over, what it has written stands where this one would write. */
  async #refuseOtherWriter(): Promise<void> {
    if ((await this.#file.stat()).size === this.#end) return;
    throw new MigrateError('lock', 'another process has written into the journal of this run', {
      next: 'see with tenant-migrate status what it does',
    });
  }
}

/** Writes the whole buffer: a full disk may take a part of it and say so only at the next call. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position + at);
    if (bytesWritten === 0) throw new Error('the disk took nothing of what was written');
    at += bytesWritten;
  }
}

/**
 * The entries of this run's journal, without a torn tail, also while its run writes on. Throws MigrateError `journal` on
 * damage, on a journal of another run and on one of a newer format, naming file and line.
 */
export async function readJournal(path: string, run: string): Promise<readonly JournalEntry[]> {
  return (await readLines(path, run)).entries;
}

async function readLines(path: string, run: string): Promise<Lines> {
  const bytes = withoutBlankTail(await readFile(path, { flag: TO_READ }));
  const entries: JournalEntry[] = [];
  let end = 0;
  let crc = 0;
  while (end < bytes.length) {
    const newline = bytes.indexOf(0x0a, end);
    if (newline < 0) {
      // A torn line lacks its end. Here something else stands where the newline of a whole line was.
      if (readLine(bytes.subarray(end, -1), crc) !== undefined) throw damaged(path, entries.length + 1);
      break;
    }
    const line = readLine(bytes.subarray(end, newline), crc);
    if (line === undefined) throw damaged(path, entries.length + 1);
    crc = line.crc;
    entries.push(line.entry);
    end = newline + 1;
    if (entries.length === 1) refuseForeign(path, line.entry, run);
  }
  return { entries, end, crc };
}

/** Without the blocks that the file system gave before a crash and never filled. */
function withoutBlankTail(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return bytes.subarray(0, end);
}

function readLine(bytes: Buffer, before: number): { entry: JournalEntry; crc: number } | undefined {
  const text = bytes.subarray(9);
  const crc = crc32(text, before);
  // A line without text would not change the checksum.
  if (text.length === 0 || bytes.subarray(0, 9).toString('latin1') !== `${hex(crc)} `) return undefined;
  return { entry: JSON.parse(text.toString('utf8')) as JournalEntry, crc };
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}

function damaged(path: string, line: number): MigrateError {
  return new MigrateError('journal', `${path} is damaged at line ${line}: it was changed, or the disk lost a part`, {
    next: `put back a copy of it; or move ${basename(path)} away, and the run is resumed by what the stores hold`,
  });
}

function refuseForeign(path: string, first: JournalEntry, run: string): void {
  if (first.type !== 'run' || first.run !== run) {
    const whose = first.type === 'run' ? `run ${first.run}` : 'no run';
    throw new MigrateError('journal', `${path} is the journal of ${whose}, not of run ${run}`, {
      next: 'put the run’s own journal back',
    });
  }
  if (first.format > FORMAT) {
    const text = `${path} was written by tenant-migrate ${first.tool}, in a format that this version does not know`;
    throw new MigrateError('journal', text, { next: `use tenant-migrate ${first.tool} or later` });
  }
}

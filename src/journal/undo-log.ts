import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { MigrateError } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import type { BatchId, UndoBatch, UndoPort } from '../stages/stage.ts';
import { GroupCommit } from './group-commit.ts';
import { beginsMember, gunzipMember, gzipMember, MEMBER_HEADER_LENGTH, memberLength } from './gzip-member.ts';
import { writeAll } from './journal.ts';
import type { UndoMember } from './journal-entry.ts';
import { TO_CHANGE } from './no-follow.ts';
import { syncFolder } from './sync-folder.ts';
import { writing } from './unwritable.ts';

/** A group of batches in the file. */
export interface LoggedMember extends UndoMember {
  readonly batches: readonly [number, number];
  /** A batch of it is known to be done. */
  readonly done?: boolean;
}

interface Opening {
  readonly path: string;
  /**
   * The members that the journal names, in their order. Undefined where the journal is gone: then the file is taken as it
   * is, up to its last whole member.
   */
  readonly members: readonly LoggedMember[] | undefined;
  /** Writes a member into the journal; resolves when that is durable. */
  readonly intend: (member: LoggedMember) => Promise<void>;
}

/**
 * One stage's undo log: a gzip file of lines `[batch id, [entries…]]`, each group of batches that were made durable
 * together one complete member. A batch may be sent once its member and the line in the journal that names it are durable.
 */
export class UndoLog implements UndoPort {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #members: LoggedMember[];
  readonly #intend: Opening['intend'];
  readonly #commits: GroupCommit<{ readonly id: BatchId; readonly entries: readonly Json[] }>;
  #end: number;
  #nextId: BatchId;

  private constructor(file: FileHandle, members: readonly LoggedMember[], { path, intend }: Opening) {
    const last = members.at(-1);
    this.#path = path;
    this.#file = file;
    this.#members = [...members];
    this.#intend = intend;
    this.#end = last === undefined ? 0 : last.offset + last.length;
    this.#nextId = (last?.batches[1] ?? 0) + 1;
    this.#commits = new GroupCommit((batches) => this.#write(batches));
  }

  /**
   * Opens or makes the file (0600). A last member that a crash tore is dropped: its batches were never sent.
   * Throws MigrateError `journal` on any other damage, naming the file and the place.
   */
  static async open(opening: Opening): Promise<UndoLog> {
    const { path, members } = opening;
    const file = await openOrMake(path, (members ?? []).length > 0);
    try {
      const whole = members === undefined ? await walk(file, path) : await check(file, path, members);
      const last = whole.at(-1);
      await file.truncate(last === undefined ? 0 : last.offset + last.length);
      return new UndoLog(file, whole, opening);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** True where no batch was ever logged: nothing was written to the store. */
  get empty(): boolean {
    return this.#nextId === 1;
  }

  async append(entries: readonly Json[]): Promise<BatchId> {
    const id = this.#nextId;
    this.#nextId += 1;
    await writing(this.#path, () => this.#commits.durable({ id, entries }));
    return id;
  }

  async *read(): AsyncIterable<UndoBatch> {
    await this.#commits.settled();
    for (let index = this.#members.length - 1; index >= 0; index -= 1) {
      const member = this.#members[index];
      const text = member === undefined ? undefined : await gunzipMember(await readBytes(this.#file, member));
      // The whole file was read when it was opened: this is damage that came since.
      if (text === undefined) throw damaged(`${this.#path} was damaged while it was in use`);
      yield* text.trimEnd().split('\n').reverse().map(batchOf);
    }
  }

  /** Waits for what is under way. Appending afterwards is an error of the caller. */
  async close(): Promise<void> {
    await this.#commits.settled();
    await this.#file.close();
  }

  async #write(batches: readonly { readonly id: BatchId; readonly entries: readonly Json[] }[]): Promise<void> {
    const [first, last] = [batches[0]?.id, batches.at(-1)?.id];
    // Closing makes nothing more durable: every group was.
    if (first === undefined || last === undefined) return;
    const bytes = await gzipMember(batches.map(({ id, entries }) => `${JSON.stringify([id, entries])}\n`).join(''));
    const member = { batches: [first, last], offset: this.#end, length: bytes.length, crc: crc32(bytes) } as const;
    // Both have ended before either failure is told: nothing is written to a file that is being closed.
    const written = await Promise.allSettled([this.#writeMember(bytes), this.#intend(member)]);
    for (const result of written) if (result.status === 'rejected') throw result.reason;
    this.#members.push(member);
    this.#end += bytes.length;
  }

  async #writeMember(bytes: Buffer): Promise<void> {
    await this.#refuseOtherWriter();
    await writeAll(this.#file, bytes, this.#end);
    await this.#file.datasync();
  }

  /** A process that has lost the run must not write over what its successor has sent by. */
  async #refuseOtherWriter(): Promise<void> {
    if ((await this.#file.stat()).size === this.#end) return;
    throw new MigrateError('lock', `another process has written into ${this.#path}`, {
      next: 'see with tenant-migrate status what it does',
    });
  }
}

function batchOf(line: string): UndoBatch {
  const [id, entries] = JSON.parse(line) as [BatchId, Json[]];
  return { id, entries };
}

async function openOrMake(path: string, mustBeThere: boolean): Promise<FileHandle> {
  try {
    return await open(path, TO_CHANGE);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    if (mustBeThere) throw damaged(`${path} is gone, though the journal names what is in it`, error);
  }
  const file = await open(path, 'wx+', 0o600);
  try {
    await syncFolder(dirname(path));
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Compares every member with what the journal says of it; returns those that are whole. */
async function check(
  file: FileHandle,
  path: string,
  members: readonly LoggedMember[],
): Promise<readonly LoggedMember[]> {
  for (const [index, member] of members.entries()) {
    const bytes = await readBytes(file, member);
    if (bytes.length === member.length && crc32(bytes) === member.crc) continue;
    const end = member.offset + member.length;
    // Member and journal line are synced side by side: a crash may leave the line of a member that was never sent.
    const isLast = index === members.length - 1 && member.done !== true && (await memberAt(file, end)) === undefined;
    if (isLast) return members.slice(0, -1);
    throw damaged(`${path} is damaged between bytes ${member.offset} and ${end}`);
  }
  await refuseOlderJournal(file, path, members);
  return members;
}

/** A crash leaves one member at most that the journal does not name yet. To cut off more would lose what was sent. */
async function refuseOlderJournal(file: FileHandle, path: string, members: readonly LoggedMember[]): Promise<void> {
  const last = members.at(-1);
  const end = last === undefined ? 0 : last.offset + last.length;
  const unnamed = await memberAt(file, end);
  if (unnamed === undefined || (await memberAt(file, end + unnamed)) === undefined) return;
  throw new MigrateError('journal', `${path} goes on where the run’s journal ends: that journal is an older copy`, {
    next: 'put its newest copy back; or move journal.ndjson away, and the undo log is taken as it is',
  });
}

/** The length of the member that begins here, as far as its header tells. */
async function memberAt(file: FileHandle, offset: number): Promise<number | undefined> {
  return memberLength(await readBytes(file, { offset, length: MEMBER_HEADER_LENGTH }));
}

function damaged(text: string, cause?: unknown): MigrateError {
  const next = 'put back a copy of it, or take the move back with rollback --from-backup <backup>';
  return new MigrateError('journal', text, { next, cause });
}

/** The whole members of a file, as they themselves tell. What follows the last must be one torn member, or zeros. */
async function walk(file: FileHandle, path: string): Promise<readonly LoggedMember[]> {
  const members: LoggedMember[] = [];
  const { size } = await file.stat();
  let offset = 0;
  while (offset < size) {
    const length = (await memberAt(file, offset)) ?? size - offset;
    const bytes = await readBytes(file, { offset, length: Math.min(length, size - offset) });
    const lines = (await gunzipMember(bytes))?.trimEnd().split('\n').map(batchOf) ?? [];
    const [first, last] = [lines[0], lines.at(-1)];
    if (first === undefined || last === undefined) {
      const after = await readBytes(file, { offset: offset + length, length: MEMBER_HEADER_LENGTH });
      const goesOn = after.some((byte) => byte !== 0) || beginsMember(bytes.subarray(1));
      if (goesOn) throw damaged(`${path} is damaged at byte ${offset}`);
      return members;
    }
    members.push({ batches: [first.id, last.id], offset, length, crc: crc32(bytes) });
    offset += length;
  }
  return members;
}

/** These bytes; fewer where the file ends before. */
async function readBytes(file: FileHandle, { offset, length }: Pick<UndoMember, 'offset' | 'length'>): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let read = 0;
  while (read < length) {
    const { bytesRead } = await file.read(bytes, read, length - read, offset + read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return bytes.subarray(0, read);
}

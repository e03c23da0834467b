import { link, open, readFile, rename, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { digest } from '../model/fingerprint.ts';
import { TO_READ } from './no-follow.ts';
import type { ProcessMark } from './process-mark.ts';

/** What a lock file says. */
export interface LockRecord {
  readonly schema: 'tenant-migrate/lock@1';
  readonly tenant: string;
  readonly runId: string;
  readonly pid: number;
  readonly host: string;
  readonly command: string;
  /** ISO 8601. */
  readonly since: string;
  readonly mark: ProcessMark;
  /** Random, new for each taking: two locks never have the same content. */
  readonly token: string;
}

/** A lock file as it was found. */
export interface LockText {
  readonly text: string;
  /** Undefined where the text is no lock of ours: empty, torn, or of a later version. */
  readonly record: LockRecord | undefined;
}

interface Claim {
  readonly path: string;
  /** What the file shall hold; no other claim may have the same. */
  readonly text: string;
  /** Whether an owner is surely gone, so that its lock may be taken over. */
  readonly isGone: (owner: LockRecord) => Promise<boolean>;
  /** How a file gets a second name; some file systems have no such thing. */
  readonly addName?: typeof link | undefined;
}

type Claimed = { readonly heldBy: LockText } | { readonly tookOver: LockRecord | undefined };

/** Takes a lock file, or tells who holds it. The file appears whole: it is written aside and gets its name by link(2). */
export async function claim(options: Claim): Promise<Claimed> {
  const aside = `${options.path}.${digest(options.text).slice(0, 16)}.new`;
  await writeNew(aside, options.text);
  try {
    for (;;) {
      if (await publish(aside, options)) return { tookOver: undefined };
      const found = await readLock(options.path);
      // Its owner has released it meanwhile.
      if (found === undefined) continue;
      // A network file system may repeat a request whose reply was lost.
      if (found.text === options.text) return { tookOver: undefined };
      // A file without a readable owner is held: who made it is unknown, and so whether they are gone.
      if (found.record === undefined || !(await options.isGone(found.record))) return { heldBy: found };
      const result = await takeOver(aside, found, options);
      if (result !== undefined) return result;
    }
  } finally {
    await rm(aside, { force: true });
  }
}

/**
 * Replaces the lock of an owner that is gone. Removing it and making a new one would let a second taker remove the new
 * one. So the right to replace this very content is a lock itself, named after the content: who holds it and still finds
 * the content replaces it, and nobody else may. A taker that dies here leaves a lock that is taken over in the same way.
 * Undefined where the lock has changed meanwhile and must be looked at again.
 */
async function takeOver(aside: string, found: LockText, options: Claim): Promise<Claimed | undefined> {
  const base = options.path.replace(/\.lock$|\.[0-9a-f]{16}\.takeover$/, '');
  // By the file's name alone: others may reach the same folder by another path.
  const right = `${base}.${digest(basename(options.path), found.text).slice(0, 16)}.takeover`;
  const result = await claim({ ...options, path: right });
  // Who has the right wins where the lock is still the old one; else another has won before.
  if ('heldBy' in result) return (await readLock(options.path))?.text === found.text ? result : undefined;
  try {
    if ((await readLock(options.path))?.text !== found.text) return undefined;
    await rename(aside, options.path);
    return { tookOver: found.record };
  } finally {
    await removeIfEqual(right, options.text);
  }
}

/** The lock file at the path; undefined where there is none. */
export async function readLock(path: string): Promise<LockText | undefined> {
  try {
    const text = await readFile(path, { encoding: 'utf8', flag: TO_READ });
    return { text, record: parse(text) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Removes the file where it still holds this text. */
export async function removeIfEqual(path: string, text: string): Promise<void> {
  if ((await readLock(path))?.text === text) await rm(path, { force: true });
}

/** Gives the written file its name; false where the name is taken. */
async function publish(aside: string, { path, text, addName = link }: Claim): Promise<boolean> {
  try {
    await addName(aside, path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (!WITHOUT_LINKS.has(code ?? '')) throw error;
  }
  try {
    // Here a crash may leave an empty lock, which only --force-unlock removes.
    await writeNew(path, text);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** What file systems without hard links answer: FAT, some network and FUSE ones. */
const WITHOUT_LINKS = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK']);

async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    // Durable before it has its name: a power cut leaves no empty lock.
    await file.datasync();
  } finally {
    await file.close();
  }
}

function parse(text: string): LockRecord | undefined {
  let value: Partial<LockRecord> | null;
  try {
    value = JSON.parse(text) as Partial<LockRecord> | null;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof value !== 'object' || value?.schema !== 'tenant-migrate/lock@1') return undefined;
  const texts = [value.tenant, value.runId, value.host, value.command, value.since, value.token];
  const whole = texts.every((member) => typeof member === 'string') && typeof value.mark === 'object';
  // A pid below 1 would stand for groups of processes.
  return whole && Number.isInteger(value.pid) && (value.pid ?? 0) > 0 ? (value as LockRecord) : undefined;
}

import { randomBytes } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MigrateError } from '../model/errors.ts';
import { digest } from '../model/fingerprint.ts';
import { ifThere } from './if-there.ts';
import { claim, type LockRecord, type LockText, readLock, removeIfEqual } from './lock-file.ts';
import { markOf, mayBeAlive } from './process-mark.ts';
import { findPart, makePart } from './state-folder.ts';

/** Whose a lock is. */
export interface LockOwner {
  readonly runId: string;
  readonly pid: number;
  readonly host: string;
  /** The command as it was typed. Holds no secret. */
  readonly command: string;
  /** ISO 8601. */
  readonly since: string;
}

/** The locks of one run. */
export interface TenantLocks {
  /** Owners whose process was gone, and whose locks were taken over. */
  readonly tookOver: readonly LockOwner[];
  /** Tenants whose lock is no longer ours: `--force-unlock` took it away. Then another run may be at work on them. */
  lost(): Promise<readonly string[]>;
  /** Removes what is still ours, and nothing else. May be called twice. */
  release(): Promise<void>;
}

/** A lock as `status` and `runs` list it. */
export interface ListedLock {
  /** Undefined where the file cannot be read. */
  readonly tenant: string | undefined;
  readonly owner: LockOwner | undefined;
  /** False where the owner is surely gone, so that the next run takes the lock over. */
  readonly alive: boolean;
  readonly path: string;
}

interface Place {
  readonly stateDir: string;
  readonly tenants: readonly string[];
}

/**
 * Takes the lock of every tenant, so that no two runs that share a state folder work on the same one. All or none.
 *
 * A lock is a file of its own for each tenant. It appears with its whole content or not at all. It is taken over from an
 * owner on this host whose process is gone; of several takers exactly one wins. An owner on another host, in another
 * container, or in a file that cannot be read is never judged gone. Throws MigrateError `refused` naming the owner, and
 * `settings` where the folder cannot be written.
 */
export async function acquireLocks(
  options: Place & {
    readonly owner: LockOwner;
    /** Asked about owners on this host only. */
    readonly isAlive?: ((owner: LockRecord) => Promise<boolean>) | undefined;
  },
): Promise<TenantLocks> {
  const { stateDir, owner, isAlive = mayBeAlive } = options;
  await makeFolder(stateDir);
  const isGone = async (record: LockRecord) => record.host === owner.host && !(await isAlive(record));
  const token = randomBytes(12).toString('hex');
  const mark = await markOf(owner.pid);
  const taken: { path: string; text: string; tenant: string }[] = [];
  const tookOver: LockOwner[] = [];
  const release = async () => {
    const removed = await Promise.allSettled(taken.splice(0).map(({ path, text }) => removeIfEqual(path, text)));
    for (const result of removed) if (result.status === 'rejected') throw result.reason;
  };
  try {
    for (const tenant of inByteOrder(options.tenants)) {
      const path = lockPath(stateDir, tenant);
      const text = `${JSON.stringify({ schema: 'tenant-migrate/lock@1', tenant, ...owner, mark, token })}\n`;
      const result = await claim({ path, text, isGone });
      if ('heldBy' in result) throw refusal({ tenant, path, held: result.heldBy, now: owner.since });
      taken.push({ path, text, tenant });
      if (result.tookOver !== undefined) tookOver.push(ownerOf(result.tookOver));
    }
  } catch (error) {
    await release();
    throw error instanceof MigrateError ? error : unwritable(stateDir, error);
  }
  return { tookOver, release, lost: () => lostOf(taken) };
}

/**
 * Removes the locks of these tenants whoever holds them, readable or not. Returns whose they were. For an operator who
 * knows that the owner is gone; an owner that is not finds its lock lost.
 */
export async function forceUnlock({ stateDir, tenants }: Place): Promise<readonly LockOwner[]> {
  const removed: LockOwner[] = [];
  for (const tenant of inByteOrder(tenants)) {
    const found = await readLock(lockPath(stateDir, tenant));
    // Not what is being written aside (.new): its process would fail for want of it, and a dead one's is in nobody's way.
    const isLock = (name: string) => name.startsWith(`${lockName(tenant)}.`) && !name.endsWith('.new');
    for (const name of (await namesIn(stateDir)).filter(isLock)) {
      await rm(join(folderOf(stateDir), name), { force: true });
    }
    if (found?.record !== undefined) removed.push(ownerOf(found.record));
  }
  return removed;
}

/** Every lock in the state folder, by tenant. `host` is this host's name: owners elsewhere count as alive. */
export async function readLocks(stateDir: string, host: string): Promise<readonly ListedLock[]> {
  const locks: ListedLock[] = [];
  for (const name of await namesIn(stateDir)) {
    const path = join(folderOf(stateDir), name);
    const found = name.endsWith('.lock') ? await readLock(path) : undefined;
    if (found === undefined) continue;
    const { record } = found;
    const alive = record === undefined || record.host !== host || (await mayBeAlive(record));
    locks.push({ tenant: record?.tenant, owner: record && ownerOf(record), alive, path });
  }
  return locks.sort((a, b) => Buffer.compare(Buffer.from(a.tenant ?? ''), Buffer.from(b.tenant ?? '')));
}

function ownerOf({ runId, pid, host, command, since }: LockRecord): LockOwner {
  return { runId, pid, host, command, since };
}

async function lostOf(taken: readonly { path: string; text: string; tenant: string }[]): Promise<readonly string[]> {
  const lost: string[] = [];
  for (const { path, text, tenant } of taken) {
    if ((await readLock(path))?.text !== text) lost.push(tenant);
  }
  return lost;
}

function refusal(of: { tenant: string; path: string; held: LockText; now: string }): MigrateError {
  const { record } = of.held;
  if (record === undefined) {
    return new MigrateError('refused', `tenant ${of.tenant} is locked, and its lock ${of.path} cannot be read`, {
      next: 'see with tenant-migrate runs that no run is at work on it, then add --force-unlock',
    });
  }
  const { runId, pid, host, command, since } = record;
  const message = `tenant ${of.tenant} is locked by run ${runId} for ${age(since, of.now)}: process ${pid} on ${host}, ${command}`;
  return new MigrateError('refused', message, {
    next: `wait until it ends (tenant-migrate status ${runId}); if that process is surely gone, add --force-unlock`,
  });
}

/** From one ISO time to another in its largest unit, `3 minutes`. */
function age(since: string, now: string): string {
  const seconds = Math.max(0, Math.round((Date.parse(now) - Date.parse(since)) / 1_000));
  const sizes = [
    ['day', 86_400],
    ['hour', 3_600],
    ['minute', 60],
    ['second', 1],
  ] as const;
  const [unit, size] = sizes.find(([, size]) => seconds >= size) ?? ['second', 1];
  const value = Math.floor(seconds / size);
  return `${value} ${unit}${value === 1 ? '' : 's'}`;
}

/** The same order for everyone and each id once: two runs cannot each wait for, or refuse over, what the other took. */
function inByteOrder(tenants: readonly string[]): readonly string[] {
  return [...new Set(tenants)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

function folderOf(stateDir: string): string {
  return join(stateDir, 'locks');
}

function lockPath(stateDir: string, tenant: string): string {
  return join(folderOf(stateDir), `${lockName(tenant)}.lock`);
}

/** What people can read of the id, and its digest, which alone tells ids apart: also on file systems without case. */
function lockName(tenant: string): string {
  const readable = tenant.replace(/[^A-Za-z0-9_]/g, '_').slice(0, 40);
  return `${readable}-${digest(tenant).slice(0, 32)}`;
}

async function makeFolder(stateDir: string): Promise<void> {
  try {
    await makePart(stateDir, 'locks');
  } catch (error) {
    throw error instanceof MigrateError ? error : unwritable(stateDir, error);
  }
}

function unwritable(stateDir: string, cause: unknown): MigrateError {
  return new MigrateError('settings', `no lock can be made in ${folderOf(stateDir)}: ${(cause as Error).message}`, {
    next: 'set --state-dir to a folder that you may write',
    cause,
  });
}

async function namesIn(stateDir: string): Promise<readonly string[]> {
  const folder = await findPart(stateDir, 'locks');
  return folder === undefined ? [] : ((await ifThere(readdir(folder))) ?? []);
}

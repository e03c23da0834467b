import { randomBytes } from 'node:crypto';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { LockRecord } from '../../src/journal/lock-file.ts';
import { mayBeAlive } from '../../src/journal/process-mark.ts';
import { acquireLocks, type TenantLocks } from '../../src/journal/tenant-lock.ts';
import { MigrateError } from '../../src/model/errors.ts';

/**
 * A process that takes locks as it is told on stdin, one line a command, and answers with one line of JSON:
 * `take <tenant>`, `release`, `churn <ms> <tenant>`. Arguments: state folder, host name.
 */
const [stateDir = '', host = ''] = process.argv.slice(2);
const owner = { runId: `run-${process.pid}`, pid: process.pid, host, command: 'test', since: new Date().toISOString() };
let held: TenantLocks | undefined;

process.stdout.write('"ready"\n');
for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...words] = line.split(' ');
  let answer: unknown = {};
  if (command === 'take') answer = await take(words[0] ?? '');
  else if (command === 'release') await held?.release();
  else answer = await churn(Number(words[0]), words[1] ?? '');
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

async function take(tenant: string): Promise<{ tookOver?: number; refused?: string }> {
  try {
    held = await acquireLocks({ stateDir, tenants: [tenant], owner, isAlive: (record) => isAlive(record) });
    return { tookOver: held.tookOver.length };
  } catch (error) {
    if (error instanceof MigrateError && error.code === 'refused') return { refused: error.message };
    throw error;
  }
}

/** Takes the lock again and again; every other time it leaves the lock as a process would that is gone. */
async function churn(ms: number, tenant: string): Promise<{ taken: number; tookOver: number; shared: string[] }> {
  const result = { taken: 0, tookOver: 0, shared: [] as string[] };
  const end = Date.now() + ms;
  while (Date.now() < end) {
    const { tookOver } = await take(tenant);
    if (tookOver === undefined) continue;
    result.taken += 1;
    result.tookOver += tookOver;
    const other = await meetOther();
    if (other !== undefined) result.shared.push(other);
    if (result.taken % 2 === 0) await abandon();
    else await held?.release();
  }
  return result;
}

/** While a lock is held this file is there; finding it there of a living process means that two hold the lock. */
async function meetOther(): Promise<string | undefined> {
  const path = join(stateDir, 'inside');
  try {
    await writeFile(path, `${process.pid}`, { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const other = await readFile(path, 'utf8').catch(() => 'one that has just left');
    if (other === '' || Number.isNaN(Number(other)) || isRunning(Number(other))) return `inside with ${other}`;
  }
  await rm(path, { force: true });
  return undefined;
}

async function abandon(): Promise<void> {
  const folder = join(stateDir, 'locks');
  const [name = ''] = (await readdir(folder)).filter((file) => file.endsWith('.lock'));
  const record = JSON.parse(await readFile(join(folder, name), 'utf8')) as LockRecord;
  const gone = { ...record, runId: 'gone', token: randomBytes(12).toString('hex') };
  await writeFile(join(stateDir, `gone-${process.pid}`), JSON.stringify(gone));
  await rename(join(stateDir, `gone-${process.pid}`), join(folder, name));
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

async function isAlive(record: LockRecord): Promise<boolean> {
  return record.runId !== 'gone' && (await mayBeAlive(record));
}

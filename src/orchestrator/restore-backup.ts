import type { BackupFolder } from '../journal/backup-folder.ts';
import { errorText, MigrateError } from '../model/errors.ts';
import { grouped } from '../model/grouped.ts';
import type { Profile } from '../profiles/profile.ts';
import type { BackupPart, RestoreLook, StageName } from '../stages/stage.ts';
import { refuseDamaged } from './backup.ts';
import type { BoundBackup } from './bound-backup.ts';
import type { BoundStage, CommonContext } from './bound-stage.ts';
import { exitCodeOf } from './outcome.ts';
import { type LockPorts, RunLocks } from './run-locks.ts';

/** What a restore is told. The caller closes the stages. */
export interface RestoreInput {
  readonly backup: BackupFolder;
  readonly stages: readonly BoundStage[];
  readonly dryRun: boolean;
  /** Of the tenant; taken before the first write, so that no move of it is under way meanwhile. */
  readonly locks: LockPorts;
  /** Its profile is replaced by the backup's. */
  readonly common: CommonContext;
  /** Asked before anything is written; undefined where nobody is to be asked. */
  readonly confirm?: ((looks: readonly StageLook[]) => Promise<boolean>) | undefined;
  /** Told after each step: the stage, and its records so far. */
  readonly onProgress?: ((stage: StageName, records: number) => void) | undefined;
}

/** One stage's numbers: before the first write, and what was written. */
export interface StageLook extends RestoreLook {
  readonly stage: StageName;
  readonly restored: number;
}

export interface RestoreReport {
  /**
   * `restored`: all that can be is there, and was compared · `partial`: some of it cannot be restored here, or is not there
   * yet · `refused`: nothing was written.
   */
  readonly outcome: 'restored' | 'nothing-to-do' | 'planned' | 'refused' | 'partial' | 'stopped';
  readonly exitCode: number;
  readonly message: string;
  readonly stages: readonly StageLook[];
  readonly error: string | null;
  readonly next: string | null;
}

/**
 * Brings back what the stores lack of a backup. Every file is checked and every record looked at before the first write;
 * one record that exists with other content refuses all. Running it again goes on where it stopped.
 */
export async function restoreBackup(input: RestoreInput): Promise<RestoreReport> {
  const { backup, dryRun, confirm } = input;
  await refuseDamaged(backup);
  const profile = backup.manifest.profile as unknown as Profile;
  const { tenant } = backup.manifest;
  const locks = new RunLocks(input.locks, [{ source: tenant, target: tenant }], input.common.clock);
  const parts = partsOf(input, { ...input.common, profile }, locks);
  const looks = new Map<StageName, StageLook>();
  for (const part of parts) looks.set(part.stage, { stage: part.stage, restored: 0, ...(await part.compare()) });
  const all = [...looks.values()];
  const different = sum(all, 'different');
  if (different > 0) {
    const message = `refused before anything was written: ${grouped(different)} records exist with other content`;
    return report(all, { outcome: 'refused', message, next: 'see what they are; --only leaves stages out' });
  }
  const absent = sum(all, 'absent');
  const lost = sum(all, 'notRestorable');
  if (dryRun)
    return report(all, {
      outcome: 'planned',
      message: `nothing was written: ${grouped(absent)} records would be restored`,
    });
  if (!all.some(({ work }) => work)) {
    const outcome = lost > 0 ? 'partial' : 'nothing-to-do';
    return report(all, {
      outcome,
      message: `nothing to restore: ${grouped(sum(all, 'equal'))} records are there already${lostText(lost)}`,
    });
  }
  if (confirm !== undefined && !(await confirm(all))) {
    return report(all, { outcome: 'refused', message: 'not confirmed: nothing was written' });
  }
  return withLocks(input, locks, () => write(input, parts, looks));
}

interface Part {
  readonly stage: StageName;
  compare(): Promise<RestoreLook>;
  restore(): AsyncIterable<number>;
}

/** The stages that the backup holds a part of. */
function partsOf({ backup, stages }: RestoreInput, common: CommonContext, locks: RunLocks): readonly Part[] {
  const permit = async () => {
    common.signal.throwIfAborted();
    await locks.check();
  };
  return stages.flatMap(({ name, backup: bound }) => {
    const part = backup.part(name);
    return part === undefined || bound === undefined ? [] : [partOf(name, bound, part, { common, permit })];
  });
}

function partOf(
  stage: StageName,
  bound: BoundBackup,
  part: BackupPart,
  { common, permit }: { readonly common: CommonContext; readonly permit: () => Promise<void> },
): Part {
  return {
    stage,
    compare: () => bound.compare(part, common),
    restore: () => bound.restore(part, common, permit),
  };
}

async function withLocks<T>({ backup, common }: RestoreInput, locks: RunLocks, work: () => Promise<T>): Promise<T> {
  const holder = { runId: backup.id, command: 'backup restore' };
  const note = (text: string) => common.emit({ type: 'note', stage: 'redis', text });
  try {
    for (const text of await locks.takeLocal(holder)) note(text);
    const without = await locks.takeLease(holder);
    if (without !== undefined) note(`no lock that other machines see: ${without}`);
    return await work();
  } finally {
    await locks.release();
  }
}

async function write(
  input: RestoreInput,
  parts: readonly Part[],
  looks: Map<StageName, StageLook>,
): Promise<RestoreReport> {
  const { signal } = input.common;
  for (const part of parts) {
    const look = looks.get(part.stage);
    if (look === undefined || !look.work) continue;
    let restored = 0;
    try {
      for await (const step of part.restore()) {
        restored += step;
        looks.set(part.stage, { ...look, restored });
        input.onProgress?.(part.stage, restored);
      }
    } catch (error) {
      const all = [...looks.values()];
      const outcome = signal.aborted ? 'stopped' : 'partial';
      const advice = error instanceof MigrateError && error.next !== undefined ? `${error.next}; then ` : '';
      const next = `${advice}type the same command again: it goes on where it stopped`;
      return report(all, { outcome, message: `${part.stage}: ${errorText(error)}`, next, error, signal });
    }
  }
  return compareAgain(parts, looks);
}

/** What a restore says is what it has seen. */
async function compareAgain(parts: readonly Part[], looks: ReadonlyMap<StageName, StageLook>): Promise<RestoreReport> {
  const unlike: string[] = [];
  for (const part of parts) {
    const { absent, different, schemaAbsent } = await part.compare();
    if (absent + different > 0)
      unlike.push(`${part.stage}: ${grouped(absent)} records are absent and ${grouped(different)} different`);
    if (schemaAbsent > 0) unlike.push(`${part.stage}: ${schemaAbsent} indexes or constraints are absent`);
  }
  const all = [...looks.values()];
  if (unlike.length > 0) {
    const message = `restored, but the stores are not as the backup: ${unlike.join('; ')}`;
    return report(all, { outcome: 'partial', message, next: 'see what they are, then type the same command again' });
  }
  const lost = sum(all, 'notRestorable');
  const message = `${grouped(sum(all, 'restored'))} records restored and compared${lostText(lost)}`;
  return report(all, { outcome: lost > 0 ? 'partial' : 'restored', message });
}

function lostText(lost: number): string {
  return lost > 0 ? `; ${lost} cannot be restored here` : '';
}

interface Ended {
  readonly outcome: RestoreReport['outcome'];
  readonly message: string;
  readonly next?: string;
  readonly error?: unknown;
  readonly signal?: AbortSignal;
}

function report(stages: readonly StageLook[], { outcome, message, next, error, signal }: Ended): RestoreReport {
  return {
    outcome,
    exitCode: exitCode(outcome, signal),
    message,
    stages,
    error: error === undefined ? null : errorText(error),
    next: next ?? null,
  };
}

function exitCode(outcome: RestoreReport['outcome'], signal: AbortSignal | undefined): number {
  switch (outcome) {
    case 'restored':
    case 'nothing-to-do':
    case 'planned':
      return 0;
    case 'partial':
      return 4;
    case 'refused':
      return 5;
    case 'stopped':
      return exitCodeOf('stopped', /SIG[A-Z]+/.exec(errorText(signal?.reason))?.[0]);
  }
}

function sum(
  looks: readonly StageLook[],
  name: 'absent' | 'equal' | 'different' | 'notRestorable' | 'restored',
): number {
  return looks.reduce((total, look) => total + look[name], 0);
}

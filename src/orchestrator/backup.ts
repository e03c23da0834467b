import type { BackupFolder } from '../journal/backup-folder.ts';
import type { BackupManifest, ManifestPart } from '../journal/backup-manifest.ts';
import { errorText, MigrateError } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import type { Move } from '../model/move.ts';
import type { Profile } from '../profiles/profile.ts';
import type { BackupBatch, StageName, UndoPort } from '../stages/stage.ts';
import type { BoundStage, CommonContext } from './bound-stage.ts';

const DAY_MS = 86_400_000;

/** What a backup is told. The caller closes the stages. */
export interface BackupInput {
  readonly tenant: string;
  readonly stages: readonly BoundStage[];
  readonly skipped: readonly StageName[];
  readonly common: CommonContext;
  readonly toolVersion: string;
  /** A new one; it is removed again where the backup fails. */
  readonly folder: BackupFolder;
  readonly keepDays: number;
  /** Told after each batch: the stage, and its records so far. */
  readonly onProgress?: ((stage: StageName, records: number) => void) | undefined;
}

/** Kinds of lines that describe what the tenant's records lie in: alone they are nothing of the tenant. */
const AROUND: ReadonlySet<string> = new Set(['collection', 'schema']);

/**
 * Writes all that the stores hold of a tenant into the folder, then reads it back and checks it. Throws MigrateError
 * `refused` where no store holds anything of it. A process that is killed leaves a folder without a manifest.
 */
export async function createBackup(input: BackupInput): Promise<BackupManifest> {
  const { folder, common, tenant } = input;
  try {
    const createdAt = common.clock.now();
    const parts: ManifestPart[] = [];
    for (const stage of input.stages) parts.push(await writePart(stage, input));
    if (parts.every(({ records }) => ownRecords(records) === 0)) {
      throw new MigrateError('refused', `no store holds anything of ${tenant}: there is nothing to back up`, {
        next: 'correct the id; it is compared letter by letter',
      });
    }
    const manifest = await folder.finish({
      toolVersion: input.toolVersion,
      tenant,
      createdAt: new Date(createdAt).toISOString(),
      keepUntil: new Date(createdAt + input.keepDays * DAY_MS).toISOString(),
      profile: common.profile as unknown as Json,
      parts,
      skipped: input.skipped,
    });
    const problems = await folder.problems();
    if (problems.length === 0) return manifest;
    throw new MigrateError('internal', `the backup could not be read back: ${problems.join('; ')}`, {
      next: 'see to the disk of the state folder, or set another --state-dir',
    });
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

/** The tenant's records among a part's lines. */
export function ownRecords(records: Readonly<Record<string, number>>): number {
  return Object.entries(records).reduce((sum, [kind, count]) => sum + (AROUND.has(kind) ? 0 : count), 0);
}

async function writePart(stage: BoundStage, input: BackupInput): Promise<ManifestPart> {
  const { backup, name, address } = stage;
  if (backup === undefined) throw new MigrateError('internal', `the stage ${name} takes no part in backups`);
  const batches = backup.read(input.tenant, input.common);
  const written = await input.folder.writePart(name, watched(batches, name, input));
  return { stage: name, address, ...written };
}

async function* watched(
  batches: AsyncIterable<BackupBatch>,
  stage: StageName,
  { common, onProgress }: BackupInput,
): AsyncGenerator<BackupBatch> {
  let records = 0;
  for await (const batch of batches) {
    common.signal.throwIfAborted();
    records += batch.lines.filter(({ kind }) => !AROUND.has(kind)).length;
    onProgress?.(stage, records);
    yield batch;
  }
}

/** For {@link rebuildUndo}. */
export interface RebuildInput {
  /** A complete backup of the move's source, made before the move. */
  readonly backup: BackupFolder;
  readonly move: Move;
  readonly stages: readonly BoundStage[];
  /** The run's undo log of a stage. */
  undo(stage: StageName): Promise<UndoPort & { readonly empty: boolean }>;
}

/**
 * Writes the undo logs of a run whose own are lost, from a backup of its source: the names of all records that were the
 * source's. A rollback then gives them back with the values they have now. Logs that hold something are left alone.
 * Resolves to the stages whose logs were made. Throws MigrateError `refused` where the backup does not fit.
 */
export async function rebuildUndo({ backup, move, stages, undo }: RebuildInput): Promise<readonly StageName[]> {
  const { manifest } = backup;
  if (manifest.tenant !== move.source) {
    throw new MigrateError('refused', `the backup ${backup.id} is of ${manifest.tenant}, not of ${move.source}`, {
      next: 'tenant-migrate backup list shows all',
    });
  }
  await refuseDamaged(backup);
  const made: StageName[] = [];
  for (const stage of stages) {
    const part = backup.part(stage.name);
    const log = await undo(stage.name);
    if (part === undefined || !log.empty || stage.backup === undefined) continue;
    const profile = manifest.profile as unknown as Profile;
    for await (const entries of stage.backup.undoEntries(part, move, profile)) await log.append(entries);
    made.push(stage.name);
  }
  return made;
}

/** Throws MigrateError `refused` where a file is not as it was written: reads all of them. */
export async function refuseDamaged(backup: BackupFolder): Promise<void> {
  const problems = await backup.problems();
  if (problems.length === 0) return;
  throw new MigrateError('refused', `the backup ${backup.id} is damaged: ${problems.join('; ')}`, {
    next: 'use another; tenant-migrate backup list shows all',
  });
}

/** The text of a failure with its stage in front, where it names one. */
export function failureText(error: unknown, stage: StageName): string {
  return `${stage}: ${errorText(error)}`;
}

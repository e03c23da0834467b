import type { BackupFolder } from '../journal/backup-folder.ts';
import type { BackupManifest, ManifestPart } from '../journal/backup-manifest.ts';
import { MigrateError } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import type { BackupBatch, StageName } from '../stages/stage.ts';
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

/** Throws MigrateError `refused` where a file is not as it was written: reads all of them. */
export async function refuseDamaged(backup: BackupFolder): Promise<void> {
  const problems = await backup.problems();
  if (problems.length === 0) return;
  throw new MigrateError('refused', `the backup ${backup.id} is damaged: ${problems.join('; ')}`, {
    next: 'use another; tenant-migrate backup list shows all',
  });
}

import { MigrateError } from '../model/errors.ts';
import { grouped } from '../model/grouped.ts';
import type { Move } from '../model/move.ts';
import type { Profile } from '../profiles/profile.ts';
import type { BackupPart, Finding, StageName, UndoBatch, UndoPort } from '../stages/stage.ts';
import type { BoundStage, CommonContext } from './bound-stage.ts';

/** A backup of a move's source, from which the move is taken back. */
export interface BackupSource {
  readonly id: string;
  readonly tenant: string;
  /** Those of which it holds a part. */
  readonly stages: readonly StageName[];
  part(stage: StageName): BackupPart | undefined;
}

/** An undo log that names what the backup names. It is only read. */
export function undoFromBackup(
  backup: BackupSource,
  stage: BoundStage,
  { moves, profile }: { readonly moves: readonly Move[]; readonly profile: Profile },
): UndoPort {
  const part = backup.part(stage.name);
  const move = moves.find(({ source }) => source === backup.tenant);
  return {
    append: () => Promise.reject(new MigrateError('internal', 'a rollback from a backup logs nothing')),
    async *read(): AsyncIterable<UndoBatch> {
      if (part === undefined || move === undefined) return;
      let id = 0;
      for await (const entries of stage.backup?.undoEntries(part, move, profile) ?? []) {
        id += 1;
        yield { id, entries };
      }
    },
  };
}

/** A difference for each stage in which records of the backup are still nowhere. */
export async function missingInBackup(
  backup: BackupSource,
  stages: readonly BoundStage[],
  common: CommonContext,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const stage of stages) {
    const part = backup.part(stage.name);
    if (part === undefined || stage.backup === undefined) continue;
    const { absent } = await stage.backup.compare(part, common);
    if (absent === 0) continue;
    findings.push({
      stage: stage.name,
      kind: 'missing',
      severity: 'difference',
      message: `${grouped(absent)} records of backup ${backup.id} are neither at the target nor at the source`,
      count: absent,
      fix: `tenant-migrate backup restore ${backup.id}`,
    });
  }
  return findings;
}

import { BackupFolder } from '../journal/backup-folder.ts';
import { createBackup } from '../orchestrator/backup.ts';
import type { BoundStage } from '../orchestrator/bound-stage.ts';
import type { RunInput } from '../orchestrator/run-input.ts';
import type { RunEvent } from '../report/event.ts';
import type { StageName } from '../stages/stage.ts';
import { notKeptLines, recordsText } from './backup-text.ts';
import { ownVersion } from './own-version.ts';
import type { Settings } from './settings.ts';

/** `--backup`: one backup for each tenant, through the connections of the run itself. */
export function backupBeforeMove(run: {
  readonly settings: Settings;
  readonly stages: readonly BoundStage[];
  readonly skipped: readonly StageName[];
  readonly emit: (event: RunEvent) => void;
}): NonNullable<RunInput['backup']> {
  const { settings, stages, skipped, emit } = run;
  const note = (text: string) => emit({ type: 'run-note', text });
  return async (tenants, common) => {
    for (const tenant of tenants) {
      const folder = await BackupFolder.create(settings['state-dir'], common.clock.now());
      note(`backing up ${tenant} to ${folder.path}`);
      const toolVersion = await ownVersion();
      const keepDays = settings['keep-days'];
      const manifest = await createBackup({ tenant, stages, skipped, common, toolVersion, folder, keepDays });
      for (const line of notKeptLines(manifest)) note(line);
      note(`backup ${manifest.id}: ${recordsText(manifest)}, read back and checked, kept until ${manifest.keepUntil}`);
    }
  };
}

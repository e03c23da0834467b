import type { MapFolder } from '../journal/map-folder.ts';
import { MigrateError } from '../model/errors.ts';
import { executeMapRollback } from '../orchestrator/map-rollback.ts';
import type { Profile } from '../profiles/profile.ts';
import { wireStages } from '../wire.ts';
import { carryOut, type Lent } from './carry-out.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { secretsFor } from './map-command.ts';
import { tellResult } from './reporting.ts';
import { optionsOf } from './run-command.ts';
import { readSettings, skippedStages } from './settings.ts';
import { askYes, isInteractive } from './terminal.ts';

/** `rollback` of a list: its waves, from the last to the first. Returns the exit code. */
export async function mapRollbackCommand(
  folder: MapFolder,
  invocation: Invocation,
  ctx: CommandContext,
): Promise<number> {
  const { flags } = invocation;
  const { id, moves, settings: recorded } = folder.record;
  const settings = await readSettings({ command: 'rollback', flags, env: ctx.terminal.env, recorded });
  if (settings['from-backup'] !== undefined) {
    throw new MigrateError('usage', '--from-backup takes back one run, and this is a list of several waves', {
      next: 'a list is taken back by its own undo logs alone',
    });
  }
  const profile = folder.record.profile as unknown as Profile;
  const skipped = skippedStages(settings);
  const asks = !settings['dry-run'] && !settings.yes && isInteractive(ctx.terminal);
  const work = ({ settings: reached, secrets, ports, emit }: Lent) =>
    executeMapRollback({
      ...ports,
      folder,
      dryRun: settings['dry-run'],
      stagesFor: (view) =>
        wireStages({ settings: reached, profile, secrets: secretsFor(secrets, view), emit }, skipped),
      skipped,
      options: optionsOf(settings),
      confirm: asks ? () => askYes(ctx, `Take back the ${moves.length} moves of ${id}?`) : undefined,
    });
  const { report } = await carryOut({ invocation, settings, skipped, ctx, list: moves }, work);
  await tellResult({ report, plan: undefined, freeBytes: 0, command: 'rollback', settings, ctx });
  return report.exitCode;
}

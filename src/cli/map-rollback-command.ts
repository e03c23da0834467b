import type { MapFolder } from '../journal/map-folder.ts';
import { MigrateError } from '../model/errors.ts';
import { executeMapRollback } from '../orchestrator/map-rollback.ts';
import type { Profile } from '../profiles/profile.ts';
import type { RunEvent } from '../report/event.ts';
import { wireStages } from '../wire.ts';
import { readConfigSecrets } from './config-secrets-file.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { secretsFor } from './map-command.ts';
import { onStop, startReporting, tellResult } from './reporting.ts';
import { optionsOf } from './run-command.ts';
import { runHooks } from './run-hooks.ts';
import { runPorts } from './run-ports.ts';
import { readSettings, type Settings, skippedStages } from './settings.ts';
import { askYes, isInteractive } from './terminal.ts';
import { withTunnel } from './with-tunnel.ts';

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
  const secrets = await readConfigSecrets(settings['config-secrets'], flags['config-secrets'] !== undefined);
  const reporting = await startReporting(invocation, settings, ctx, { list: moves });
  const emit = (event: RunEvent) => reporting.take(event);
  onStop(ctx, emit);
  const asks = !settings['dry-run'] && !settings.yes && isInteractive(ctx.terminal);
  const hooks = await runHooks(settings, { ctx, emit });
  const run = async (reached: Settings) =>
    executeMapRollback({
      ...(await runPorts(reached, skipped, { ctx, emit, history: reporting.history })),
      hooks: hooks.port,
      folder,
      dryRun: settings['dry-run'],
      stagesFor: (view) =>
        wireStages({ settings: reached, profile, secrets: secretsFor(secrets, view), emit }, skipped),
      skipped,
      options: optionsOf(settings),
      confirm: asks ? () => askYes(ctx, `Take back the ${moves.length} moves of ${id}?`) : undefined,
    });
  const tell = (text: string) => emit({ type: 'run-note', text });
  const report = await withTunnel({ settings, skipped, ctx, tell }, run)
    .then((ended) => hooks.atEnd(ended))
    .then(reporting.ended, reporting.broke)
    .finally(() => reporting.close());
  await tellResult({ report, plan: undefined, freeBytes: 0, command: 'rollback', settings, ctx });
  return report.exitCode;
}

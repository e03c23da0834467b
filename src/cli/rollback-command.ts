import type { MapFolder } from '../journal/map-folder.ts';
import type { RunFolder } from '../journal/run-folder.ts';
import { MigrateError } from '../model/errors.ts';
import { movesText } from '../model/move.ts';
import type { BackupSource } from '../orchestrator/backup-source.ts';
import { executeRollback } from '../orchestrator/rollback.ts';
import { wireStages } from '../wire.ts';
import { carryOut, type Lent } from './carry-out.ts';
import { chooseBackup } from './choose-backup.ts';
import { chooseRollback, chooseRun, isMap } from './choose-run.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { mapRollbackCommand } from './map-rollback-command.ts';
import { ownPlan } from './own-plan.ts';
import { tellResult } from './reporting.ts';
import { optionsOf } from './run-command.ts';
import { runCommandLine } from './run-ports.ts';
import { readSettings, type Settings, skippedStages } from './settings.ts';
import { askYes, isInteractive } from './terminal.ts';

/** `rollback [run]`: takes back what a run's undo logs name. Returns the exit code. */
export async function rollbackCommand(invocation: Invocation, ctx: CommandContext): Promise<number> {
  const { positionals, flags } = invocation;
  const { env } = ctx.terminal;
  const first = await readSettings({ command: 'rollback', flags, env });
  const asks = !first['dry-run'] && !first.yes && isInteractive(ctx.terminal);
  const folder =
    positionals.run === undefined
      ? await unnamedRun(first, asks)
      : await chooseRun(first['state-dir'], positionals.run, 'unfinished');
  if (isMap(folder)) return mapRollbackCommand(folder, invocation, ctx);
  const settings = await readSettings({ command: 'rollback', flags, env, recorded: folder.record.settings });
  if (!(await folder.hasWritten())) {
    throw new MigrateError('refused', `run ${folder.record.id} has written nothing: there is nothing to take back`);
  }
  const plan = await ownPlan(folder);
  if (plan === undefined) {
    const text = `${folder.path}/plan.json is gone: without it nothing can be taken back`;
    throw new MigrateError('journal', text, { next: 'put a copy of it back, or resume the run' });
  }
  const fromBackup = settings['from-backup'] === undefined ? undefined : await backupSource(settings, folder);
  const skipped = skippedStages(settings, plan);
  const question = `Take back ${movesText(folder.record.moves)} (run ${folder.record.id})?`;
  const work = ({ settings: reached, secrets, ports, emit }: Lent) =>
    executeRollback({
      ...ports,
      say: { ...ports.say, forReal: namingRun(ports.say.forReal, positionals.run, folder.record.id) },
      folder,
      plan,
      dryRun: settings['dry-run'],
      stages: wireStages({ settings: reached, profile: plan.profile, secrets, emit }, skipped),
      skipped,
      options: optionsOf(settings),
      fromBackup,
      confirm: asks ? () => askYes(ctx, question) : undefined,
    });
  const { report } = await carryOut({ invocation, settings, skipped, ctx }, work);
  await tellResult({ report, plan: undefined, freeBytes: 0, command: 'rollback', settings, ctx });
  return report.exitCode;
}

/** A finished run is offered where somebody is asked, and else has to be named. */
async function unnamedRun(settings: Settings, asks: boolean): Promise<RunFolder | MapFolder> {
  const { folder, unfinished } = await chooseRollback(settings['state-dir']);
  if (unfinished || asks) return folder;
  const { id, moves, startedAt } = folder.record;
  const what = `there is no unfinished run; the newest finished one is ${id} (${movesText(moves)}, started ${startedAt})`;
  throw new MigrateError('usage', what, { next: runCommandLine('rollback', id, settings) });
}

/** The same run, also when another has become the newest by then. */
function namingRun(command: string, named: string | undefined, id: string): string {
  return named === undefined ? command.replace(' rollback', ` rollback ${id}`) : command;
}

/** The backup that `--from-backup` names, checked whole. Throws MigrateError `refused` where it is not of this move's source. */
async function backupSource(settings: Settings, { record }: RunFolder): Promise<BackupSource> {
  const backup = await chooseBackup(settings['state-dir'], settings['from-backup'] ?? '');
  const { id, manifest } = backup;
  const next = 'tenant-migrate backup list shows the others';
  if (!record.moves.some(({ source }) => source === manifest.tenant)) {
    const text = `backup ${id} is of ${manifest.tenant}, which is not what run ${record.id} moved`;
    throw new MigrateError('refused', text, { next });
  }
  const problems = await backup.problems();
  if (problems.length > 0) {
    throw new MigrateError('refused', `backup ${id} is damaged: ${problems.join('; ')}`, { next });
  }
  const stages = manifest.parts.map(({ stage }) => stage);
  return { id, tenant: manifest.tenant, stages, part: (stage) => backup.part(stage) };
}

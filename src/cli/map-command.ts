import { MigrateError } from '../model/errors.ts';
import type { WaveView } from '../model/waves.ts';
import type { MapInput } from '../orchestrator/map-input.ts';
import { executeMap } from '../orchestrator/map-run.ts';
import type { RunCommand } from '../report/report.ts';
import type { ConfigSecrets } from '../stages/config/config-secrets.ts';
import { wireMaps, wireStages } from '../wire.ts';
import { backupBeforeMove } from './backup-before-move.ts';
import { carryOut, type Lent } from './carry-out.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { tellResult } from './reporting.ts';
import type { Asked, AskedList } from './run-command.ts';

/** What the command line asks for, and what the run's record keeps of it. */
interface AskedMap extends Asked {
  readonly list: AskedList;
  readonly recorded: MapInput['settings'];
  readonly confirm: MapInput['confirm'];
}

/** A list that takes several waves, new or resumed. Returns the exit code. */
export async function mapCommand(asked: AskedMap, invocation: Invocation, ctx: CommandContext): Promise<number> {
  const { command } = invocation;
  const { settings, profile, moves, list, skipped, options } = asked;
  refuseStoredPlan(asked, invocation);
  const work = ({ settings: reached, secrets, ports, emit }: Lent) =>
    executeMap({
      ...ports,
      command: command as RunCommand,
      moves,
      ...list,
      maps: wireMaps(settings['state-dir']),
      missing: settings['skip-missing'] ? 'skip' : 'refuse',
      dryRun: settings['dry-run'],
      stagesFor: (view) =>
        wireStages({ settings: reached, profile, secrets: secretsFor(secrets, view), emit }, skipped),
      skipped,
      profile,
      options,
      settings: asked.recorded,
      acceptDifferences: settings['accept-differences'],
      detailedExitCode: settings['detailed-exitcode'],
      confirm: asked.confirm,
      backup: settings.backup ? (stages) => backupBeforeMove({ settings, stages, skipped, emit }) : undefined,
      autoRollback: settings['auto-rollback'],
    });
  const { report, plan, freeBytes } = await carryOut({ invocation, settings, skipped, ctx, list: moves }, work);
  await tellResult({ report, plan, freeBytes, command, settings, ctx });
  return report.exitCode;
}

/** A plan holds what the stores are now, and a later wave is planned on what the one before it leaves. */
function refuseStoredPlan(
  { settings, stored, list }: Asked & { readonly list: AskedList },
  { command }: Invocation,
): void {
  if (stored === undefined && settings.out === undefined) return;
  const what = command === 'apply' ? 'this plan' : 'this list';
  throw new MigrateError('usage', `${what} takes ${list.waves.waves.length} waves, which no stored plan can hold`, {
    next: 'look at it with plan --map without --out, then: tenant-migrate move --map',
  });
}

/**
 * The values of one wave: those that the file gives for the tenants whose configs it meets. They are given under the ids
 * that the tenants had before the first wave.
 */
export function secretsFor(given: ConfigSecrets | undefined, view: WaveView | undefined): ConfigSecrets | undefined {
  if (given === undefined || view === undefined) return given;
  const own: Record<string, ConfigSecrets[string]> = {};
  for (const [index, { source, target }] of view.moves.entries()) {
    const origin = view.carries[index] ?? source;
    if (given[origin] !== undefined) own[source] = given[origin];
    if (given[target] !== undefined && !view.emptied.has(target)) own[target] = given[target];
  }
  return Object.keys(own).length > 0 ? own : undefined;
}

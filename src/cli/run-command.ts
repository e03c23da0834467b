import { readFile, writeFile } from 'node:fs/promises';
import type { RunFolder } from '../journal/run-folder.ts';
import { errorText, MigrateError } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import { parseKeyTemplate } from '../model/key-template.ts';
import { type Move, tenantIdProblem } from '../model/move.ts';
import { parsePointIdScheme } from '../model/point-id.ts';
import { makeRunPlan, readRunPlan } from '../orchestrator/plan.ts';
import { executeRun } from '../orchestrator/run.ts';
import { undoFailed } from '../orchestrator/undo-failed.ts';
import { generic } from '../profiles/generic.ts';
import type { Profile } from '../profiles/profile.ts';
import { ragApi } from '../profiles/rag-api.ts';
import type { RunEvent } from '../report/event.ts';
import type { RunCommand, RunPlan } from '../report/report.ts';
import type { StageName, StageOptions } from '../stages/stage.ts';
import { wireFolders, wireStages } from '../wire.ts';
import { backupBeforeMove } from './backup-before-move.ts';
import { chooseRun } from './choose-run.ts';
import { readConfigSecrets } from './config-secrets-file.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { keptSelection } from './kept-selection.ts';
import { ownPlan } from './own-plan.ts';
import { printResult, startReporting } from './reporting.ts';
import { runPorts } from './run-ports.ts';
import { readSettings, type Settings, skippedStages } from './settings.ts';
import { askYes, isInteractive } from './terminal.ts';

/** One of the commands that make a run: settings → stages → run → report on stdout. Returns the exit code. */
export async function runCommand(invocation: Invocation, ctx: CommandContext): Promise<number> {
  const { command, flags } = invocation;
  const asked = await askedFor(invocation, ctx);
  const { settings, profile, moves, stored, skipped, options } = asked;
  const reporting = startReporting(invocation, settings, ctx);
  const emit = (event: RunEvent) => reporting.take(event);
  ctx.signal.addEventListener('abort', () => emit({ type: 'stopping', signal: errorText(ctx.signal.reason) }));
  const secrets = await readConfigSecrets(settings['config-secrets'], flags['config-secrets'] !== undefined);
  const wiring = { settings, profile, secrets, emit };
  const ports = await runPorts(settings, skipped, { ctx, emit });
  const stages = wireStages(wiring, skipped);
  const report = await executeRun({
    ...ports,
    command: command as RunCommand,
    resume: asked.resume,
    moves,
    dryRun: settings['dry-run'],
    stages,
    skipped,
    profile,
    options,
    settings: recordedSettings(settings, options, asked.resume),
    stored: stored === undefined ? undefined : narrowed(stored, skipped),
    exactPlan: settings['exact-plan'],
    acceptDifferences: settings['accept-differences'],
    detailedExitCode: settings['detailed-exitcode'],
    confirm: confirmation(command, settings, ctx),
    backup: settings.backup ? backupBeforeMove({ settings, stages, skipped, emit }) : undefined,
  })
    .then((first) => {
      if (!settings['auto-rollback'] || first.outcome !== 'failed') return first;
      return undoFailed(first, { ...ports, skipped, options, stages: wireStages(wiring, skipped) });
    })
    .finally(() => reporting.close());
  if (settings.out !== undefined && reporting.plan() !== undefined) await writePlan(settings.out, reporting.plan());
  printResult({ report, plan: reporting.plan(), freeBytes: reporting.freeBytes(), command, settings, ctx });
  return report.exitCode;
}

/** What the command line asks for: a move that is named, one that a plan holds, or one that a run has begun. */
interface Asked {
  readonly settings: Settings;
  readonly profile: Profile;
  readonly moves: readonly Move[];
  readonly stored: RunPlan | undefined;
  readonly resume: RunFolder | undefined;
  readonly skipped: readonly StageName[];
  readonly options: StageOptions;
}

async function askedFor({ command, positionals, flags }: Invocation, ctx: CommandContext): Promise<Asked> {
  const { env } = ctx.terminal;
  const settings = await readSettings({ command, flags, env });
  if (command === 'resume') {
    const folder = await chooseRun(wireFolders(settings['state-dir']), positionals.run, 'unfinished');
    const { moves, settings: recorded } = folder.record;
    const again = await readSettings({ command, flags, env, recorded });
    // Under the profile with which the run began, whatever this version's is.
    const profile = (await ownPlan(folder))?.profile ?? profileOf(again);
    const skipped = skippedStages(again);
    return { settings: again, profile, moves, stored: undefined, resume: folder, skipped, options: optionsOf(again) };
  }
  const stored = command === 'apply' ? await readPlanFile(positionals.plan ?? '') : undefined;
  const profile = stored?.profile ?? profileOf(settings);
  const moves = stored?.moves ?? [moveOf(positionals, profile)];
  const options = { ...optionsOf(settings), ...stored?.options };
  return { settings, profile, moves, stored, resume: undefined, skipped: skippedStages(settings, stored), options };
}

/** What the run's record keeps; what a stored plan decides stands in it as well, so that the run is resumed so. */
function recordedSettings(
  settings: Settings,
  options: StageOptions,
  resumed: RunFolder | undefined,
): Readonly<Record<string, Json>> {
  return {
    ...settings.recorded,
    ...(resumed === undefined ? {} : keptSelection(resumed.record.settings, settings.recorded)),
    merge: options.merge,
    'on-conflict': options.onConflict,
    verify: options.verify,
    'sample-seed': String(options.seed),
    ...(options.batchSize === undefined ? {} : { 'batch-size': String(options.batchSize) }),
    'fail-on-unclaimed': options.failOnUnclaimed,
    'ambiguous-keys': options.ambiguousKeys,
    'delete-source-config': options.deleteSourceConfig,
    'qdrant-mode': options.qdrantMode,
  };
}

function moveOf(positionals: Readonly<Record<string, string>>, profile: Profile): Move {
  const move = { source: positionals.source ?? '', target: positionals.target ?? '' };
  for (const [end, id] of Object.entries(move)) {
    const problem = tenantIdProblem(id) ?? profileIdProblem(id, profile);
    if (problem !== undefined) throw usage(`the ${end} tenant id '${id}' ${problem}`, 'correct the id');
  }
  if (move.source === move.target)
    throw usage(
      `source and target are the same: '${move.source}'`,
      'give the id that the tenant shall have afterwards',
    );
  return move;
}

/** What the application's key layout forbids: a separator, or the first word of a key of another kind. */
export function profileIdProblem(id: string, profile: Profile): string | undefined {
  for (const character of profile.forbiddenInIds) {
    if (id.includes(character)) return `holds '${character}', which the profile ${profile.name} uses as a separator`;
  }
  const words = [...profile.keyTemplates, ...profile.configKeyTemplates].map(
    (text) => text.split('{tenant}')[0]?.split(':')[0],
  );
  if (id !== '' && words.includes(id))
    return `is a word that the profile ${profile.name} uses as the start of its own keys`;
  return undefined;
}

/** What belongs to a tenant, as the flags say. */
export function profileOf(settings: Settings): Profile {
  const base = settings.profile === 'generic' ? generic : ragApi;
  for (const template of settings['key-template']) parseKeyTemplate(template);
  const pointId = settings['point-id'];
  return {
    ...base,
    keyTemplates: [...new Set([...base.keyTemplates, ...settings['key-template']])],
    qdrantField: settings['qdrant-field'] ?? base.qdrantField,
    ...graphShape(settings),
    pointIdSchemes: [...base.pointIdSchemes, ...(pointId === undefined ? [] : [parsePointIdScheme(pointId)])],
    config: { ...base.config, path: settings['api-path'] },
  };
}

/** Absent where nothing is set, so that a profile without it keeps its digest. */
function graphShape(settings: Settings): Pick<Profile, 'graphLabel' | 'graphProperties'> {
  const label = settings['graph-label'];
  const names = [...new Set(settings['graph-property'])];
  return {
    ...(label === undefined ? {} : { graphLabel: label }),
    ...(names.length === 0 ? {} : { graphProperties: names }),
  };
}

/** A stored plan without the stages that are left out now: its digest must cover those that take part, and no other. */
function narrowed(plan: RunPlan, skipped: readonly StageName[]): RunPlan {
  const stages = plan.stages.filter(({ stage }) => !skipped.includes(stage));
  if (stages.length === plan.stages.length) return plan;
  return makeRunPlan({ ...plan, stages });
}

/** What the flags say about how the stages work. */
export function optionsOf(settings: Settings): StageOptions {
  return {
    batchSize: settings['batch-size'],
    merge: settings.merge,
    continuing: false,
    onConflict: settings['on-conflict'],
    settleMs: settings.settle,
    verify: settings.verify,
    seed: settings['sample-seed'],
    failOnUnclaimed: settings['fail-on-unclaimed'],
    ambiguousKeys: settings['ambiguous-keys'],
    deleteSourceConfig: settings['delete-source-config'],
    qdrantMode: settings['qdrant-mode'],
  };
}

function confirmation(
  command: string,
  settings: Settings,
  ctx: CommandContext,
): ((plan: RunPlan) => Promise<boolean>) | undefined {
  const asks =
    (command === 'move' || command === 'resume') &&
    !settings['dry-run'] &&
    !settings.yes &&
    isInteractive(ctx.terminal);
  if (!asks) return undefined;
  return ({ moves }) => askYes(ctx, `Move ${moves.map(({ source, target }) => `${source} to ${target}`).join(', ')}?`);
}

async function readPlanFile(path: string): Promise<RunPlan> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw usage(
      `the plan ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`,
      'make one with tenant-migrate plan <source> <target> --out plan.json',
    );
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw usage(
      `the plan ${path} is not JSON (${errorText(error)})`,
      'make one with tenant-migrate plan <source> <target> --out plan.json',
    );
  }
  return readRunPlan(document, path);
}

async function writePlan(path: string, plan: RunPlan | undefined): Promise<void> {
  try {
    await writeFile(path, `${JSON.stringify(plan, undefined, 2)}\n`, { mode: 0o600 });
  } catch (error) {
    throw usage(
      `the plan cannot be written to ${path} (${(error as NodeJS.ErrnoException).code})`,
      'give another --out',
    );
  }
}

function usage(message: string, next: string): MigrateError {
  return new MigrateError('usage', message, { next });
}

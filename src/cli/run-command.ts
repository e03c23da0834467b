import { readFile, writeFile } from 'node:fs/promises';
import { errorText, MigrateError } from '../model/errors.ts';
import { parseKeyTemplate } from '../model/key-template.ts';
import { type Move, tenantIdProblem } from '../model/move.ts';
import { makeRunPlan, readRunPlan } from '../orchestrator/plan.ts';
import { executeRun } from '../orchestrator/run.ts';
import { generic } from '../profiles/generic.ts';
import type { Profile } from '../profiles/profile.ts';
import { ragApi } from '../profiles/rag-api.ts';
import type { RunEvent } from '../report/event.ts';
import type { RunCommand, RunPlan } from '../report/report.ts';
import type { StageName, StageOptions } from '../stages/stage.ts';
import { wireFolders, wireStages } from '../wire.ts';
import { readConfigSecrets } from './config-secrets-file.ts';
import { forRealCommand } from './for-real.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { ownVersion } from './own-version.ts';
import { repeatCommand } from './repeat-command.ts';
import { printResult, startReporting } from './reporting.ts';
import { readSettings, type Settings, skippedStages } from './settings.ts';
import { askYes, isInteractive } from './terminal.ts';

/** One of the commands that make a run: settings → stages → run → report on stdout. Returns the exit code. */
export async function runCommand(invocation: Invocation, ctx: CommandContext): Promise<number> {
  const { positionals, flags } = invocation;
  const command = invocation.command as RunCommand;
  const settings = await readSettings({ command, flags, env: ctx.terminal.env });
  const stored = command === 'apply' ? await readPlanFile(positionals.plan ?? '') : undefined;
  const profile = stored?.profile ?? profileOf(settings);
  const moves = stored?.moves ?? [moveOf(positionals, profile)];
  const skipped = skippedStages(settings, stored);
  const reporting = startReporting(invocation, settings, ctx);
  const emit = (event: RunEvent) => reporting.take(event);
  ctx.signal.addEventListener('abort', () => emit({ type: 'stopping', signal: errorText(ctx.signal.reason) }));
  const secrets = await readConfigSecrets(settings['config-secrets'], flags['config-secrets'] !== undefined);
  const report = await executeRun({
    command,
    moves,
    dryRun: settings['dry-run'],
    stages: wireStages({ settings, profile, secrets, emit }, skipped),
    skipped,
    profile,
    options: stored === undefined ? optionsOf(settings) : { ...optionsOf(settings), ...stored.options },
    stored: stored === undefined ? undefined : narrowed(stored, skipped),
    exactPlan: settings['exact-plan'],
    acceptDifferences: settings['accept-differences'],
    detailedExitCode: settings['detailed-exitcode'],
    confirm: confirmation(command, settings, ctx),
    folders: wireFolders(settings['state-dir']),
    toolVersion: await ownVersion(),
    again: repeatCommand(ctx.argv),
    forReal: forRealCommand(ctx.argv),
    signal: ctx.signal,
    clock: { now: () => Date.now() },
    emit,
  }).finally(() => reporting.close());
  if (settings.out !== undefined && reporting.plan() !== undefined) await writePlan(settings.out, reporting.plan());
  printResult({ report, plan: reporting.plan(), command, settings, ctx });
  return report.exitCode;
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
function profileIdProblem(id: string, profile: Profile): string | undefined {
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

function profileOf(settings: Settings): Profile {
  const base = settings.profile === 'generic' ? generic : ragApi;
  for (const template of settings['key-template']) parseKeyTemplate(template);
  return {
    ...base,
    keyTemplates: [...new Set([...base.keyTemplates, ...settings['key-template']])],
    qdrantField: settings['qdrant-field'] ?? base.qdrantField,
    config: { ...base.config, path: settings['api-path'] },
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
    deleteSourceConfig: settings['delete-source-config'],
  };
}

function confirmation(
  command: string,
  settings: Settings,
  ctx: CommandContext,
): ((plan: RunPlan) => Promise<boolean>) | undefined {
  const asks = command === 'move' && !settings['dry-run'] && !settings.yes && isInteractive(ctx.terminal);
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

import { MapFolder } from '../journal/map-folder.ts';
import type { RunFolder } from '../journal/run-folder.ts';
import { MigrateError } from '../model/errors.ts';
import type { Json } from '../model/json.ts';
import { keptSelection } from '../model/kept-selection.ts';
import { parseKeyTemplate } from '../model/key-template.ts';
import type { Move } from '../model/move.ts';
import { parseNameTemplate } from '../model/name-template.ts';
import { canonicalPath } from '../model/payload-path.ts';
import { parsePointIdScheme } from '../model/point-id.ts';
import { parseValueField, type ValueField } from '../model/value-field.ts';
import type { Waves } from '../model/waves.ts';
import { begunHooks } from '../orchestrator/begun-hooks.ts';
import { makeRunPlan, readRunPlan } from '../orchestrator/plan.ts';
import { executeRun } from '../orchestrator/run.ts';
import { undoFailed } from '../orchestrator/undo-failed.ts';
import { generic } from '../profiles/generic.ts';
import type { Profile } from '../profiles/profile.ts';
import { ragApi } from '../profiles/rag-api.ts';
import type { RunCommand, RunPlan } from '../report/report.ts';
import type { StageName, StageOptions } from '../stages/stage.ts';
import { wireStages } from '../wire.ts';
import { askedMoves, wavesUnder } from './asked-moves.ts';
import { backupBeforeMove } from './backup-before-move.ts';
import { carryOut, type Lent } from './carry-out.ts';
import { chooseRun } from './choose-run.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { mapCommand } from './map-command.ts';
import { ownPlan } from './own-plan.ts';
import { readPlanFile, writePlan } from './plan-file.ts';
import { tellResult } from './reporting.ts';
import { readSettings, type Settings, skippedStages } from './settings.ts';
import { askYes, isInteractive } from './terminal.ts';

/** One of the commands that make a run: settings → stages → run → report on stdout. Returns the exit code. */
export async function runCommand(invocation: Invocation, ctx: CommandContext): Promise<number> {
  const { command } = invocation;
  const asked = await askedFor(invocation, ctx);
  if (asked.list !== undefined) {
    const { settings, options, list } = asked;
    const recorded = recordedSettings(settings, options, list.resume);
    return mapCommand({ ...asked, list, recorded, confirm: confirmation(command, settings, ctx) }, invocation, ctx);
  }
  const { settings, profile, moves, stored, skipped, options } = asked;
  const work = async ({ settings: reached, secrets, ports, emit }: Lent) => {
    const wiring = { settings: reached, profile, secrets, emit };
    const stages = wireStages(wiring, skipped);
    const first = await executeRun({
      ...ports,
      command: command as RunCommand,
      resume: asked.resume,
      moves,
      missing: settings['skip-missing'] ? 'skip' : 'refuse',
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
    });
    if (!settings['auto-rollback'] || first.outcome !== 'failed') return first;
    return undoFailed(first, {
      ...ports,
      hooks: begunHooks(ports.hooks),
      skipped,
      options,
      stages: wireStages(wiring, skipped),
    });
  };
  const { report, plan, freeBytes } = await carryOut({ invocation, settings, skipped, ctx }, work);
  if (settings.out !== undefined && plan !== undefined) await writePlan(settings.out, plan);
  await tellResult({ report, plan, freeBytes, command, settings, ctx });
  return report.exitCode;
}

/** What the command line asks for: a move that is named, one that a plan holds, or one that a run has begun. */
export interface Asked {
  readonly settings: Settings;
  readonly profile: Profile;
  readonly moves: readonly Move[];
  /** Where the moves take several waves. */
  readonly list: AskedList | undefined;
  readonly stored: RunPlan | undefined;
  readonly resume: RunFolder | undefined;
  readonly skipped: readonly StageName[];
  readonly options: StageOptions;
}

/** A list that takes several waves: one that is named, or one that was begun. */
export interface AskedList {
  readonly waves: Waves;
  readonly resume: MapFolder | undefined;
}

async function askedFor({ command, positionals, flags }: Invocation, ctx: CommandContext): Promise<Asked> {
  const { env } = ctx.terminal;
  const settings = await readSettings({ command, flags, env });
  if (command === 'resume') {
    const folder = await chooseRun(settings['state-dir'], positionals.run, 'unfinished');
    const { moves, settings: recorded } = folder.record;
    const again = await readSettings({ command, flags, env, recorded });
    if (folder instanceof MapFolder) {
      const { profile, waves, temporary } = folder.record;
      return {
        settings: again,
        profile: profile as unknown as Profile,
        moves,
        list: { waves: { waves, temporary }, resume: folder },
        stored: undefined,
        resume: undefined,
        skipped: skippedStages(again),
        options: optionsOf(again),
      };
    }
    // Under the profile with which the run began, whatever this version's is.
    const profile = (await ownPlan(folder))?.profile ?? profileOf(again);
    const skipped = skippedStages(again);
    const options = optionsOf(again);
    return { settings: again, profile, moves, list: undefined, stored: undefined, resume: folder, skipped, options };
  }
  const stored = command === 'apply' ? await storedPlan(positionals.plan, ctx) : undefined;
  const profile = stored?.profile ?? profileOf(settings);
  const moves = stored?.moves ?? (await askedMoves(positionals, settings, profile));
  const waves = wavesUnder(moves, profile);
  const list = waves.waves.length > 1 ? { waves, resume: undefined } : undefined;
  const options = { ...optionsOf(settings), ...stored?.options };
  const skipped = skippedStages(settings, stored);
  return { settings, profile, moves, list, stored, resume: undefined, skipped, options };
}

function storedPlan(path: string | undefined, { listener }: CommandContext): Promise<RunPlan> | RunPlan {
  if (listener?.plan === undefined) return readPlanFile(path ?? '');
  return readRunPlan(structuredClone(listener.plan), 'that was handed over');
}

/** What the run's record keeps; what a stored plan decides stands in it as well, so that the run is resumed so. */
function recordedSettings(
  settings: Settings,
  options: StageOptions,
  resumed: { readonly record: { readonly settings: Readonly<Record<string, Json>> } } | undefined,
): Readonly<Record<string, Json>> {
  return {
    ...settings.recorded,
    ...(resumed === undefined ? {} : keptSelection(resumed.record.settings, settings.recorded)),
    merge: options.merge,
    ...(options.redisMode === undefined ? {} : { 'redis-mode': options.redisMode }),
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

/** Where values name their tenant. A field of keys that no template claims would be a mistake without a sign. */
function valueFields(settings: Settings, base: Profile): readonly ValueField[] {
  if (settings['keep-values']) return [];
  const given = settings['value-field'].map(parseValueField);
  const claimed = new Set([...base.keyTemplates, ...settings['key-template']]);
  for (const { template } of given) {
    if (!claimed.has(template)) {
      throw new MigrateError('usage', `--value-field names the keys '${template}', which no template claims`, {
        next: `add --key-template '${template}'`,
      });
    }
  }
  const replaced = new Set(given.map(({ template }) => template));
  return [...base.values.filter(({ template }) => !replaced.has(template)), ...given];
}

/** What belongs to a tenant, as the flags say. */
export function profileOf(settings: Settings): Profile {
  const base = settings.profile === 'generic' ? generic : ragApi;
  for (const template of settings['key-template']) parseKeyTemplate(template);
  for (const template of settings['collection-template']) parseNameTemplate(template);
  const pointId = settings['point-id'];
  return {
    ...base,
    keyTemplates: [...new Set([...base.keyTemplates, ...settings['key-template']])],
    ...graphShape(settings),
    qdrantField: canonicalPath(settings['qdrant-field'] ?? base.qdrantField),
    collectionTemplates: [...new Set([...base.collectionTemplates, ...settings['collection-template']])],
    collectionMode: settings['collection-mode'],
    pointIdSchemes: [...base.pointIdSchemes, ...(pointId === undefined ? [] : [parsePointIdScheme(pointId)])],
    values: valueFields(settings, base),
    config: { ...base.config, path: settings['api-path'], refreshPath: `${settings['api-path']}/refresh` },
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
    concurrency: settings.concurrency,
    merge: settings.merge,
    continuing: false,
    redisMode: settings['redis-mode'],
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
  const { listener } = ctx;
  if (listener !== undefined) return command === 'plan' || command === 'verify' ? undefined : listener.confirm;
  const asks =
    (command === 'move' || command === 'resume') &&
    !settings['dry-run'] &&
    !settings.yes &&
    isInteractive(ctx.terminal);
  if (!asks) return undefined;
  return ({ moves }) => askYes(ctx, question(moves));
}

const MOST_ASKED = 5;

function question(moves: readonly Move[]): string {
  const first = moves.slice(0, MOST_ASKED).map(({ source, target }) => `${source} to ${target}`);
  const more = moves.length > MOST_ASKED ? ` and ${moves.length - MOST_ASKED} more` : '';
  return `Move ${first.join(', ')}${more}?`;
}

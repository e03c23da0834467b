import pMap from 'p-map';
import { MigrateError } from '../model/errors.ts';
import type { Move } from '../model/move.ts';
import type { ConfigReader, ConfigWriter } from '../stores/config-api/config-api.ts';
import { applyConfigs, finalizeConfigs } from './config/apply.ts';
import { configBackup } from './config/backup.ts';
import { type ConfigPair, type ConfigPlan, deletesSource, planConfig } from './config/config-plan.ts';
import { type ConfigSecrets, givenFields, type SecretsOf, strayNames } from './config/config-secrets.ts';
import { note, readSections } from './config/record.ts';
import { recordedFields, type UnmaskedRecords } from './config/recorded-secrets.ts';
import { undoConfigs } from './config/undo.ts';
import { verifyConfigs } from './config/verify.ts';
import type { PlanContext, Problem, Stage } from './stage.ts';

/**
 * Moves the tenant's config through the application's API: the source's sections are PUT under the target's id, with
 * real values in place of what the API masks: the given ones, else those of the application's own record (`records`). The source's config stays, unless its deletion is asked for.
 * Secrets of what is overwritten or deleted are kept in the undo log only where there is a key, and sealed with it.
 */
export function configStage(
  given: ConfigSecrets | undefined,
  { encryptionKey, records }: { readonly encryptionKey?: string | undefined; readonly records?: UnmaskedRecords } = {},
): Stage<ConfigReader, ConfigWriter, ConfigPlan> {
  const known: Known = { given, key: encryptionKey, records };
  return {
    name: 'config',
    preflight: async (moves, ctx, probe) => {
      // There is no write that changes nothing: PUT and DELETE on a made-up tenant would be seen by the application.
      if (probe !== undefined) note(ctx, 'Whether the config API may be written to shows at the first write');
      return preflight(moves, ctx);
    },
    plan: (moves, ctx) => planConfigs(moves, ctx, known),
    apply: (plan, ctx) => applyConfigs(plan, ctx, secretsOf(plan.configs, ctx, known)),
    verify: (plan, phase, ctx) => verifyConfigs(plan, { phase, secretsOf: secretsOf(plan.configs, ctx, known) }, ctx),
    finalize: (plan, ctx) => finalizeConfigs(plan, ctx, secretsOf(plan.configs, ctx, known)),
    undo: (plan, ctx) => undoConfigs(plan, ctx, secretsOf(plan.configs, ctx, known)),
    quiesce: (_moves, ctx) => waitForRequests(ctx),
    backup: configBackup(known),
  };
}

/** Requests under way at a time while many moves are read. */
const READS_AT_ONCE = 8;

interface Known {
  readonly given: ConfigSecrets | undefined;
  readonly key: string | undefined;
  /** Where the application keeps them, if it can be read. */
  readonly records: UnmaskedRecords | undefined;
}

type Read = { readonly pair: ConfigPair } | { readonly move: Move; readonly error: MigrateError };

async function preflight(moves: readonly Move[], ctx: PlanContext<ConfigReader>): Promise<readonly Problem[]> {
  const dotted = [...new Set(moves.flatMap(({ source, target }) => [source, target]))].filter(isDotSegment);
  if (dotted.length > 0) return dotted.map(dotSegmentProblem);
  const problems = new Map<string, Problem>();
  for (const read of await readPairs(moves, ctx)) {
    if ('pair' in read) continue;
    const { code, message, next } = read.error;
    problems.set(message, { stage: 'config', code, message, fix: next ?? 'leave the config out with --skip-config' });
  }
  return [...problems.values()];
}

async function planConfigs(moves: readonly Move[], ctx: PlanContext<ConfigReader>, known: Known): Promise<ConfigPlan> {
  const { sections, maskedMembers } = ctx.profile.config;
  const started = ctx.clock.now();
  const reads = await readPairs(moves, ctx);
  const pairs = reads.map((read) => {
    if ('error' in read) throw read.error;
    return read.pair;
  });
  const msForOne = (ctx.clock.now() - started) / Math.max(1, moves.length);
  const secrets = secretsOf(moves, ctx, known);
  const decide = async (pair: ConfigPair) =>
    planConfig(pair, { secrets: await secrets(pair.move, pair), maskedMembers, options: ctx.options });
  const decided = await pMap(pairs, decide, { concurrency: READS_AT_ONCE });
  const configs = decided.map(({ planned }) => planned);
  for (const { source, action } of configs) {
    note(ctx, action === 'none' ? `No source config: ${source}` : `Source config found: ${source}`);
  }
  const found = configs.filter(({ action }) => action !== 'none');
  const stray = strayNames(known.given, { moves, sections });
  const undoBytes = decided.reduce((sum, each) => sum + each.undoBytes, 0);
  return {
    stage: 'config',
    unit: 'config records',
    moves: pairs.map(({ move, target }, index) => ({
      source: move.source,
      target: move.target,
      found: configs[index]?.action === 'none' ? 0 : 1,
      atTarget: target === undefined ? 0 : 1,
    })),
    shapes: found.map(({ source, target }) => ({
      from: ctx.store.pathOf(source),
      to: ctx.store.pathOf(target),
      count: 1,
    })),
    settled: found.every((one) => one.action === 'leave' && !deletesSource(one, ctx.options)),
    conflicts: configs.filter(({ action }) => action === 'conflict' || action === 'overwrite').length,
    notices: decided.flatMap(({ notices }) => notices),
    problems: [...(stray.length > 0 ? [strayProblem(stray)] : []), ...decided.flatMap(({ problems }) => problems)],
    // A write costs two reads and the write itself.
    estimateMs: Math.round(found.length * msForOne * 1.5),
    ...(undoBytes > 0 ? { undoBytes } : {}),
    basis: { sections, maskedMembers },
    configs,
  };
}

/** Reads both ends of each move. The rest is left out once the API is known to be away or to refuse us. */
async function readPairs(moves: readonly Move[], ctx: PlanContext<ConfigReader>): Promise<readonly Read[]> {
  let hopeless = false;
  const reads = await pMap(
    moves,
    async (move): Promise<Read | undefined> => {
      if (hopeless) return undefined;
      try {
        const source = await readSections(ctx, move.source);
        return { pair: { move, source, target: await readSections(ctx, move.target) } };
      } catch (error) {
        if (!(error instanceof MigrateError)) throw error;
        hopeless ||= error.code === 'unreachable' || error.code === 'unauthorised';
        return { move, error };
      }
    },
    { concurrency: READS_AT_ONCE },
  );
  return reads.filter((read) => read !== undefined);
}

function secretsOf(moves: readonly Move[], ctx: PlanContext<ConfigReader>, known: Known): SecretsOf {
  const { given, key, records } = known;
  const { sections } = ctx.profile.config;
  return async (move, found) => {
    const fields = givenFields(given, move, { moves, sections });
    const [source, target] = await Promise.all([
      recordedFields(records, move.source, found.source, ctx.profile),
      recordedFields(records, move.target, found.target, ctx.profile),
    ]);
    return {
      source: { given: fields.source, ...source, key },
      target: { given: fields.target, ...target, key },
    };
  };
}

/** A PUT of a broken process may be on its way still, and HTTP has no way to end it. */
async function waitForRequests(ctx: PlanContext<ConfigWriter>): Promise<void> {
  const { settleMs } = ctx.options;
  note(ctx, `Waiting ${settleMs / 1_000} s for what a broken process may have sent to the config API (--settle)`);
  await ctx.store.pause(settleMs, ctx.signal);
}

/** URL normalisation eats `.` and `..`, encoded or not: the request would reach another path. */
function isDotSegment(id: string): boolean {
  return id === '.' || id === '..';
}

function dotSegmentProblem(id: string): Problem {
  const message = `the tenant id ${id} cannot stand in the path of a URL`;
  return { stage: 'config', code: 'tenant-id', message, fix: 'leave the config out with --skip-config' };
}

function strayProblem(names: readonly string[]): Problem {
  return {
    stage: 'config',
    code: 'unknown-secret',
    message: `--config-secrets names ${names.join(', ')}, which belongs to no section of the config and no tenant`,
    fix: 'write { "llm_config": { "api_key": "…" } }, for several moves by tenant',
  };
}

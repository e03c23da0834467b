import pMap from 'p-map';
import { MigrateError } from '../model/errors.ts';
import type { Move } from '../model/move.ts';
import type { ConfigReader, ConfigWriter } from '../stores/config-api/config-api.ts';
import { applyConfigs, finalizeConfigs } from './config/apply.ts';
import { type ConfigPair, type ConfigPlan, planConfig } from './config/config-plan.ts';
import { type ConfigSecrets, type GivenFields, givenFields, strayNames } from './config/config-secrets.ts';
import { note, readSections } from './config/record.ts';
import { undoConfigs } from './config/undo.ts';
import { verifyConfigs } from './config/verify.ts';
import type { PlanContext, Problem, Stage } from './stage.ts';

/**
 * Moves the tenant's config through the application's API: the source's sections are PUT under the target's id, with
 * the given real values in place of what the API masks. The source's config stays, unless its deletion is asked for.
 */
export function configStage(given: ConfigSecrets | undefined): Stage<ConfigReader, ConfigWriter, ConfigPlan> {
  return {
    name: 'config',
    preflight: async (moves, ctx, probe) => {
      // There is no write that changes nothing: PUT and DELETE on a made-up tenant would be seen by the application.
      if (probe !== undefined) note(ctx, 'Whether the config API may be written to shows at the first write');
      return preflight(moves, ctx);
    },
    plan: (moves, ctx) => planConfigs(moves, ctx, given),
    apply: (plan, ctx) => applyConfigs(plan, ctx, givenBySource(plan, ctx, given)),
    verify: verifyConfigs,
    finalize: (plan, ctx) => finalizeConfigs(plan, ctx, givenBySource(plan, ctx, given)),
    undo: (plan, ctx) => undoConfigs(plan, ctx, givenBySource(plan, ctx, given)),
  };
}

/** Requests under way at a time while many moves are read. */
const READS_AT_ONCE = 8;

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

async function planConfigs(
  moves: readonly Move[],
  ctx: PlanContext<ConfigReader>,
  given: ConfigSecrets | undefined,
): Promise<ConfigPlan> {
  const { sections, maskedMembers } = ctx.profile.config;
  const started = ctx.clock.now();
  const reads = await readPairs(moves, ctx);
  const pairs = reads.map((read) => {
    if ('error' in read) throw read.error;
    return read.pair;
  });
  const msForOne = (ctx.clock.now() - started) / Math.max(1, moves.length);
  const decided = pairs.map((pair) => {
    const single = moves.length === 1;
    const fields = givenFields(given, { source: pair.move.source, single, sections });
    return planConfig(pair, { given: fields, maskedMembers, options: ctx.options });
  });
  const configs = decided.map(({ planned }) => planned);
  for (const { source, action } of configs) {
    note(ctx, action === 'none' ? `No source config: ${source}` : `Source config found: ${source}`);
  }
  const found = configs.filter(({ action }) => action !== 'none');
  const stray = strayNames(given, { sources: moves.map(({ source }) => source), sections });
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
    settled: found.every(({ action }) => action === 'leave' && !ctx.options.deleteSourceConfig),
    conflicts: configs.filter(({ action }) => action === 'conflict').length,
    notices: decided.flatMap(({ notices }) => notices),
    problems: [...(stray.length > 0 ? [strayProblem(stray)] : []), ...decided.flatMap(({ problems }) => problems)],
    // A write costs two reads and the write itself.
    estimateMs: Math.round(found.length * msForOne * 1.5),
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

function givenBySource(
  plan: ConfigPlan,
  ctx: PlanContext<ConfigReader>,
  given: ConfigSecrets | undefined,
): (source: string) => GivenFields {
  const { sections } = ctx.profile.config;
  return (source) => givenFields(given, { source, single: plan.configs.length === 1, sections });
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
    message: `--config-secrets names ${names.join(', ')}, which belongs to no section of the config and no source tenant`,
    fix: 'write { "llm_config": { "api_key": "…" } }, for several moves by source tenant',
  };
}

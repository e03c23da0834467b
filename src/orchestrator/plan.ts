import { MigrateError } from '../model/errors.ts';
import { digest } from '../model/fingerprint.ts';
import { canonicalJson } from '../model/json.ts';
import { type Move, moveText } from '../model/move.ts';
import type { Profile } from '../profiles/profile.ts';
import type { RunPlan } from '../report/report.ts';
import type { Problem, StagePlan } from '../stages/stage.ts';

/** Counts may differ by this share between a stored plan and its first apply, unless `--exact-plan` is given. */
const COUNT_TOLERANCE = 0.05;

interface PlanParts {
  readonly toolVersion: string;
  readonly createdAt: string;
  readonly moves: readonly Move[];
  readonly profile: Profile;
  readonly options: RunPlan['options'];
  readonly stages: readonly StagePlan[];
}

/** The plan document, with its digest and checksum. */
export function makeRunPlan({ toolVersion, createdAt, moves, profile, options, stages }: PlanParts): RunPlan {
  const { merge, onConflict, verify, seed, batchSize, failOnUnclaimed, ambiguousKeys } = options;
  const { deleteSourceConfig, redisMode, qdrantMode } = options;
  const conflicts = { merge, onConflict, failOnUnclaimed, ambiguousKeys };
  const kept = { ...conflicts, verify, seed, batchSize, deleteSourceConfig, redisMode, qdrantMode };
  const basis = stages.map(({ stage, basis: what }) => ({ stage, what }));
  const document = {
    schema: 'tenant-migrate/plan@1' as const,
    toolVersion,
    createdAt,
    moves,
    profile,
    options: kept,
    stages,
    digest: digest(canonicalJson({ toolVersion, moves, profile, options: kept, basis })),
  };
  return { ...document, checksum: checksumOf(document) };
}

/** Reads a stored plan. Throws MigrateError `stale-plan` on one that is of another format or was edited. */
export function readRunPlan(value: unknown, name: string): RunPlan {
  const plan = value as RunPlan | null;
  if (typeof plan !== 'object' || plan === null || plan.schema !== 'tenant-migrate/plan@1') {
    throw new MigrateError('stale-plan', `${name} is not a plan that this version can read`, {
      next: 'make a new one with tenant-migrate plan <source> <target> --out plan.json',
    });
  }
  const { checksum, ...document } = plan;
  if (checksumOf(document) !== checksum) {
    throw new MigrateError('stale-plan', `${name} was changed after it was made`, {
      next: 'make a new one with tenant-migrate plan <source> <target> --out plan.json',
    });
  }
  return plan;
}

function checksumOf(document: object): string {
  return digest(canonicalJson(document));
}

/** Why a stored plan does not fit what the stores hold now. */
export function stalePlanProblems(
  stored: RunPlan,
  fresh: RunPlan,
  how: { exact: boolean; continuing: boolean },
): readonly Problem[] {
  const fix = 'make a new plan and look at it: tenant-migrate plan <source> <target> --out plan.json';
  const problem = (message: string): Problem => ({ stage: 'run', code: 'stale-plan', message, fix });
  // A run that has begun has moved keys away from their shapes: there the counts alone are compared.
  if (!how.continuing && stored.digest !== fresh.digest) {
    return [problem('settings, servers, schema or key shapes are not those that the plan was made for')];
  }
  return stored.stages.flatMap((before) => {
    const now = fresh.stages.find(({ stage }) => stage === before.stage);
    return before.moves.flatMap((counts, index): Problem[] => {
      const move = now?.moves[index];
      if (move === undefined) return [];
      const planned = how.continuing ? counts.found + counts.atTarget : counts.found;
      const actual = how.continuing ? move.found + move.atTarget : move.found;
      const off = Math.abs(actual - planned);
      if (off <= (how.exact ? 0 : planned * COUNT_TOLERANCE)) return [];
      return [
        problem(`${before.stage} holds ${actual} ${before.unit} of ${moveText(counts)}, the plan says ${planned}`),
      ];
    });
  });
}

/** Source records of all moves. */
export function foundIn(plan: StagePlan): number {
  return plan.moves.reduce((sum, { found }) => sum + found, 0);
}

/** Target records of all moves. */
export function targetIn(plan: StagePlan): number {
  return plan.moves.reduce((sum, { atTarget }) => sum + atTarget, 0);
}

/** Whether apply would change anything. */
export function hasWork(plan: StagePlan): boolean {
  return (foundIn(plan) > 0 || (plan.mends ?? 0) > 0) && plan.settled !== true;
}

import type { RunFolder, RunRecord } from '../journal/run-folder.ts';
import { errorText, MigrateError } from '../model/errors.ts';
import { type Move, moveText } from '../model/move.ts';
import { stageOrder } from '../stages/index.ts';
import type { Problem, StageName, StagePlan } from '../stages/stage.ts';
import type { BoundStage, CommonContext } from './bound-stage.ts';
import { nearestIds } from './nearest-ids.ts';

/** A stage that could not even look is a problem like any other. */
export function problemOf(stage: StageName, error: unknown): Problem {
  if (error instanceof MigrateError) {
    const fix = error.next ?? `see to it, or leave it out with --skip-${stage}`;
    return { stage, code: error.code, message: error.message, fix };
  }
  return {
    stage,
    code: 'internal',
    message: errorText(error),
    fix: `leave it out with --skip-${stage}, and report this`,
  };
}

/**
 * What unfinished runs forbid: continuing one under other templates, and moving its tenants anywhere else. The latter
 * catches a mistyped target, which would split the tenant.
 */
export function unfinishedRuns(
  unfinished: readonly RunFolder[],
  run: {
    readonly same: RunFolder | undefined;
    readonly moves: readonly Move[];
    readonly profileDigest: string;
    readonly stores: Stores;
  },
): readonly Problem[] {
  return unfinished.flatMap(({ record }): Problem[] => {
    if (record === run.same?.record) {
      const elsewhere = otherStores(record.stores, run.stores);
      if (elsewhere.length > 0) return [otherStoresProblem(record.id, elsewhere, record.stores)];
      if (record.profileDigest === run.profileDigest) return [];
      return [
        {
          stage: 'run',
          code: 'other-settings',
          message: `run ${record.id} of this move began under another profile or other key templates`,
          fix: 'type the command with the same --profile, --key-template and --qdrant-field',
        },
      ];
    }
    // The same ids on other servers are other tenants.
    if (!sharesTenant(record.moves, run.moves) || !sharesStore(record.stores, run.stores)) return [];
    const ids = record.moves.map(({ source, target }) => `${source} ${target}`).join(' ');
    return [
      {
        stage: 'run',
        code: 'unfinished-run',
        message: `run ${record.id} has begun to move ${record.moves.map(moveText).join(', ')} and is not finished`,
        fix: `finish that move first: tenant-migrate ${ids} …, or take it back: tenant-migrate rollback ${record.id} … (or check the ids you typed)`,
      },
    ];
  });
}

type Stores = RunRecord['stores'];

/** Stages whose store is another one now. */
export function otherStores(before: Stores, now: Stores): readonly StageName[] {
  return stageOrder.filter(
    (name) => before[name] !== undefined && now[name] !== undefined && before[name] !== now[name],
  );
}

function sharesStore(before: Stores, now: Stores): boolean {
  return stageOrder.some((name) => before[name] !== undefined && before[name] === now[name]);
}

/** Says where the run's stores are. */
export function otherStoresProblem(id: string, stages: readonly StageName[], before: Stores): Problem {
  const places = stages.map((name) => `${name} at ${before[name]}`).join(', ');
  return {
    stage: 'run',
    code: 'other-stores',
    message: `run ${id} of this move was made with other servers: ${places}`,
    fix: 'give the same addresses to finish it; for a move on other servers give another --state-dir',
  };
}

function sharesTenant(a: readonly Move[], b: readonly Move[]): boolean {
  const ids = new Set(a.flatMap(({ source, target }) => [source, target]));
  return b.some(({ source, target }) => ids.has(source) || ids.has(target));
}

/** Moves of which no store knows either end, with the nearest ids that exist. */
export async function unknownTenants(run: {
  readonly moves: readonly Move[];
  readonly stages: readonly BoundStage[];
  readonly plans: readonly StagePlan[];
  readonly common: CommonContext;
}): Promise<readonly Problem[]> {
  const { moves, stages, plans, common } = run;
  // A store that could not be read may be the one that knows them.
  if (plans.length < stages.length) return [];
  const problems: Problem[] = [];
  for (const [index, { source, target }] of moves.entries()) {
    const counts = plans.map((plan) => plan.moves[index]);
    if (counts.some((count) => (count?.found ?? 0) > 0 || (count?.atTarget ?? 0) > 0)) continue;
    const near = await nearestIds(source, stages, common);
    const hint = near.length > 0 ? `; near it: ${near.join(', ')}` : '';
    problems.push({
      stage: 'run',
      code: 'unknown-tenant',
      message: `neither ${source} nor ${target} has any data in ${stages.map(({ name }) => name).join(', ')}${hint}`,
      fix: 'check the ids and the addresses of the stores',
    });
  }
  return problems;
}

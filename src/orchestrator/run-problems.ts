import type { RunFolder } from '../journal/run-folder.ts';
import { errorText, MigrateError } from '../model/errors.ts';
import { type Move, movesText, moveText } from '../model/move.ts';
import { stageOrder } from '../stages/index.ts';
import type { Finding, Problem, StageName, StagePlan } from '../stages/stage.ts';
import type { BoundStage, CommonContext } from './bound-stage.ts';
import { knownIds, nearestIds } from './nearest-ids.ts';
import type { OpenMap, Stores } from './run-input.ts';

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
 * What earlier runs forbid: continuing one under other templates or on other servers, and moving the tenants of an
 * unfinished one anywhere else. The latter catches a mistyped target, which would split the tenant.
 */
export function unfinishedRuns(
  unfinished: readonly RunFolder[],
  run: {
    readonly same: RunFolder | undefined;
    readonly moves: readonly Move[];
    readonly profileDigest: string;
    readonly stores: Stores;
    readonly sameServers: boolean;
  },
): readonly Problem[] {
  const { same, moves, profileDigest, stores, sameServers } = run;
  const own = same === undefined ? [] : sameRun(same, profileDigest, sameServers ? {} : stores);
  // The same ids on other servers are other tenants.
  const others = unfinished.filter(
    ({ record }) =>
      // A wave is its map's to tell of.
      record.map === undefined &&
      record.id !== same?.record.id &&
      sharesTenant(record.moves, moves) &&
      sharesStore(record.stores, stores),
  );
  return [...own, ...others.map(unfinishedRun)];
}

/** A map holds its tenants also between its waves, when no run is unfinished. */
export function unfinishedMaps(
  maps: readonly OpenMap[],
  run: { readonly moves: readonly Move[]; readonly stores: Stores; readonly own: string | undefined },
): readonly Problem[] {
  const ids = new Set(run.moves.flatMap(({ source, target }) => [source, target]));
  return maps
    .filter(
      ({ id, tenants, stores }) =>
        id !== run.own && tenants.some((one) => ids.has(one)) && sharesStore(stores, run.stores),
    )
    .map(({ id }) => ({
      stage: 'run',
      code: 'unfinished-run',
      message: `the list ${id} holds these tenants and is not finished`,
      fix: `finish it first: tenant-migrate resume ${id}, or take it back: tenant-migrate rollback ${id} (or check the ids you typed)`,
    }));
}

function sameRun({ record }: RunFolder, profileDigest: string, stores: Stores): readonly Problem[] {
  const elsewhere = otherStores(record.stores, stores);
  if (elsewhere.length > 0) return [otherStoresProblem(record.id, elsewhere, record.stores)];
  if (record.profileDigest === profileDigest) return [];
  return [
    {
      stage: 'run',
      code: 'other-settings',
      message: `run ${record.id} of this move began under another profile or other key templates`,
      fix: `go on under those with which it began: tenant-migrate resume ${record.id}`,
    },
  ];
}

function unfinishedRun({ record }: RunFolder): Problem {
  return {
    stage: 'run',
    code: 'unfinished-run',
    message: `run ${record.id} has begun to move ${movesText(record.moves)} and is not finished`,
    fix: `finish it first: tenant-migrate resume ${record.id}, or take it back: tenant-migrate rollback ${record.id} (or check the ids you typed)`,
  };
}

/** Stages whose store is another one now. */
export function otherStores(before: Stores, now: Stores): readonly StageName[] {
  return stageOrder.filter(
    (name) => before[name] !== undefined && now[name] !== undefined && before[name] !== now[name],
  );
}

function sharesStore(before: Stores, now: Stores): boolean {
  return stageOrder.some((name) => overlap(before[name], now[name]));
}

/** Whether two addresses name the same store; those that end in a list of databases, whether they have one in common. */
function overlap(before: string | undefined, now: string | undefined): boolean {
  if (before === undefined || now === undefined || before === now) return before !== undefined && before === now;
  const [one, other] = [before, now].map((address) => /^(.*)\/([\d,]+)$/.exec(address) ?? []);
  if (one?.[1] === undefined || one[1] !== other?.[1]) return false;
  const databases = one[2]?.split(',') ?? [];
  return (other?.[2]?.split(',') ?? []).some((database) => databases.includes(database));
}

/** Says where the run's stores are. */
export function otherStoresProblem(id: string, stages: readonly StageName[], before: Stores): Problem {
  const places = stages.map((name) => `${name} at ${before[name]}`).join(', ');
  return {
    stage: 'run',
    code: 'other-stores',
    message: `run ${id} of this move was made with other servers: ${places}`,
    fix: 'give the same addresses; if these are the same servers: resume or rollback with --same-servers; for a move on other servers give another --state-dir',
  };
}

function sharesTenant(a: readonly Move[], b: readonly Move[]): boolean {
  const ids = new Set(a.flatMap(({ source, target }) => [source, target]));
  return b.some(({ source, target }) => ids.has(source) || ids.has(target));
}

/** Moves of which no store knows either end. */
export function missingMoves(moves: readonly Move[], plans: readonly StagePlan[]): readonly Move[] {
  return moves.filter((_, index) => {
    const counts = plans.map((plan) => plan.moves[index]);
    return !counts.some((count) => (count?.found ?? 0) > 0 || (count?.atTarget ?? 0) > 0);
  });
}

/** Those moves, where they are left out of a list. */
export function missingFindings(missing: readonly Move[], stages: readonly BoundStage[]): readonly Finding[] {
  const [first] = stages;
  if (first === undefined || missing.length === 0) return [];
  return [
    {
      stage: first.name,
      kind: 'missing',
      severity: 'notice',
      message: `no store knows either end of ${missing.length} ${missing.length === 1 ? 'move' : 'moves'} of the list: left out (--skip-missing)`,
      count: missing.length,
      samples: missing.map(moveText),
    },
  ];
}

/** Those moves as problems, with the nearest ids that exist. */
export async function unknownTenants(run: {
  readonly moves: readonly Move[];
  readonly stages: readonly BoundStage[];
  readonly plans: readonly StagePlan[];
  readonly common: CommonContext;
}): Promise<readonly Problem[]> {
  const { moves, stages, plans, common } = run;
  // A store that could not be read may be the one that knows them.
  if (plans.length < stages.length) return [];
  const missing = missingMoves(moves, plans);
  if (missing.length === 0) return [];
  const known = await knownIds(stages, common);
  const problems: Problem[] = [];
  for (const { source, target } of missing) {
    const near = nearestIds(source, known);
    const hint = near.length > 0 ? `; near it: ${near.join(', ')}` : '';
    problems.push({
      stage: 'run',
      code: 'unknown-tenant',
      message: `neither ${source} nor ${target} has any data in ${stages.map(({ name }) => name).join(', ')}${hint}`,
      fix: `check the ids and the addresses of the stores${moves.length > 1 ? ', or leave such moves out with --skip-missing' : ''}`,
    });
  }
  return problems;
}

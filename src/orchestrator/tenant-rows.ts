import type { Move } from '../model/move.ts';
import type { Outcome, StageRow, TenantCounts, TenantRow } from '../report/report.ts';
import type { StageName, StagePlan } from '../stages/stage.ts';
import type { BoundStage, CommonContext } from './bound-stage.ts';

interface Ended {
  readonly moves: readonly Move[];
  /** As the run found the stores first. */
  readonly plans: readonly StagePlan[];
  /** As they were counted once more at the end of a run that failed. */
  readonly counted: ReadonlyMap<StageName, StagePlan>;
  readonly rows: readonly StageRow[];
  readonly outcome: Outcome;
  readonly wave: number;
}

/** What became of each tenant of a run. */
export function tenantRows({ moves, plans, counted, rows, outcome, wave }: Ended): readonly TenantRow[] {
  const rowOf = new Map(rows.map((row) => [row.name, row]));
  return moves.map(({ source, target }, index) => {
    const stages: Partial<Record<StageName, TenantCounts>> = {};
    for (const plan of plans) {
      const { found = 0, atTarget = 0 } = plan.moves[index] ?? {};
      const now = counted.get(plan.stage)?.moves[index];
      const moved = movedOf({ found, atTarget }, { now, row: rowOf.get(plan.stage), outcome });
      stages[plan.stage] = { unit: plan.unit, found, atTarget, moved };
    }
    return { source, target, wave, status: statusOf(Object.values(stages), outcome), stages };
  });
}

/** Counts anew, after a failure, how much of each tenant is where. A store that cannot be asked is left out. */
export async function countAgain(
  moves: readonly Move[],
  stages: readonly BoundStage[],
  common: CommonContext,
): Promise<ReadonlyMap<StageName, StagePlan>> {
  const options = { ...common.options, verify: 'counts', merge: false, continuing: false } as const;
  const quiet: CommonContext = { ...common, options, emit: () => undefined };
  const plans = await Promise.allSettled(stages.map((stage) => stage.plan(moves, quiet)));
  return new Map(plans.flatMap((plan) => (plan.status === 'fulfilled' ? [[plan.value.stage, plan.value]] : [])));
}

/** Null where it cannot be told: batches do not say whose records they hold. */
function movedOf(
  { found, atTarget }: { readonly found: number; readonly atTarget: number },
  {
    now,
    row,
    outcome,
  }: {
    readonly now: { readonly atTarget: number } | undefined;
    readonly row: StageRow | undefined;
    readonly outcome: Outcome;
  },
): number | null {
  if (found === 0) return 0;
  if (now !== undefined) return Math.min(found, Math.max(0, now.atTarget - atTarget));
  if (outcome === 'done') return row !== undefined && row.conflicts + row.failed + row.vanished === 0 ? found : null;
  return outcome === 'failed' || outcome === 'stopped' ? null : 0;
}

function statusOf(stages: readonly TenantCounts[], outcome: Outcome): TenantRow['status'] {
  if (stages.length === 0) return 'not-run';
  if (stages.every(({ found, atTarget }) => found + atTarget === 0)) return 'missing';
  switch (outcome) {
    case 'planned':
    case 'refused':
      return stages.every(({ found }) => found === 0) ? 'nothing-to-do' : outcome === 'planned' ? 'planned' : 'not-run';
    case 'done':
    case 'nothing-to-do':
    case 'verified':
      return stages.every(({ found }) => found === 0) && outcome !== 'verified' ? 'nothing-to-do' : 'done';
    case 'differences':
      return stages.some(({ found }) => found > 0) ? 'partial' : 'unknown';
    case 'undone':
    case 'rolled-back':
      return 'undone';
    case 'failed':
    case 'stopped':
      if (stages.some(({ moved }) => moved === null)) return 'unknown';
      if (stages.every(({ found, moved }) => moved === found)) return 'moved';
      return stages.every(({ moved }) => moved === 0) ? 'unmoved' : 'partial';
  }
}

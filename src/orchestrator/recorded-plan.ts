import type { RunFolder } from '../journal/run-folder.ts';
import { canonicalJson } from '../model/json.ts';
import type { Move } from '../model/move.ts';
import type { RunPlan } from '../report/report.ts';
import { stageOrder } from '../stages/index.ts';
import type { Clock, StageOptions, StagePlan } from '../stages/stage.ts';
import { hasWork, makeRunPlan, readRunPlan } from './plan.ts';
import type { RunFolders, Stores } from './run-input.ts';
import { otherStores } from './run-problems.ts';

/** A recorded plan is evidence for `verify` this long: later the application has changed its data. */
const EVIDENCE_MS = 24 * 3_600_000;

interface Search {
  readonly folders: RunFolders;
  readonly moves: readonly Move[];
  readonly clock: Clock;
  /** Where the stores are: a plan made with others is no evidence. */
  readonly stores: Stores;
}

/** A plan that was recorded, and what it is, for people. */
export interface Recorded {
  readonly recorded: RunPlan;
  readonly evidence: string;
}

/** The newest recorded plan of these moves that had something to move, where it is recent. */
export async function findRecordedPlan({ folders, moves, clock, stores }: Search): Promise<Recorded | undefined> {
  for (const folder of await folders.all()) {
    const { record } = folder;
    if (canonicalJson(record.moves) !== canonicalJson(moves)) continue;
    if (record.state === 'refused' || record.state === 'rolled-back') continue;
    if (otherStores(record.stores, stores).length > 0) continue;
    if (clock.now() - Date.parse(record.updatedAt) > EVIDENCE_MS) return undefined;
    const found = await recordedPlanOf(folder);
    // A run that found nothing to do is no evidence of what was moved.
    if (found === undefined || found.recorded.stages.some(hasWork)) return found;
  }
  return undefined;
}

/** The plan of this run, however old it is. */
export async function recordedPlanOf(folder: RunFolder | undefined): Promise<Recorded | undefined> {
  const plan = await folder?.readPlan();
  if (folder === undefined || plan === undefined) return undefined;
  const recorded = readRunPlan(plan, `${folder.path}/plan.json`);
  return { recorded, evidence: `against the plan of run ${folder.record.id}, depth ${recorded.options.verify}` };
}

/** What verify compares with: of the recorded plan what is evidence, of the fresh one the stages that it lacks. */
export function joinedPlan(
  fresh: RunPlan,
  recorded: RunPlan,
  how: { readonly options: StageOptions; isEvidence(plan: StagePlan): boolean },
): RunPlan {
  const kept = recorded.stages.filter(how.isEvidence);
  const added = fresh.stages.filter((plan) => !kept.some(({ stage }) => stage === plan.stage));
  const stages = stageOrder.flatMap((name) => [...kept, ...added].filter(({ stage }) => stage === name));
  const options = { ...how.options, ...fresh.options, verify: recorded.options.verify };
  return makeRunPlan({ ...fresh, options, stages });
}

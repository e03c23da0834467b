import type { RunRecord } from '../journal/run-folder.ts';
import { canonicalJson } from '../model/json.ts';
import type { Move } from '../model/move.ts';
import type { RunPlan } from '../report/report.ts';
import type { Clock } from '../stages/stage.ts';
import { hasWork, readRunPlan } from './plan.ts';
import type { RunFolders } from './run.ts';
import { otherStores } from './run-problems.ts';

/** A recorded plan is evidence for `verify` this long: later the application has changed its data. */
const EVIDENCE_MS = 24 * 3_600_000;

interface Search {
  readonly folders: RunFolders;
  readonly moves: readonly Move[];
  readonly clock: Clock;
  /** Where the stores are: a plan made with others is no evidence. */
  readonly stores: RunRecord['stores'];
  /** True for a run that is continued, whose plan holds however old it is. */
  readonly anyAge: boolean;
}

/** The newest recorded plan of these moves that had something to move, and what it is, for people. */
export async function findRecordedPlan(search: Search): Promise<{ recorded: RunPlan; evidence: string } | undefined> {
  const { folders, moves, clock, stores, anyAge } = search;
  for (const folder of await folders.all()) {
    const { record } = folder;
    if (canonicalJson(record.moves) !== canonicalJson(moves)) continue;
    if (record.state === 'refused' || record.state === 'rolled-back') continue;
    if (otherStores(record.stores, stores).length > 0) continue;
    if (!anyAge && clock.now() - Date.parse(record.updatedAt) > EVIDENCE_MS) return undefined;
    const plan = await folder.readPlan();
    if (plan === undefined) return undefined;
    const recorded = readRunPlan(plan, `${folder.path}/plan.json`);
    // A run that found nothing to do is no evidence of what was moved.
    if (!recorded.stages.some(hasWork)) continue;
    return { recorded, evidence: `against the plan of run ${record.id}, depth ${recorded.options.verify}` };
  }
  return undefined;
}

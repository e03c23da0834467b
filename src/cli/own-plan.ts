import type { RunFolder } from '../journal/run-folder.ts';
import { errorText, MigrateError } from '../model/errors.ts';
import { readRunPlan } from '../orchestrator/plan.ts';
import type { RunPlan } from '../report/report.ts';

/** The plan that a run recorded before its first write; undefined where it is gone. Throws MigrateError `journal` where it was changed. */
export async function ownPlan(folder: RunFolder): Promise<RunPlan | undefined> {
  const path = `${folder.path}/plan.json`;
  const plan = await folder.readPlan();
  if (plan === undefined) return undefined;
  try {
    return readRunPlan(plan, path);
  } catch (error) {
    throw new MigrateError('journal', errorText(error), { next: 'put the run’s own plan back', cause: error });
  }
}

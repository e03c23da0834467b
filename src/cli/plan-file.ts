import { readFile, writeFile } from 'node:fs/promises';
import { errorText, MigrateError } from '../model/errors.ts';
import { readRunPlan } from '../orchestrator/plan.ts';
import type { RunPlan } from '../report/report.ts';

/** The plan that `apply` is given. Throws MigrateError `usage` and `stale-plan`. */
export async function readPlanFile(path: string): Promise<RunPlan> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw usage(
      `the plan ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`,
      'make one with tenant-migrate plan <source> <target> --out plan.json',
    );
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw usage(
      `the plan ${path} is not JSON (${errorText(error)})`,
      'make one with tenant-migrate plan <source> <target> --out plan.json',
    );
  }
  return readRunPlan(document, path);
}

/** `--out`. */
export async function writePlan(path: string, plan: RunPlan | undefined): Promise<void> {
  try {
    await writeFile(path, `${JSON.stringify(plan, undefined, 2)}\n`, { mode: 0o600 });
  } catch (error) {
    throw usage(
      `the plan cannot be written to ${path} (${(error as NodeJS.ErrnoException).code})`,
      'give another --out',
    );
  }
}

function usage(message: string, next: string): MigrateError {
  return new MigrateError('usage', message, { next });
}

import { type RunnerTask, type RunnerTestSuite, TestRunner } from 'vitest';
import type { NotRunHere } from './not-run-here.ts';

declare module 'vitest' {
  interface TaskMeta {
    /** Why it was not run: what is missing here, and what to install. */
    notRun?: string;
  }
}

/** Skips what fails for want of a program or a server of this machine, and notes why; see {@link NotRunHere}. */
export default class SkippingRunner extends TestRunner {
  override onAfterRunTask(test: RunnerTask): void {
    skipWhereNotRun(test);
    super.onAfterRunTask(test);
  }

  /** A hook that failed so has kept the suite's tests from running. */
  override async onAfterRunSuite(suite: RunnerTestSuite): Promise<void> {
    skipWhereNotRun(suite);
    await super.onAfterRunSuite(suite);
  }
}

/** The first error counts: hooks that clean up after it often fail as well. */
function skipWhereNotRun(task: RunnerTask): void {
  const name: NotRunHere['name'] = 'NotRunHere';
  const [first] = task.result?.errors ?? [];
  if (first?.name !== name) return;
  task.meta.notRun = first.message;
  task.mode = 'skip';
  task.result = { state: 'skip' };
}

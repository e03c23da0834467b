import type { RunEvent } from '../report/event.ts';
import type { RunPlan, RunReport } from '../report/report.ts';

/**
 * A run that has begun. It goes on by itself, whether or not anybody takes its events or awaits its report.
 *
 * ```ts
 * for await (const event of run) …   // as it happens
 * const report = await run.report;   // how it ended
 * ```
 */
export interface Run extends AsyncIterable<RunEvent> {
  /**
   * How the run ended, also where it was refused, failed or stopped: `outcome`, `exitCode` and `next` say so. Rejects with a
   * MigrateError only where no run came about: options that do not fit, a run that is not found, an unusable state folder.
   */
  readonly report: Promise<RunReport>;
  /** What would be or was done; undefined where the run did not come to a plan. Rejects as `report` does. */
  readonly plan: Promise<RunPlan | undefined>;
  /**
   * What the run says, in its order, each event once. Ends with the run; throws what `report` rejects with. Leaving the loop
   * does not stop the run (`signal` does). The run never waits for who reads: while nobody takes them only the newest
   * `progress` of each stage is kept, and the first 1,000 unread events about single records, retries and
   * notes, and as many about batches.
   */
  [Symbol.asyncIterator](): AsyncIterator<RunEvent, void, undefined>;
}

import { limitError } from './gate.ts';
import type { Limits } from './limits.ts';

/** Looked at this often, ms: a timer may fire a little early by the clock of the limits. */
const LOOK_EVERY_MS = 250;

/** Ends what takes too long between batches too: a long read, a wait for a server. */
export class Deadline {
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: Limits, timeoutMs: number | undefined) {
    if (timeoutMs === undefined) return;
    this.#timer = setInterval(() => {
      const limit = limits.timedOut();
      if (limit === undefined) return;
      this.cancel();
      this.#controller.abort(limitError(limit));
    }, LOOK_EVERY_MS);
    this.#timer.unref();
  }

  /** Aborted with a MigrateError `limit` when the time is over. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  cancel(): void {
    clearInterval(this.#timer);
  }
}

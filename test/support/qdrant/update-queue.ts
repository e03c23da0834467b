/**
 * The updates of one collection: applied one at a time, in the order in which they were taken. An update that takes
 * time holds up those behind it, and clients that wait for them.
 */
export class UpdateQueue {
  private waiting: Job[] = [];
  private current: Job | undefined;
  private held = false;

  /** Updates that wait for their turn. As in the real server, the one being applied is no longer among them. */
  get length(): number {
    return this.waiting.length;
  }

  /** Applies the work once `ms` have passed after all that came before; at once where nothing is in the way. */
  add(work: () => void, ms = 0): Promise<void> | undefined {
    if (ms === 0 && !this.held && this.current === undefined && this.waiting.length === 0) {
      work();
      return undefined;
    }
    return new Promise((resolve, reject) => {
      this.waiting.push({ work, ms, resolve, reject });
      this.next();
    });
  }

  /** Nothing more is applied until `release`. */
  hold(): void {
    this.held = true;
  }

  release(): void {
    this.held = false;
    this.next();
  }

  private next(): void {
    if (this.held || this.current !== undefined) return;
    const job = this.waiting.shift();
    if (job === undefined) return;
    this.current = job;
    setTimeout(() => {
      try {
        job.work();
        job.resolve();
      } catch (error) {
        job.reject(error);
      }
      this.current = undefined;
      this.next();
    }, job.ms).unref();
  }
}

interface Job {
  readonly work: () => void;
  readonly ms: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

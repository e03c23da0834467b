import type { RunEvent } from '../report/event.ts';

/** So many events of kinds that can be many are kept for one who does not take them. */
const MOST_UNREAD = 1_000;
/** Of these there can be as many as records; the report counts them all. Batches take no other's place. */
const MANY: Readonly<Partial<Record<RunEvent['type'], 'said' | 'batches'>>> = {
  'record-failed': 'said',
  retry: 'said',
  note: 'said',
  batch: 'batches',
};

/**
 * What a run has said and nobody has taken yet. The run never waits for who takes it, so memory is bounded instead: of
 * `progress` only the newest of each stage is kept, of failed records, retries and notes the first 1,000 that are unread, and so of
 * batches.
 */
export class EventQueue {
  readonly #events: RunEvent[] = [];
  readonly #unread = { said: 0, batches: 0 };
  #state: 'open' | 'ended' | 'left' = 'open';
  #failure: unknown;
  #wake: (() => void) | undefined;

  push(event: RunEvent): void {
    if (this.#state !== 'open') return;
    const kind = MANY[event.type];
    if (kind !== undefined) {
      if (this.#unread[kind] >= MOST_UNREAD) return;
      this.#unread[kind] += 1;
    }
    if (event.type !== 'progress' || !this.#replaced(event)) this.#events.push(event);
    this.#wake?.();
  }

  /** No more will come; who takes the rest then gets `failure`, where one is given. */
  end(failure?: unknown): void {
    if (this.#state === 'open') this.#state = 'ended';
    this.#failure = failure;
    this.#wake?.();
  }

  /** Each event is given once, to whoever asks first. Whoever leaves early lets go of the rest; the run goes on. */
  async *take(): AsyncGenerator<RunEvent, void, undefined> {
    try {
      for (;;) {
        const event = this.#events.shift();
        if (event !== undefined) {
          const kind = MANY[event.type];
          if (kind !== undefined) this.#unread[kind] -= 1;
          yield event;
        } else if (this.#state === 'open') await this.#more();
        else break;
      }
    } finally {
      this.#leave();
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #leave(): void {
    if (this.#state === 'open') this.#state = 'left';
    this.#events.length = 0;
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      const before = this.#wake;
      this.#wake = () => {
        this.#wake = undefined;
        before?.();
        resolve();
      };
    });
  }

  /** Puts it in the place of the stage's last one, where nothing but other stages' progress came behind that. */
  #replaced(event: RunEvent & { readonly type: 'progress' }): boolean {
    for (let at = this.#events.length - 1; at >= 0; at -= 1) {
      const other = this.#events[at];
      if (other?.type !== 'progress') return false;
      if (other.stage !== event.stage) continue;
      this.#events[at] = event;
      return true;
    }
    return false;
  }
}

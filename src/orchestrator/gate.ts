import { MigrateError } from '../model/errors.ts';
import type { Checkpoint, Clock, StageEvent, StageName, UndoPort } from '../stages/stage.ts';
import type { Limit, Limits } from './limits.ts';
import { type PauseFile, pausePoint } from './pause.ts';
import type { RunLocks } from './run-locks.ts';
import type { Throttle } from './throttle.ts';
import { unlessAborted } from './unless-aborted.ts';

interface GateSettings {
  readonly locks: RunLocks;
  readonly limits: Limits;
  readonly pauseFile: PauseFile | undefined;
  /** None where absent. */
  readonly throttle?: Throttle | undefined;
  /** What the run did is taken back. */
  readonly undoing?: boolean;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly emit: (event: StageEvent) => void;
  /** Takes what the run's record should keep of its pauses. */
  readonly note?: (text: string) => void;
}

/** What every batch passes before it is sent: the one place where signals, pause file, throttle, locks and limits act. */
export class Gate {
  readonly #settings: GateSettings;
  /** When each batch's undo entries became durable, so that its round trip can be told. */
  readonly #sentAt = new Map<number, number>();
  #pause: (() => Promise<void>) | undefined;
  #stage: StageName = 'config';
  #roundTripMs: number | undefined;

  constructor(settings: GateSettings) {
    const { pauseFile: file, signal, clock } = settings;
    this.#settings = settings;
    if (file !== undefined) {
      this.#pause = pausePoint({
        file,
        signal,
        clock,
        emit: (text) => this.#tell(text),
      });
    }
  }

  /** From now on the batches are this stage's. */
  enter(stage: StageName): void {
    this.#stage = stage;
    this.#sentAt.clear();
    this.#roundTripMs = undefined;
  }

  /** Batches come now. Resolves when the probes, where there are any, have been looked at once. */
  async open(): Promise<void> {
    const { throttle, undoing = false, signal } = this.#settings;
    if (throttle === undefined) return;
    await unlessAborted(
      throttle.enter((text) => this.#tell(text), { undoing }),
      signal,
    );
  }

  /** No batches come for a while. */
  close(): void {
    this.#settings.throttle?.leave();
  }

  /** Rejects when no further batch may be sent. */
  async pass(): Promise<void> {
    const { signal, limits, locks } = this.#settings;
    signal.throwIfAborted();
    await this.#pause?.();
    const { throttle, undoing = false } = this.#settings;
    await throttle?.pass({ signal, undoing, roundTripMs: this.#roundTripMs });
    const limit = limits.check();
    if (limit !== undefined) throw limitError(limit, this.#stage);
    await locks.check();
    signal.throwIfAborted();
  }

  /** The undo log, which tells when a batch may be sent. */
  timed(undo: UndoPort): UndoPort {
    return {
      append: async (entries) => {
        const batch = await undo.append(entries);
        this.#sentAt.set(batch, performance.now());
        return batch;
      },
      read: () => undo.read(),
    };
  }

  /** Takes what became of a batch. */
  count({ batch, moved, skipped = 0, failed = 0 }: Checkpoint): void {
    const { limits } = this.#settings;
    limits.count(this.#stage, { ok: moved + skipped, failed });
    const sentAt = this.#sentAt.get(batch);
    this.#sentAt.delete(batch);
    if (sentAt === undefined || moved === 0) return;
    this.#roundTripMs = performance.now() - sentAt;
    limits.latency(this.#stage, this.#roundTripMs);
  }

  #tell(text: string): void {
    const { emit, note } = this.#settings;
    emit({ type: 'note', stage: this.#stage, text });
    note?.(text);
  }
}

/** A run that is stopped by a limit has failed: what it did stands, and can be resumed or taken back. */
export function limitError({ name, text }: Limit, stage?: StageName): MigrateError {
  const next = `see to what is slow or fails, or give another --${name}: the run's record keeps the one it was given`;
  return new MigrateError('limit', `stopped early: ${text}`, { stage, next });
}

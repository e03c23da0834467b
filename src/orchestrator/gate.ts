import { MigrateError } from '../model/errors.ts';
import type { Checkpoint, Clock, StageEvent, StageName, UndoPort } from '../stages/stage.ts';
import type { Limit, Limits } from './limits.ts';
import { type PauseFile, pausePoint } from './pause.ts';
import type { RateLimit } from './rate-limit.ts';
import type { RunLocks } from './run-locks.ts';
import type { Throttle } from './throttle.ts';
import { unlessAborted } from './unless-aborted.ts';

interface GateSettings {
  readonly locks: RunLocks;
  readonly limits: Limits;
  readonly pauseFile: PauseFile | undefined;
  readonly rate: RateLimit;
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

/** Waits of the rate limit that add up to less are not what makes a stage slow. */
const TELL_AFTER_MS = 500;

/** What every batch passes before it is sent: the one place where signals, pause file, throttle, limits, rates and locks act. */
export class Gate {
  readonly #settings: GateSettings;
  /** When each batch's undo entries became durable, so that its round trip can be told. */
  readonly #sentAt = new Map<number, number>();
  #pause: (() => Promise<void>) | undefined;
  #stage: StageName = 'config';
  /** How long the rate has held the stage's batches, ms. */
  #heldMs = 0;
  /** Stages of which it was told that the rate holds them. */
  readonly #toldOfRate = new Set<StageName>();
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
    this.#heldMs = 0;
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

  /** Resolves when a batch of `units` records may be sent. Rejects when no further one may be. */
  async pass(units = 0): Promise<void> {
    const { signal, limits, locks } = this.#settings;
    signal.throwIfAborted();
    await this.#pause?.();
    const { throttle, undoing = false } = this.#settings;
    await throttle?.pass({ signal, undoing, roundTripMs: this.#roundTripMs });
    const limit = limits.check();
    if (limit !== undefined) throw limitError(limit, this.#stage);
    await this.#keepRate(units);
    await locks.check();
    signal.throwIfAborted();
  }

  /** Records that the next batch may hold, so that the rate is kept smoothly. */
  mostInBatch(): number {
    return this.#settings.rate.mostInBatch(this.#stage);
  }

  async #keepRate(units: number): Promise<void> {
    const { rate, signal, emit } = this.#settings;
    const stage = this.#stage;
    const perSecond = rate.of(stage);
    if (units <= 0 || perSecond === undefined) return;
    const asked = performance.now();
    await rate.take(stage, units, signal);
    this.#heldMs += performance.now() - asked;
    if (this.#heldMs < TELL_AFTER_MS || this.#toldOfRate.has(stage)) return;
    this.#toldOfRate.add(stage);
    emit({ type: 'note', stage, text: `limited by --rate ${perSecond}/s` });
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

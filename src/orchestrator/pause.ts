import type { Clock } from '../stages/stage.ts';
import { sleepUnlessAborted, unlessAborted } from './unless-aborted.ts';

/** The file that pauses a run while it is there. */
export interface PauseFile {
  readonly path: string;
  /** Whether it is there now. Rejects where that cannot be told. */
  exists(): Promise<boolean>;
}

/** An answer holds for so long, ms: batches may come faster than a file should be looked at. */
export const LOOK_EVERY_MS = 250;
const POLL_MS = 500;

/**
 * A point to await before each batch. While the file is there it waits, looking twice a second, and says once that the run
 * has paused and once that it goes on, however many batches wait. When the signal aborts it rejects with its reason, also
 * where the file system does not answer. A file that cannot be looked at rejects: to go on might be what it forbids.
 */
export function pausePoint(options: {
  readonly file: PauseFile;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Takes what the operator should know. */
  readonly emit: (text: string) => void;
}): () => Promise<void> {
  const { signal, clock } = options;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let waiting: Promise<void> | undefined;
  const wait = async () => {
    try {
      await whileThere(options);
      lookedAt = clock.now();
    } finally {
      waiting = undefined;
    }
  };
  return async () => {
    signal.throwIfAborted();
    const age = clock.now() - lookedAt;
    // A clock that was set back makes no answer last longer.
    if (waiting === undefined && age >= 0 && age < LOOK_EVERY_MS) return;
    waiting ??= wait();
    await waiting;
  };
}

async function whileThere({ file, signal, clock, emit }: Parameters<typeof pausePoint>[0]): Promise<void> {
  let pausedAt: number | undefined;
  while (await unlessAborted(file.exists(), signal)) {
    if (pausedAt === undefined) {
      pausedAt = clock.now();
      emit(`paused: goes on when ${file.path} is removed`);
    }
    await sleepUnlessAborted(POLL_MS, signal);
  }
  if (pausedAt !== undefined) emit(`goes on after a pause of ${Math.round((clock.now() - pausedAt) / 1_000)} s`);
}

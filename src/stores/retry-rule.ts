/** How often a request is made again after a failure that may pass, and how late. */
export interface RetryRule {
  /** Repetitions after the first try. */
  readonly retries: number;
  /** Before the first repetition, ms. */
  readonly delayMs: number;
  /** By how much each further wait is longer than the one before. */
  readonly backoff: number;
}

/** No wait is longer, however often it has grown, ms. */
const LONGEST_DELAY_MS = 120_000;

/**
 * The wait before the repetition with this number, from 1 on, ms: up to a quarter longer or shorter, so that requests
 * which failed together do not all come again at once.
 */
export function retryDelayMs({ delayMs, backoff }: RetryRule, repetition: number): number {
  const jitter = 0.75 + Math.random() / 2;
  return Math.round(Math.min(delayMs * backoff ** (repetition - 1), LONGEST_DELAY_MS) * jitter);
}

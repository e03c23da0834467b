import type { IBackoff } from 'cockatiel';
import type { Answer } from './answer.ts';
import { networkText } from './failure.ts';
import type { RetryInfo } from './qdrant-reader.ts';

/** Sends once and, where it is worth it, again. */
export type Retry = <A extends Answer>(send: () => Promise<A>) => Promise<A>;

/** Tries for a failure that may pass by itself. */
const TRIES = 3;
/** Repetitions where the server names the time to wait: a rate limit is a speed, not a failure. */
const RATE_LIMIT_RETRIES = 30;
const LONGEST_RATE_WAIT_MS = 120_000;
const FIRST_DELAY_MS = 200;

const TRANSIENT = new Set([408, 500, 502, 503, 504]);

/**
 * The retry rules of this store. Only calls that may be repeated come here, and all of ours may: reads, and
 * writes whose filter leaves out what is done already. The last answer is returned, whatever it is.
 */
export async function createRetry(onRetry: ((info: RetryInfo) => void) | undefined): Promise<Retry> {
  const { DelegateBackoff, ExponentialBackoff, handleWhenResult, retry, wrap } = await import('cockatiel');
  const exponential = new ExponentialBackoff({ initialDelay: FIRST_DELAY_MS, maxDelay: 10_000 });
  const backoff = new DelegateBackoff<{ readonly result: Outcome }, IBackoff<unknown>>((context, last) => {
    const state = last?.next(context) ?? exponential.next();
    const asked = 'value' in context.result ? (context.result.value as Answer).retryAfterMs : undefined;
    return { delay: Math.min(asked ?? state.duration, LONGEST_RATE_WAIT_MS), state };
  });
  const rateLimit = retry(
    handleWhenResult((answer) => (answer as Answer).status === 429),
    { maxAttempts: RATE_LIMIT_RETRIES, backoff },
  );
  const transient = retry(handleWhenResult((answer) => TRANSIENT.has((answer as Answer).status)).orWhen(mayPass), {
    maxAttempts: TRIES - 1,
    backoff,
  });
  for (const policy of [rateLimit, transient]) {
    policy.onRetry((event) => onRetry?.({ attempt: event.attempt, delayMs: event.delay, reason: reason(event) }));
  }
  const both = wrap(rateLimit, transient);
  return (send) => both.execute(() => send());
}

type Outcome = { readonly value: unknown } | { readonly error: Error };

function reason(outcome: Outcome): string {
  return 'value' in outcome ? `HTTP ${(outcome.value as Answer).status}` : networkText(outcome.error);
}

/** A wrong name or certificate stays wrong. */
function mayPass(error: Error): boolean {
  const { code, cause } = error as { readonly code?: string; readonly cause?: { readonly code?: string } };
  return !/^(ENOTFOUND|CERT|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_INVALID|UND_ERR_INVALID_ARG)/.test(
    code ?? cause?.code ?? '',
  );
}

import { type RetryRule, retryDelayMs } from '../retry-rule.ts';
import { type Answer, isDiskFull, isOverBudget } from './answer.ts';
import { networkFailure, networkText, type Purpose } from './failure.ts';
import { pause } from './pause.ts';
import type { RetryInfo } from './qdrant-reader.ts';

/**
 * Sends once and, where it is worth it, again. The last answer is returned, whatever it is; where there was none a
 * MigrateError is thrown. Only calls that may be repeated come here, and all of ours may: reads, and writes whose
 * filter leaves out what is done already. A write must bring `unknown`.
 */
export type Retry = <A extends Answer>(
  send: () => Promise<A>,
  purpose: Purpose,
  unknown?: UnknownOutcome<A>,
) => Promise<A>;

/** How a write goes on after a try that may have been done, may be done later, or may be done in part. */
export interface UnknownOutcome<A> {
  /** True for an answer that says the write was taken, and not that it is done. */
  onlyTaken(answer: A): boolean;
  /**
   * Called before the write is repeated. Returns once nothing that was taken before can come later; with an answer
   * where a look shows that nothing is left to do.
   */
  look(): Promise<A | undefined>;
}

export interface RetrySettings {
  /** Two repetitions, soon, where absent. */
  readonly retry: RetryRule | undefined;
  readonly onRetry: ((info: RetryInfo) => void) | undefined;
  /** How long a server that says it is not available is asked again, ms. */
  readonly patienceMs: number;
}

/** Makes the rule for calls that a signal ends: it ends the waits between tries, never a request under way. */
export type RetryUntil = (signal: AbortSignal | undefined) => Retry;

const RETRY: RetryRule = { retries: 2, delayMs: 200, backoff: 2 };
/** Repetitions where the server names the time to wait: a rate limit is a speed, not a failure. */
const RATE_LIMIT_RETRIES = 30;
const LONGEST_RATE_WAIT_MS = 120_000;
/** A server that says it is not available is asked this often at least, ms. */
const LONGEST_DELAY_MS = 10_000;

const TRANSIENT = new Set([408, 500, 502, 503, 504]);

/** What an outcome means for the next try. */
type Verdict = 'final' | 'rate-limited' | 'unavailable' | 'may-pass';

type Outcome<A> = { readonly answer: A } | { readonly error: unknown };

/** The retry rules of this store. */
export function createRetry({ retry: rule = RETRY, onRetry, patienceMs }: RetrySettings): RetryUntil {
  return (signal) => async (send, purpose, unknown) => {
    const deadline = performance.now() + patienceMs;
    const left = { 'rate-limited': RATE_LIMIT_RETRIES, 'may-pass': rule.retries };
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await outcomeOf(send);
      const verdict = verdictOn(outcome, unknown);
      const over =
        verdict === 'final' || (verdict === 'unavailable' ? performance.now() > deadline : left[verdict]-- === 0);
      if (over) return answerOf(outcome, purpose);
      const own = retryDelayMs(rule, attempt);
      const ours = verdict === 'unavailable' ? Math.min(own, LONGEST_DELAY_MS) : own;
      const delayMs = Math.min(askedDelay(outcome) ?? ours, LONGEST_RATE_WAIT_MS);
      onRetry?.({ attempt, delayMs, reason: reason(outcome) });
      await pause(delayMs, signal);
      const known = verdict === 'rate-limited' ? undefined : await unknown?.look();
      if (known !== undefined) return known;
    }
  };
}

async function outcomeOf<A>(send: () => Promise<A>): Promise<Outcome<A>> {
  try {
    return { answer: await send() };
  } catch (error) {
    return { error };
  }
}

function answerOf<A>(outcome: Outcome<A>, purpose: Purpose): A {
  if ('answer' in outcome) return outcome.answer;
  throw networkFailure(outcome.error, purpose);
}

function verdictOn<A extends Answer>(outcome: Outcome<A>, unknown: UnknownOutcome<A> | undefined): Verdict {
  if ('error' in outcome) return mayPass(outcome.error) ? 'may-pass' : 'final';
  const { answer } = outcome;
  if (answer.status === 429) return isOverBudget(answer) ? 'final' : 'rate-limited';
  // In Qdrant's own words it comes back; a proxy's page may stand for a server that is not there at all.
  if (answer.status === 503 && answer.json) return 'unavailable';
  if (isDiskFull(answer)) return 'final';
  return TRANSIENT.has(answer.status) || unknown?.onlyTaken(answer) === true ? 'may-pass' : 'final';
}

function askedDelay(outcome: Outcome<Answer>): number | undefined {
  return 'answer' in outcome ? outcome.answer.retryAfterMs : undefined;
}

function reason(outcome: Outcome<Answer>): string {
  if ('error' in outcome) return networkText(outcome.error);
  return outcome.answer.status === 200 ? 'taken, not done yet' : `HTTP ${outcome.answer.status}`;
}

/** A wrong name or certificate stays wrong, and a connection that we closed stays closed. */
function mayPass(error: unknown): boolean {
  const { code, cause } = error as { readonly code?: string; readonly cause?: { readonly code?: string } };
  return !/^(ENOTFOUND|CERT|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_TLS|ERR_INVALID|UND_ERR_INVALID_ARG|UND_ERR_DESTROYED|UND_ERR_CLOSED)/.test(
    code ?? cause?.code ?? '',
  );
}

import type { Clock, StageName } from '../stages/stage.ts';

/** A limit that was passed. */
export interface Limit {
  readonly name: 'max-errors' | 'max-error-rate' | 'max-slowdown' | 'timeout';
  /** In the unit of {@link LimitSettings}. */
  readonly limit: number;
  readonly value: number;
  /** What was measured and which setting it passed, for people. */
  readonly text: string;
}

/** When a run stops early. A value equal to its limit is within it. */
export interface LimitSettings {
  /** Records that may fail in the whole run; no limit by default. 0 stops at the first. */
  readonly maxErrors?: number | undefined;
  /**
   * Share of the records that may fail, in each stage and in the whole run, 0 to 1; by default 0.05. Asked only of
   * {@link FEWEST_RECORDS} records and more: of three records one is a third, and says nothing about the rest. 1 is no limit.
   */
  readonly maxErrorRate?: number | undefined;
  /**
   * How much longer a stage's round trips may become than the first ones were: 0.2 is a fifth. No limit by default.
   * Told by the median of the last {@link SAMPLES} against that of the first, once it has been over the limit, and
   * {@link LEAST_SLOWDOWN_MS} over the first, for {@link STREAK} samples one after the other: a few slow ones are none.
   */
  readonly maxSlowdown?: number | undefined;
  /** From the making of the limits on, pauses included, ms; no limit by default. */
  readonly timeoutMs?: number | undefined;
  readonly clock: Clock;
}

/** A rate over fewer records is not looked at. */
export const FEWEST_RECORDS = 100;
/** Round trips that make a median: an odd number, so that it is one of them. */
export const SAMPLES = 11;
/** Samples in a row at which the median must be too long; fewer slow ones in a row than this never are. */
export const STREAK = 10;
/** Less than this is noise: a fifth of a local round trip is a few microseconds. */
export const LEAST_SLOWDOWN_MS = 2;

const DEFAULT_ERROR_RATE = 0.05;

interface Counts {
  ok: number;
  failed: number;
}

interface RoundTrips {
  readonly first: number[];
  readonly last: number[];
  streak: number;
}

/**
 * Decides only when a run stops early, never how it ends: a run within its limits in which a record failed has failed.
 * What is counted is judged at once, so that the answer does not depend on when it is asked for.
 */
export class Limits {
  readonly #settings: LimitSettings;
  readonly #startedAt: number;
  readonly #all: Counts = { ok: 0, failed: 0 };
  readonly #stages = new Map<StageName, Counts>();
  readonly #roundTrips = new Map<StageName, RoundTrips>();
  #passed: Limit | undefined;

  constructor(settings: LimitSettings) {
    this.#settings = settings;
    this.#startedAt = settings.clock.now();
  }

  /** Takes what became of a batch, numbers of records. */
  count(stage: StageName, { ok, failed }: { readonly ok: number; readonly failed: number }): void {
    const own = this.#stages.get(stage) ?? { ok: 0, failed: 0 };
    this.#stages.set(stage, own);
    for (const counts of [own, this.#all]) {
      counts.ok += ok;
      counts.failed += failed;
    }
    this.#passed ??= this.#tooMany() ?? this.#tooOften(stage, own) ?? this.#tooOften('all stages', this.#all);
  }

  /**
   * Takes the time of one round trip. All samples of a stage must come from the same kind of request; its first
   * {@link SAMPLES} are what the later ones are compared with.
   */
  latency(stage: StageName, ms: number): void {
    const times = this.#roundTrips.get(stage) ?? { first: [], last: [], streak: 0 };
    this.#roundTrips.set(stage, times);
    if (times.first.length < SAMPLES) {
      times.first.push(ms);
      return;
    }
    times.last.push(ms);
    if (times.last.length > SAMPLES) times.last.shift();
    this.#passed ??= this.#tooSlow(stage, times);
  }

  /** The first limit that was passed; from then on always the same. */
  check(): Limit | undefined {
    this.#passed ??= this.timedOut();
    return this.#passed;
  }

  /** Whether the time is over, whatever other limit was passed before. */
  timedOut(): Limit | undefined {
    const { timeoutMs, clock } = this.#settings;
    const value = clock.now() - this.#startedAt;
    if (timeoutMs === undefined || value <= timeoutMs) return undefined;
    const text = `the run takes ${number(value / 1_000)} s: longer than --timeout ${number(timeoutMs / 1_000)} s`;
    return { name: 'timeout', limit: timeoutMs, value, text };
  }

  #tooMany(): Limit | undefined {
    const { maxErrors } = this.#settings;
    const { failed } = this.#all;
    if (maxErrors === undefined || failed <= maxErrors) return undefined;
    const text = `${number(failed)} ${failed === 1 ? 'record' : 'records'} failed: more than --max-errors ${maxErrors}`;
    return { name: 'max-errors', limit: maxErrors, value: failed, text };
  }

  #tooOften(where: string, { ok, failed }: Counts): Limit | undefined {
    const { maxErrorRate = DEFAULT_ERROR_RATE } = this.#settings;
    const tried = ok + failed;
    if (tried < FEWEST_RECORDS || failed / tried <= maxErrorRate) return undefined;
    const measured = `${number(failed)} of ${number(tried)} records failed in ${where} (${percent(failed / tried)})`;
    const text = `${measured}: more than --max-error-rate ${percent(maxErrorRate)}`;
    return { name: 'max-error-rate', limit: maxErrorRate, value: failed / tried, text };
  }

  #tooSlow(stage: StageName, times: RoundTrips): Limit | undefined {
    const { maxSlowdown } = this.#settings;
    if (maxSlowdown === undefined || times.last.length < SAMPLES) return undefined;
    const before = median(times.first);
    const now = median(times.last);
    const isSlow = now > before * (1 + maxSlowdown) && now - before >= LEAST_SLOWDOWN_MS;
    times.streak = isSlow ? times.streak + 1 : 0;
    if (times.streak < STREAK) return undefined;
    const value = now / before - 1;
    const measured = `round trips of ${stage} take ${now.toFixed(1)} ms, before ${before.toFixed(1)} ms (+${percent(value)})`;
    return {
      name: 'max-slowdown',
      limit: maxSlowdown,
      value,
      text: `${measured}: more than --max-slowdown ${percent(maxSlowdown)}`,
    };
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function percent(share: number): string {
  return `${number(share * 100)}%`;
}

function number(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: 1 });
}

import type { Clock, StageEvent, StageName } from '../stages/stage.ts';
import { clean, compactRate, count, duration, shortDuration } from './format.ts';
import { Rate } from './rate.ts';

/** How far one stage is, as far as its events have told. */
export interface Progress {
  readonly done: number;
  readonly total: number;
  /** The total was counted before, in a store that lives: more or fewer may come. */
  readonly isEstimate: boolean;
  /** Whole percent, at most 99: only verify can say that all is done. */
  readonly percent: number;
  /** Records a second; undefined until there are some seconds of data. */
  readonly perSecond: number | undefined;
  /** Ms that are left; undefined where nothing can be said. */
  readonly etaMs: number | undefined;
  readonly failed: number;
  /** Ms since the last record was done. */
  readonly stillMs: number;
}

/** Counts what a stage tells of one phase. */
export class StageProgress {
  readonly #clock: Clock;
  readonly #rate: Rate;
  #done = 0;
  #total: number;
  #isEstimate: boolean;
  #failed = 0;

  constructor(clock: Clock, { total, estimate = false }: { readonly total: number; readonly estimate?: boolean }) {
    this.#clock = clock;
    this.#rate = new Rate(clock.now());
    this.#total = total;
    this.#isEstimate = estimate;
  }

  /** Takes what concerns it: progress and failed records. */
  take(event: StageEvent): void {
    if (event.type === 'record-failed') this.#failed += 1;
    if (event.type !== 'progress') return;
    // A total that is passed was wrong.
    if (event.done > this.#total) this.#isEstimate = true;
    this.#done = Math.max(this.#done, event.done);
    this.#total = Math.max(this.#total, event.total, this.#done);
    this.#rate.update(this.#done, this.#clock.now());
  }

  get now(): Progress {
    const now = this.#clock.now();
    const [done, total] = [this.#done, this.#total];
    return {
      done,
      total,
      isEstimate: this.#isEstimate,
      percent: total === 0 ? 0 : Math.min(99, Math.floor((done / total) * 100)),
      perSecond: this.#rate.perSecond(now),
      etaMs: this.#rate.etaMs(total, now),
      failed: this.#failed,
      stillMs: this.#rate.stillMs(now),
    };
  }
}

/** For machines and logs: `redis 120000/~480000 25% 8.1k/s eta 44s errors 0`; `-` where nothing can be said yet. */
export function heartbeatText(stage: StageName, { done, total, isEstimate, percent, ...rest }: Progress): string {
  const rate = rest.perSecond === undefined ? '-' : compactRate(rest.perSecond);
  const eta = rest.etaMs === undefined ? '-' : shortDuration(rest.etaMs);
  return `${stage} ${done}/${isEstimate ? '~' : ''}${total} ${percent}% ${rate} eta ${eta} errors ${rest.failed}`;
}

/** For a live line: `120,000/~480,000 25% 8.1k/s ETA 44s`, the most important first, since a narrow terminal cuts it. */
export function liveText({ done, total, isEstimate, percent, ...rest }: Progress): string {
  const rate = rest.perSecond === undefined ? '-' : compactRate(rest.perSecond);
  const eta = rest.etaMs === undefined ? '-' : shortDuration(rest.etaMs);
  const failed = rest.failed > 0 ? ` ${count(rest.failed)} failed` : '';
  return `${count(done)}/${isEstimate ? '~' : ''}${count(total)} ${percent}% ${rate} ETA ${eta}${failed}`;
}

/** What holds a stage up, in words: a retry, from the second on with the time since when. Pauses come as notes. */
export function retryText({ attempt, delayMs, reason, since }: Extract<StageEvent, { type: 'retry' }>): string {
  const wait = delayMs < 1_000 ? duration(delayMs) : shortDuration(delayMs);
  const from = since === undefined || attempt === 1 ? '' : `failing since ${timeOfDay(since)}: `;
  return `${from}try ${attempt} failed (${clean(reason)}), again in ${wait}`;
}

/** `14:03:12`, on this machine's clock. */
function timeOfDay(ms: number): string {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}

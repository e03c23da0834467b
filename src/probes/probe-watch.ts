import { errorText } from '../model/errors.ts';
import { strongest, type Verdict } from '../model/throttle-level.ts';
import { Hysteresis } from './hysteresis.ts';
import type { Probe, Reading } from './probe.ts';

/** Looks without an answer in a row that make a pause: to go on might be what the probe forbids. */
const SILENT_LOOKS = 3;
/** A look takes no longer than this, ms. */
export const LONGEST_LOOK_MS = 5_000;

export interface WatchSettings {
  /** In their order: of equal verdicts the first one's is told. */
  readonly probes: readonly Probe[];
  /** From the end of a look to the next one of the same probe, ms. */
  readonly intervalMs: number;
  /** Takes what the operator should know of a probe once. */
  readonly tell: (text: string) => void;
  readonly longestLookMs?: number;
}

/**
 * Looks at all probes in the background, each at its own pace, so that one that is slow to answer delays no other. The
 * strongest verdict is the run's.
 */
export class ProbeWatch {
  readonly #watched: readonly Watched[];
  readonly #intervalMs: number;
  #rounds: AbortController | undefined;

  constructor({ probes, intervalMs, tell, longestLookMs = LONGEST_LOOK_MS }: WatchSettings) {
    this.#watched = probes.map((probe) => new Watched(probe, { tell, longestLookMs }));
    this.#intervalMs = intervalMs;
  }

  /** Begins to look; resolves when each probe has been looked at once. Looking twice at a time is one looking. */
  async start(take: (verdict: Verdict) => void): Promise<void> {
    if (this.#rounds !== undefined) return;
    const rounds = new AbortController();
    this.#rounds = rounds;
    const tell = () => {
      if (!rounds.signal.aborted) take(strongest(this.#watched.map(({ verdict }) => verdict)));
    };
    await Promise.all(this.#watched.map((watched) => this.#again(watched, { tell, signal: rounds.signal })));
  }

  /** Looks no more. What was seen is kept. */
  stop(): void {
    this.#rounds?.abort();
    this.#rounds = undefined;
    for (const { next } of this.#watched) clearTimeout(next);
  }

  /** Ends all connections; they are made again where it is started again. Never rejects. */
  async close(): Promise<void> {
    this.stop();
    await Promise.all(this.#watched.map(({ probe }) => probe.close()));
  }

  async #again(watched: Watched, { tell, signal }: { tell: () => void; signal: AbortSignal }): Promise<void> {
    await watched.look();
    if (signal.aborted) return;
    tell();
    watched.next = setTimeout(() => void this.#again(watched, { tell, signal }), this.#intervalMs);
    // That a run is looked at is no reason to stay.
    watched.next.unref();
  }
}

/** One probe with what it wants now. */
class Watched {
  readonly probe: Probe;
  /** Its next look. */
  next: NodeJS.Timeout | undefined;
  readonly #settings: Required<Pick<WatchSettings, 'tell' | 'longestLookMs'>>;
  readonly #hysteresis: Hysteresis;
  #silent = 0;
  #toldBlind = false;

  constructor(probe: Probe, settings: Required<Pick<WatchSettings, 'tell' | 'longestLookMs'>>) {
    this.probe = probe;
    this.#settings = settings;
    this.#hysteresis = new Hysteresis(probe);
  }

  get verdict(): Verdict {
    const { level, reason } = this.#hysteresis.held;
    const { name, spoken } = this.probe;
    // That a hook is silent is nothing that anybody says.
    return { level, reason, by: level === 'go' ? '' : name, spoken: spoken && this.#silent === 0 };
  }

  /** Never rejects: what cannot be seen is a verdict too. */
  async look(): Promise<void> {
    let reading: Reading | undefined;
    try {
      reading = await this.#bounded();
      this.#silent = 0;
    } catch (error) {
      this.#silent += 1;
      if (this.#silent < SILENT_LOOKS) return;
      const reason = `${this.probe.name} gives no answer: ${errorText(error)}`;
      reading = { level: 'pause', calm: 'pause', reason };
    }
    this.#hysteresis.take(reading);
    if (reading.blind === undefined || this.#toldBlind) return;
    this.#toldBlind = true;
    this.#settings.tell(`probe ${this.probe.name} sees nothing here: ${reading.blind}`);
  }

  async #bounded(): Promise<Reading> {
    const end = new AbortController();
    const { longestLookMs } = this.#settings;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`none within ${longestLookMs / 1_000} s`));
        end.abort();
      }, longestLookMs);
    });
    try {
      return await Promise.race([this.probe.look(end.signal), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

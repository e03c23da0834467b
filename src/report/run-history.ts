import type { StageName } from '../stages/stage.ts';
import type { RunEvent } from './event.ts';
import type { RetryCount, RunNote, RunReport } from './report.ts';

const MOST_NOTES = 60;
const MOST_REASONS = 30;
const LONGEST_NOTE = 300;
const LONGEST_REASON = 200;

/** What a run says by the way and what it had to try again, for its report. Its size is bounded. */
export interface RunHistory {
  /** Takes nothing more, and gives what was taken. */
  end(): Required<Pick<RunReport, 'notes' | 'retries'>>;
}

/** One stream of events, noted for as many runs as open a history: a list and each of its waves. */
export class RunHistories {
  readonly #open = new Set<OpenHistory>();
  readonly #now: () => number;

  /** `now`: ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  take(event: RunEvent): void {
    for (const history of this.#open) history.take(event, this.#now());
  }

  /** Notes what is said from now on. */
  open(): RunHistory {
    const history = new OpenHistory(this.#now());
    this.#open.add(history);
    return {
      end: () => {
        this.#open.delete(history);
        return history.told();
      },
    };
  }
}

class OpenHistory {
  readonly #startedAt: number;
  readonly #notes = new Map<string, RunNote>();
  readonly #retries = new Map<string, RetryCount>();
  #unkept = 0;

  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  take(event: RunEvent, now: number): void {
    const atMs = Math.max(0, Math.round(now - this.#startedAt));
    if (event.type === 'run-note') this.#note(atMs, undefined, event.text);
    else if (event.type === 'note') this.#note(atMs, event.stage, event.text);
    else if (event.type === 'stopping') this.#note(atMs, undefined, `${event.signal}: told to stop`);
    else if (event.type === 'retry') this.#retry(event.stage, event.reason, event.delayMs);
  }

  told(): ReturnType<RunHistory['end']> {
    const notes = [...this.#notes.values()];
    const last = notes.at(-1)?.atMs ?? 0;
    const more = this.#unkept > 0 ? [{ atMs: last, text: 'and others that are not kept', count: this.#unkept }] : [];
    return { notes: [...notes, ...more], retries: [...this.#retries.values()].sort((a, b) => b.count - a.count) };
  }

  #note(atMs: number, stage: StageName | undefined, whole: string): void {
    const text = clipped(whole, LONGEST_NOTE);
    const key = `${stage ?? ''} ${text}`;
    const known = this.#notes.get(key);
    if (known !== undefined) this.#notes.set(key, { ...known, count: known.count + 1 });
    // One place is kept for the number of the others.
    else if (this.#notes.size >= MOST_NOTES - 1) this.#unkept += 1;
    else this.#notes.set(key, { atMs, ...(stage === undefined ? {} : { stage }), text, count: 1 });
  }

  #retry(stage: StageName, whole: string, delayMs: number): void {
    const asked = clipped(whole, LONGEST_REASON);
    const isNew = !this.#retries.has(`${stage} ${asked}`);
    const reason = isNew && this.#retries.size >= MOST_REASONS - STAGES ? 'other reasons' : asked;
    const key = `${stage} ${reason}`;
    const known = this.#retries.get(key) ?? { stage, reason, count: 0, waitedMs: 0 };
    this.#retries.set(key, { ...known, count: known.count + 1, waitedMs: known.waitedMs + Math.round(delayMs) });
  }
}

/** Each stage may need a place for its other reasons. */
const STAGES = 4;

function clipped(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

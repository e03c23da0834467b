import type { RunEvent } from '../report/event.ts';
import type { LiveStage } from '../report/live-text.ts';

/** The rate is that of the last so many ms. */
const RATE_WINDOW_MS = 10_000;
const MOST_SAMPLES = 200;

interface Stage {
  unit: string;
  done: number;
  total: number | null;
  /** [ms since the epoch, done then], the oldest first. */
  samples: [number, number][];
}

/** What a run has told of itself so far. */
export class RunBoard {
  readonly #now: () => number;
  readonly #stages = new Map<string, Stage>();
  run: string | null = null;
  command = '';
  phase: string | null = null;
  stage: string | null = null;

  constructor(now: () => number) {
    this.#now = now;
  }

  take(event: RunEvent): void {
    switch (event.type) {
      case 'run-started':
        this.run = event.runId;
        this.command = event.command;
        this.phase = null;
        this.stage = null;
        this.#stages.clear();
        return;
      case 'phase':
        this.phase = event.phase;
        this.stage = null;
        return;
      case 'stage-started':
        this.stage = event.stage;
        return;
      case 'total':
        this.#stages.set(event.stage, { unit: event.unit, done: 0, total: event.total, samples: [[this.#now(), 0]] });
        return;
      case 'progress':
        this.#progress(event);
        return;
      case 'stage-finished':
        this.#finish(event.stage, event.row.unit, event.phase === 'apply' ? event.row.moved : undefined);
        return;
      default:
        return;
    }
  }

  stages(): readonly LiveStage[] {
    const now = this.#now();
    return [...this.#stages].map(([name, stage]) => {
      const { unit, done, total } = stage;
      const perSecond = name === this.stage ? rateOf(stage, now) : null;
      const etaMs = perSecond === null || total === null ? null : Math.max(0, ((total - done) / perSecond) * 1_000);
      return { name, done, total, unit, perSecond, etaMs };
    });
  }

  #progress({ stage: name, done, total }: Extract<RunEvent, { type: 'progress' }>): void {
    const stage = this.#stages.get(name) ?? { unit: 'records', done: 0, total, samples: [] };
    this.#stages.set(name, stage);
    stage.done = done;
    stage.total = total;
    stage.samples.push([this.#now(), done]);
    if (stage.samples.length > MOST_SAMPLES) stage.samples = stage.samples.filter((_, index) => index % 2 === 0);
  }

  #finish(name: string, unit: string, moved: number | undefined): void {
    const stage = this.#stages.get(name);
    if (stage !== undefined) stage.samples = [];
    else if (moved !== undefined) this.#stages.set(name, { unit, done: moved, total: moved, samples: [] });
    if (this.stage === name) this.stage = null;
  }
}

function rateOf({ samples, done }: Stage, now: number): number | null {
  const first = samples.find(([at]) => now - at <= RATE_WINDOW_MS);
  if (first === undefined || done <= first[1]) return null;
  return (done - first[1]) / (Math.max(1, now - first[0]) / 1_000);
}

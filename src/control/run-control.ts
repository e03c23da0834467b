import { errorText } from '../model/errors.ts';
import type { Restraint } from '../model/probe-spec.ts';
import type { RunEvent } from '../report/event.ts';
import type { LiveRun } from '../report/live-text.ts';
import { type ControlAction, type ControlAnswer, PROTOCOL } from './control-protocol.ts';
import { ControlServer } from './control-server.ts';
import { RunBoard } from './run-board.ts';

/** What can be done to the run from outside. */
export interface Controls {
  /** Where the run of this id keeps its folder. */
  folderOf(runId: string): string;
  pause(by: string): void;
  /** False where it was not paused so. */
  resume(): boolean;
  /** What restrains the run now; `since` is ms since the epoch. */
  restrained(): Promise<{ readonly level: 'go' | Restraint; readonly reason: string; readonly since: number }>;
  /** Stops the run as Ctrl-C does. */
  stop(): void;
  /** How fast it may write; absent where that cannot be changed. */
  readonly rates?: RateControl | undefined;
  /** Takes what the operator should know. */
  readonly tell: (text: string) => void;
  readonly pid: number;
  readonly now: () => number;
}

/** Rates as `--rate` has them. */
export interface RateControl {
  /** What holds now. */
  text(): string;
  /** Sets them at once; a text says what is wrong with them. */
  set(text: string): string | undefined;
}

/**
 * Lets a run be looked at and steered while it is under way: through a socket in its folder, from the moment when it holds
 * its locks until it ends. Between the waves of a list it moves from folder to folder. That there is no socket is told,
 * and ends no run.
 */
export class RunControl {
  readonly #controls: Controls;
  readonly #board: RunBoard;
  #open: { close(): void } | undefined;

  constructor(controls: Controls) {
    this.#controls = controls;
    this.#board = new RunBoard(controls.now);
  }

  /** Takes all that the run says. */
  take(event: RunEvent): void {
    this.#board.take(event);
    if (event.type === 'run-started' && isForReal(event)) this.#begin(event.runId);
    if (event.type === 'run-finished') this.close();
  }

  /** Nobody can ask any more. */
  close(): void {
    this.#open?.close();
    this.#open = undefined;
  }

  #begin(runId: string): void {
    this.close();
    let over = false;
    let server: ControlServer | undefined;
    this.#open = {
      close() {
        over = true;
        server?.close();
      },
    };
    void ControlServer.open(this.#controls.folderOf(runId), (action) => this.#act(action)).then((opened) => {
      if (typeof opened === 'string') {
        if (!over) this.#controls.tell(`this run cannot be controlled: ${opened}`);
        return;
      }
      server = opened;
      if (over) server.close();
    });
  }

  async #act(action: ControlAction): Promise<ControlAnswer> {
    try {
      const done = await this.#do(action);
      if ('error' in done) return { v: PROTOCOL, ok: false, error: done.error };
      return { v: PROTOCOL, ok: true, text: done.text, status: await this.#status() };
    } catch (error) {
      return { v: PROTOCOL, ok: false, error: errorText(error) };
    }
  }

  async #do(action: ControlAction): Promise<{ readonly text: string } | { readonly error: string }> {
    const { pause, resume, stop, rates, tell, restrained } = this.#controls;
    switch (action.do) {
      case 'status':
        return { text: '' };
      case 'pause':
        pause('by tenant-migrate control; goes on with tenant-migrate control resume');
        return { text: 'it pauses before its next batch' };
      case 'resume': {
        const was = resume() ? '' : 'it was not paused by control; ';
        const { level, reason } = await restrained();
        if (level === 'go') return { text: `${was}it goes on` };
        return { text: `${was}it is still ${level === 'slow' ? 'slowed' : 'paused'}: ${reason}` };
      }
      case 'rate': {
        if (rates === undefined) return { error: 'this run’s rate cannot be changed' };
        const wrong = rates.set(action.rate);
        if (wrong !== undefined) return { error: wrong };
        tell(`rate set by control: ${rates.text()}`);
        return { text: `its rate is now ${rates.text()}` };
      }
      case 'abort':
        stop();
        return { text: 'it finishes what is under way, then stops; it can be resumed or rolled back' };
    }
  }

  async #status(): Promise<LiveRun> {
    const { pid, now, rates, restrained } = this.#controls;
    const { run, command, phase, stage } = this.#board;
    const { level, reason, since } = await restrained();
    return {
      run: run ?? '',
      command,
      pid,
      phase,
      stage,
      // A rate of the time before a pause would promise an end that does not come.
      stages: this.#board.stages().map((row) => (level === 'pause' ? { ...row, perSecond: null, etaMs: null } : row)),
      throttle: { level, reason, ms: Math.max(0, now() - since) },
      rate: rates?.text() ?? null,
    };
  }
}

/** Only what writes to a run has its folder: plan and verify name one that they merely read. */
function isForReal({ command, dryRun, runId }: Extract<RunEvent, { type: 'run-started' }>): boolean {
  return !dryRun && runId !== 'none' && command !== 'plan' && command !== 'verify';
}

import { errorText } from '../model/errors.ts';
import type { Move } from '../model/move.ts';
import type { RunEvent } from '../report/event.ts';
import type { RunReport } from '../report/report.ts';
import { openAnnotations } from './annotations-observer.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { openLogFile } from './log-file-observer.ts';
import type { Settings } from './settings.ts';
import { openMetrics } from './watch-metrics.ts';
import { openNotifications } from './watch-notifications.ts';
import { openTraces } from './watch-traces.ts';

/** Follows a run beside the terminal. What it does never changes the run: no method throws or waits on another. */
export interface Observer {
  take(event: RunEvent): void;
  /**
   * The command's own report, where it came to one. With `--auto-rollback` and for a list of several waves it is another
   * than that of the last run: this one has the command's exit code.
   */
  ended?(report: RunReport): void;
  /** What was thrown where the command came to no report, such as that there is no tunnel. */
  broke?(error: unknown): void;
  /** Sends what is left; bounded in time. Called once, also where the run threw. */
  close(): Promise<void>;
}

/** What an observer may know of the command that it follows. */
export interface Observed {
  readonly invocation: Invocation;
  readonly settings: Settings;
  readonly ctx: CommandContext;
  /** The moves of a list that takes several waves. */
  readonly list?: readonly Move[] | undefined;
  /** Says something on the terminal, such as that a receiver did not answer. */
  readonly tell: (text: string) => void;
}

/** Makes an observer, or none where no setting asks for it. Throws MigrateError where it cannot do what is asked. */
export type OpenObserver = (observed: Observed) => Promise<Observer | undefined>;

const OBSERVERS: readonly OpenObserver[] = [openAnnotations, openLogFile, openMetrics, openTraces, openNotifications];

/** All observers that the settings ask for. */
export async function openObservers(observed: Observed): Promise<readonly Observer[]> {
  const opened: Observer[] = [];
  try {
    for (const open of OBSERVERS) {
      const observer = await open(observed);
      if (observer !== undefined) opened.push(guarded(observer, observed.tell));
    }
  } catch (error) {
    await Promise.all(opened.map((observer) => observer.close()));
    throw error;
  }
  return opened;
}

/** A fault in what only looks on must not end a move: it is told, and the observer sees no more of the run. */
function guarded(observer: Observer, tell: (text: string) => void): Observer {
  let failed = false;
  const attempt = (work: () => void) => {
    if (failed) return;
    try {
      work();
    } catch (error) {
      failed = true;
      tell(`the run is no longer followed: ${errorText(error)}`);
    }
  };
  return {
    take: (event) => attempt(() => observer.take(event)),
    ended: (report) => attempt(() => observer.ended?.(report)),
    broke: (error) => attempt(() => observer.broke?.(error)),
    close: () => observer.close().catch((error: unknown) => tell(`following the run failed: ${errorText(error)}`)),
  };
}

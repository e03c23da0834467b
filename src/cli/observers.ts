import type { RunEvent } from '../report/event.ts';
import { openAnnotations } from './annotations-observer.ts';
import type { CommandContext, Invocation } from './invocation.ts';
import { openLogFile } from './log-file-observer.ts';
import type { Settings } from './settings.ts';

/** Follows a run beside the terminal. What it does never changes the run: neither method throws or waits on another. */
export interface Observer {
  take(event: RunEvent): void;
  /** Sends what is left; bounded in time. Called once, also where the run threw. */
  close(): Promise<void>;
}

/** What an observer may know of the command that it follows. */
export interface Observed {
  readonly invocation: Invocation;
  readonly settings: Settings;
  readonly ctx: CommandContext;
  /** Says something on the terminal, such as that a receiver did not answer. */
  readonly tell: (text: string) => void;
}

/** Makes an observer, or none where no setting asks for it. Throws MigrateError where it cannot do what is asked. */
export type OpenObserver = (observed: Observed) => Promise<Observer | undefined>;

const OBSERVERS: readonly OpenObserver[] = [openAnnotations, openLogFile];

/** All observers that the settings ask for. */
export async function openObservers(observed: Observed): Promise<readonly Observer[]> {
  const opened: Observer[] = [];
  try {
    for (const open of OBSERVERS) {
      const observer = await open(observed);
      if (observer !== undefined) opened.push(observer);
    }
  } catch (error) {
    await Promise.all(opened.map((observer) => observer.close()));
    throw error;
  }
  return opened;
}

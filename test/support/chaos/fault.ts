import type { Random } from '../../../scripts/seed/random.ts';
import type { Loaded } from './loaded.ts';
import type { ProxyName, Slot } from './slot.ts';

/** One way in which a moment can be the wrong one. */
export interface Fault {
  /** Unique; also the row of the table. */
  readonly kind: string;
  readonly where: 'Redis' | 'Qdrant' | 'graph' | 'config API' | 'run folder' | 'process' | 'clock';
  /** What of the program notices it. */
  readonly caughtBy: string;
  /** What a person sees of it. */
  readonly userSees: string;
  /** `process`: met by a real process only, which costs its start. */
  readonly drive: 'in-process' | 'process';
  /** The proxy in front of the store that it is about. */
  readonly proxy?: ProxyName;
  /** True where data is lost by the fault itself: then no exit code may say that all is well. */
  readonly loses?: true;
  /** Prepares the fault; returns in words when and how it will come. */
  arm(site: Site): string;
}

/** What a fault is handed: the servers, chance, and the run that is about to begin. */
export interface Site {
  readonly slot: Slot;
  readonly loaded: Loaded;
  readonly random: Random;
  /** To be called when the fault has come. */
  met(): void;
  /** Stops a run in this process as Ctrl-C does. */
  interrupt(): void;
  /** Ends the process of a run, where it has one. */
  kill(): void;
  /** Moves the run's clock. */
  jump(ms: number): void;
  /** Does something after a while, unless the run has ended by then. */
  later(ms: number, work: () => unknown): void;
  /** To be set for a run as a process. */
  readonly process: { kill?: KillPlan; fileBlocks?: number };
}

type KillPlan = NonNullable<Parameters<typeof import('./run-tool.ts').runProcess>[0]['kill']>;

import type { RunEvent } from '../report/event.ts';
import type { RunCommand, RunPlan, RunReport } from '../report/report.ts';
import type { RawFlags } from './settings.ts';
import type { Terminal } from './terminal.ts';

/** What the process lends to a command. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly argv: readonly string[];
  readonly signal: AbortSignal;
  /** Stops the run as Ctrl-C does; `by` is who did, for people. */
  readonly interrupt: (by: string) => void;
  /** Where the command was called by a program: told instead of the terminal. */
  readonly listener?: RunListener;
}

/** A program that called the command. */
export interface RunListener {
  take(event: RunEvent): void;
  /** Given the result in place of what would be printed. */
  finish(report: RunReport, plan: RunPlan | undefined): void;
  /** The plan that `apply` executes, in place of a file. */
  readonly plan?: RunPlan;
  /** Asked in place of the terminal. */
  readonly confirm?: (plan: RunPlan) => Promise<boolean>;
}

/** What is done with backups. */
export type BackupCommand = `backup ${'create' | 'list' | 'verify' | 'restore' | 'extend' | 'cleanup'}`;

/** What was typed. */
export interface Invocation {
  readonly command:
    | RunCommand
    | BackupCommand
    | 'status'
    | 'control'
    | 'runs'
    | 'runs cleanup'
    | 'doctor'
    | 'report'
    | 'init'
    | 'schema'
    | 'completion';
  readonly positionals: Readonly<Record<string, string>>;
  readonly flags: RawFlags;
}

import type { RunCommand } from '../report/report.ts';
import type { RawFlags } from './settings.ts';
import type { Terminal } from './terminal.ts';

/** What the process lends to a command. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly argv: readonly string[];
  readonly signal: AbortSignal;
  /** Stops the run as Ctrl-C does. */
  readonly interrupt: () => void;
}

/** What is done with backups. */
export type BackupCommand = `backup ${'create' | 'list' | 'verify' | 'restore' | 'extend' | 'cleanup'}`;

/** What was typed. */
export interface Invocation {
  readonly command: RunCommand | BackupCommand | 'status' | 'runs' | 'runs cleanup' | 'doctor';
  readonly positionals: Readonly<Record<string, string>>;
  readonly flags: RawFlags;
}

import { createInterface } from 'node:readline/promises';
import type { Readable, Writable } from 'node:stream';
import { Chalk, type ChalkInstance } from 'chalk';

/** The process's streams and surroundings, handed in so that nothing else touches them. */
export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly env: NodeJS.ProcessEnv;
  /** Says one command to a CI that knows them; absent elsewhere. */
  readonly annotate?: (line: string) => void;
}

/** Colours for one stream: --color, then FORCE_COLOR, NO_COLOR, TERM=dumb, then whether it is a terminal. */
export function paintFor(
  stream: { readonly isTTY?: boolean },
  choice: 'auto' | 'always' | 'never',
  env: NodeJS.ProcessEnv,
): ChalkInstance {
  return new Chalk({ level: wantsColour(stream, choice, env) ? 1 : 0 });
}

function wantsColour(
  stream: { readonly isTTY?: boolean },
  choice: 'auto' | 'always' | 'never',
  env: NodeJS.ProcessEnv,
): boolean {
  if (choice !== 'auto') return choice === 'always';
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '') return env.FORCE_COLOR !== '0';
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false;
  return env.TERM !== 'dumb' && stream.isTTY === true;
}

/** Whether somebody is there to see a live display and to answer. */
export function isInteractive({ stdin, stderr, env }: Terminal): boolean {
  return stdin.isTTY === true && stderr.isTTY === true && (env.CI === undefined || env.CI === '' || env.CI === 'false');
}

/** What a question needs of the process. */
interface Asking {
  readonly terminal: Terminal;
  /** Ends the wait for an answer at once. */
  readonly signal: AbortSignal;
  /** Stops the run as Ctrl-C does; `by` is who did, for people. */
  readonly interrupt: (by: string) => void;
}

/** Asks on stderr; only the word `yes` agrees. The end of the input, a signal and Ctrl-C do not; the last also stops the run. */
export async function askYes({ terminal, signal, interrupt }: Asking, question: string): Promise<boolean> {
  if (signal.aborted) return false;
  const lines = createInterface({ input: terminal.stdin, output: terminal.stderr });
  const close = () => lines.close();
  signal.addEventListener('abort', close);
  // While it reads, the terminal's Ctrl-C comes here and not to the process.
  lines.on('SIGINT', () => {
    interrupt('SIGINT');
    close();
  });
  // A terminal that is gone cannot be read any more: nobody will answer.
  lines.on('error', close);
  const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
  try {
    const answer = await Promise.race([lines.question(`${question} Type yes to go on: `), closed]);
    return !signal.aborted && answer.trim() === 'yes';
  } finally {
    signal.removeEventListener('abort', close);
    close();
  }
}

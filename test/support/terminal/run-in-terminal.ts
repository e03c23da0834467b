import { spawn } from 'node:child_process';
import { PROGRAM } from '../program.ts';

export interface TerminalRun {
  /** Exit code of the command. */
  readonly ended: Promise<number>;
  /** All that it has written to the terminal so far. */
  output(): string;
  type(text: string): void;
}

/** Runs the built command in a pseudo-terminal of its own (util-linux `script`), as somebody who looks at it does. */
export function runInTerminal(
  args: readonly string[],
  { columns, cwd, env = {} }: { readonly columns: number; readonly cwd: string; readonly env?: Record<string, string> },
): TerminalRun {
  const words = [process.execPath, PROGRAM, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  const child = spawn('script', ['-qec', `stty cols ${columns} rows 50; exec ${words}`, '/dev/null'], {
    cwd,
    env: { PATH: process.env.PATH ?? '', TERM: 'xterm-256color', SHELL: '/bin/sh', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? -1));
  });
  return { ended, output: () => output, type: (text) => void child.stdin.write(text) };
}

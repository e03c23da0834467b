import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** After this many milliseconds the command is killed and has failed. */
  readonly timeout?: number;
  /** What a failure does: `throw` (default) rejects with the end of its output, `ignore` returns what it printed. */
  readonly orElse?: 'throw' | 'ignore';
}

/** Runs a command without a shell and without standard input; resolves with what it printed on both streams. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { cwd, timeout } = options;
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: options.env ?? process.env,
    ...(cwd === undefined ? {} : { cwd }),
    ...(timeout === undefined ? {} : { timeout, killSignal: 'SIGKILL' as const }),
  });
  const output = Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await once(child, 'close');
  const printed = (await output).join('');
  if (code !== 0 && options.orElse !== 'ignore') {
    throw new Error(`${command} ${args.join(' ')} ended with ${code ?? 'a signal'}:\n${printed.slice(-1500)}`);
  }
  return printed;
}

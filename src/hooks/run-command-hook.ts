import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { errorText } from '../model/errors.ts';
import { BoundedText } from './bounded-text.ts';

/** How a hook ended. */
export interface HookEnd {
  /** Why it failed or refused; undefined where it went well. */
  readonly problem: string | undefined;
  /** What it said, the first of it. */
  readonly output: string;
}

/** How long a hook that was told to end may take, ms. */
const GRACE_MS = 2_000;
/** How long what it said may still be on its way after its end, ms: a child that it left behind may hold the pipe open. */
const LAST_WORDS_MS = 300;

/**
 * Runs a program without a shell, in a process group of its own, with `input` on stdin. At the time-out, or when the
 * signal aborts, the group gets SIGTERM and a little later SIGKILL. Never rejects.
 */
export function runCommandHook(
  [program = '', ...args]: readonly string[],
  {
    input,
    env,
    timeoutMs,
    signal,
  }: {
    readonly input: string;
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly timeoutMs: number;
    readonly signal: AbortSignal | undefined;
  },
): Promise<HookEnd> {
  return new Promise((resolve) => {
    const output = new BoundedText();
    const child = spawn(program, args, { env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    // Where no more files may be open, it comes without streams, and the error comes later.
    const said = [child.stdout, child.stderr].filter((stream: Readable | undefined) => stream !== undefined);
    let why: string | undefined;
    let killer: ReturnType<typeof setTimeout> | undefined;
    const kill = (name: 'SIGTERM' | 'SIGKILL') => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, name);
      } catch (error) {
        // Gone already is what is wanted.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') why = `${why ?? ''}; ${errorText(error)}`;
      }
    };
    const end = (reason: string) => {
      why ??= reason;
      kill('SIGTERM');
      killer ??= setTimeout(() => kill('SIGKILL'), GRACE_MS);
    };
    const timer = setTimeout(() => end(`it took longer than ${timeoutMs / 1_000} s`), timeoutMs);
    const stop = () => end('the run was stopped');
    if (signal?.aborted) stop();
    signal?.addEventListener('abort', stop, { once: true });
    const finish = (problem: string | undefined) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      // Children that outlive a hook that had to be ended end with it.
      if (why !== undefined) kill('SIGKILL');
      clearTimeout(killer);
      const done = () => {
        for (const stream of said) stream.destroy();
        resolve({ problem, output: output.text });
      };
      const last = setTimeout(done, LAST_WORDS_MS);
      void Promise.all(said.map(closed)).then(() => {
        clearTimeout(last);
        done();
      });
    };
    child.on('error', (error) => finish(`it cannot be started: ${errorText(error)}`));
    for (const stream of said) stream.setEncoding('utf8').on('data', (text) => output.add(text));
    const stdin: Writable | undefined = child.stdin;
    // A hook need not read what it is told.
    stdin?.on('error', () => undefined);
    stdin?.end(input);
    child.on('exit', (code, by) =>
      finish(why ?? (code === 0 ? undefined : by === null ? `exit ${code}` : `ended by ${by}`)),
    );
  });
}

function closed(stream: NodeJS.ReadableStream & { readonly closed?: boolean }): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed === true) resolve();
    else stream.once('close', () => resolve());
  });
}

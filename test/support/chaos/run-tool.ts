import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';

const ROOT = join(import.meta.dirname, '../../..');
/** What is tried: what was built, or a build elsewhere. */
const DIST = process.env.CHAOS_DIST ?? join(ROOT, 'dist');
const KILL_PRELOAD = pathToFileURL(join(import.meta.dirname, 'kill-preload.mjs')).href;

/** How one run of the command ended. */
export interface ToolResult {
  /** Undefined where a signal ended the process. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ToolRun {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Called with all that stderr has got so far, as it grows. */
  readonly onStderr?: (text: string) => void;
}

interface CliModule {
  runCli(context: {
    terminal: { stdin: Readable; stdout: Writable; stderr: Writable; env: NodeJS.ProcessEnv };
    argv: readonly string[];
    signal: AbortSignal;
    interrupt: () => void;
  }): Promise<number>;
}

let loading: Promise<CliModule> | undefined;

/** Runs the built command's own entry in this process: the same code as the process, without its start. */
export async function runInProcess({ args, env, signal, onStderr }: ToolRun): Promise<ToolResult> {
  loading ??= import(pathToFileURL(join(DIST, 'cli/cli.js')).href) as Promise<CliModule>;
  const { runCli } = await loading;
  const [stdout, stderr] = [collector(), collector(onStderr)];
  const code = await runCli({
    terminal: { stdin: Readable.from([]), stdout: stdout.stream, stderr: stderr.stream, env: { ...env } },
    argv: args,
    signal: signal ?? new AbortController().signal,
    interrupt: () => undefined,
  });
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

/** Why a run is stopped by a signal (Ctrl-C, where none is named), as the program itself says it. */
export async function interruption(signal = 'SIGINT'): Promise<Error> {
  const { stopReason } = (await import(pathToFileURL(join(DIST, 'model/errors.js')).href)) as {
    stopReason(signal: string): Error;
  };
  return stopReason(signal);
}

/** Where the process is to end itself; see `kill-preload.mjs`. */
export interface KillPoint {
  /** Which of its file operations in the state folder: 1, 2, 3 … */
  readonly at: number;
  /** `torn`: in the middle of a write (of another operation: before it); `later`: so many µs after it. */
  readonly how: 'before' | 'torn' | 'after' | 'later' | 'never';
  /** Of a torn write, the share of its bytes that is written. */
  readonly share?: number;
  readonly delayUs?: number;
  /** A file that takes the operations of a run that came to its end, as JSON. */
  readonly count?: string;
}

export interface ProcessRun extends Omit<ToolRun, 'signal' | 'onStderr'> {
  readonly kill?: KillPoint;
  /** Largest size of a file, in units of 512 bytes: the system refuses what goes beyond. */
  readonly fileBlocks?: number;
  /** Called with the process's id once it has started. */
  readonly started?: (kill: () => void) => void;
}

/** Runs the built command as a process of its own. */
export function runProcess({ args, env, kill, fileBlocks, started }: ProcessRun): Promise<ToolResult> {
  const state = env.TENANT_MIGRATE_STATE_DIR ?? '';
  const preload = kill === undefined ? [] : ['--import', KILL_PRELOAD];
  const node = [process.execPath, ...preload, join(DIST, 'main.js'), ...args];
  const limited = ['/bin/sh', '-c', `ulimit -f ${fileBlocks}; exec "$@"`, 'sh', ...node];
  const [command = '', ...rest] = fileBlocks === undefined ? node : limited;
  return new Promise((resolve, reject) => {
    const child = spawn(command, rest, {
      cwd: scratch,
      env: {
        PATH: process.env.PATH ?? '',
        ...env,
        ...(kill === undefined ? {} : { CHAOS_KILL: JSON.stringify({ state, ...kill }) }),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? undefined, stdout, stderr }));
    started?.(() => void child.kill('SIGKILL'));
  });
}

const scratch = mkdtempSync(join(tmpdir(), 'tenant-migrate-chaos-cwd-'));

function collector(grown?: (text: string) => void): { readonly stream: Writable; text(): string } {
  const pieces: string[] = [];
  const stream = new Writable({
    write(piece: Buffer, _encoding, done) {
      pieces.push(piece.toString('utf8'));
      done();
      grown?.(pieces.join(''));
    },
  });
  return { stream, text: () => pieces.join('') };
}

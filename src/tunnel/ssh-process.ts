import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { execPath } from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { clean } from '../model/clean.ts';
import { NO_SSH } from './ssh-failure.ts';

/**
 * Stands between this process and ssh, since ssh itself does not notice that who started it is gone. Its standard input
 * is a pipe from here: that ends with this process, however it ends, and then so do ssh and the socket files.
 */
const WARDEN = `
const { spawn } = require('node:child_process');
const { rmSync } = require('node:fs');
const [, dir, ...args] = process.argv;
const ssh = spawn('ssh', args, { stdio: ['ignore', 'ignore', 'inherit'] });
ssh.on('error', (error) => { process.stderr.write('spawn ssh ' + error.code + '\\n', () => process.exit(127)); });
ssh.on('exit', (code) => process.exit(code === null ? 255 : code));
let ending = false;
const end = () => {
  if (ending) return;
  ending = true;
  ssh.kill('SIGTERM');
  setTimeout(() => ssh.kill('SIGKILL'), 2000);
};
const orphaned = () => { rmSync(dir, { recursive: true, force: true }); end(); };
process.stdin.on('end', orphaned).on('error', orphaned).resume();
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, end);
`;

const LONGEST_GOODBYE_MS = 4_000;
const MOST_LINES = 50;

/** One ssh that was started. */
export interface SshProcess {
  /** Resolves once it has ended, with its last words. Never rejects. */
  readonly ended: Promise<readonly string[]>;
  readonly isEnded: () => boolean;
  /** How many lines it has said so far. */
  readonly said: () => number;
  /** What it has said after so many lines, control characters made visible; at most the last lines. */
  readonly linesAfter: (said: number) => readonly string[];
  /** Ends it and waits for that. */
  stop(): Promise<void>;
}

/**
 * Starts ssh without a shell and without a terminal: a Ctrl-C is meant for the run, which still needs its stores.
 * `folder` holds the socket files, and goes when this process does.
 */
export function startSsh(
  args: readonly string[],
  { folder, env }: { readonly folder: string; readonly env: NodeJS.ProcessEnv },
): SshProcess {
  const child = spawn(execPath, ['-e', WARDEN, '--', folder, ...args], {
    stdio: ['pipe', 'ignore', 'pipe'],
    detached: true,
    env,
  });
  // Whoever forgets to close it must not keep this process alive.
  child.unref();
  for (const stream of [child.stdin, child.stderr] as unknown as { unref?(): void }[]) stream.unref?.();
  const lines: string[] = [];
  let said = 0;
  createInterface({ input: child.stderr }).on('line', (raw) => {
    said += 1;
    if (lines.push(clean(raw)) > MOST_LINES) lines.shift();
  });
  child.stdin.on('error', () => undefined);
  let isEnded = false;
  const ended = endOf(child).then((why) => {
    isEnded = true;
    // That one far end could not be reached says nothing about the link.
    return [...lines.filter((line) => !/open failed/.test(line)), ...why];
  });
  return {
    ended,
    isEnded: () => isEnded,
    said: () => said,
    linesAfter: (count) => lines.slice(Math.max(0, lines.length - (said - count))),
    stop: async () => {
      const { signal, abort } = timer();
      child.kill('SIGTERM');
      await Promise.race([ended, sleep(LONGEST_GOODBYE_MS, undefined, { signal }).catch(() => undefined)]);
      abort();
    },
  };
}

function timer() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

/** Its end, once all that it said was read. */
function endOf(child: ChildProcess): Promise<readonly string[]> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve([error.message]));
    child.on('close', () => resolve([]));
  });
}

const LONGEST_REQUEST_MS = 10_000;

/** Runs ssh for a request to one that stands. Resolves with what it said where it was refused. */
export function askSsh(args: readonly string[], env: NodeJS.ProcessEnv): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile('ssh', [...args], { env, timeout: LONGEST_REQUEST_MS }, (error, _stdout, stderr) => {
      if (error === null) resolve(undefined);
      else resolve(error.code === ('ENOENT' as unknown) ? NO_SSH : clean(stderr.trim() || error.message));
    });
  });
}

import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { interruption, runInProcess } from './chaos/run-tool.ts';
import { PROGRAM } from './program.ts';

/** What fails on purpose need not be waited for as long as an operator would. */
const SOON = { TENANT_MIGRATE_RETRY_DELAY: '150ms' };

/** How one run of the command ended. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as JSON; throws where it is not one document. */
  json(): Record<string, unknown> & { outcome?: string; exitCode?: number };
}

interface CliOptions {
  /** Called once the process runs, with a way to signal it. */
  readonly onStart?: (kill: (signal: NodeJS.Signals) => void) => Promise<void>;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Called with the growing stderr, and with a way to signal the process. */
  readonly onStderr?: (text: string, kill: (signal: NodeJS.Signals) => void) => void;
}

/** Runs the built command as a user does, in an empty folder and an environment without settings. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      cwd: options.cwd ?? mkdtempSync(join(tmpdir(), 'tenant-migrate-cli-')),
      env: { PATH: process.env.PATH ?? '', ...SOON, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    options.onStart?.((signal) => child.kill(signal)).catch(reject);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      options.onStderr?.(stderr, (signal) => child.kill(signal));
    });
    child.on('error', reject);
    child.on('close', (code) => {
      // A crash of the program is never what a test expects: what it said helps more than its code.
      if (code === 1) console.error(stderr.slice(-2_000));
      resolve({ code: code ?? -1, stdout, stderr, json: () => JSON.parse(stdout) as Record<string, unknown> });
    });
  });
}

let last: Promise<unknown> = Promise.resolve();

/**
 * The same without a process of its own, which takes longer to start than most moves take: for tests that are not
 * about processes. One at a time, since a process stands in one folder. A signal stops it as it stops a process; it cannot
 * be killed.
 */
export function runHere(args: readonly string[], options: Omit<CliOptions, 'onStart'> = {}): Promise<CliResult> {
  const next = last.then(async () => {
    const before = process.cwd();
    process.chdir(options.cwd ?? mkdtempSync(join(tmpdir(), 'tenant-migrate-cli-')));
    try {
      const controller = new AbortController();
      const stop = (signal: NodeJS.Signals) => void interruption(signal).then((why) => controller.abort(why));
      const {
        code = -1,
        stdout,
        stderr,
      } = await runInProcess({
        args,
        env: { ...SOON, ...options.env },
        signal: controller.signal,
        onStderr: (text) => options.onStderr?.(text, stop),
      });
      if (code === 1) console.error(stderr.slice(-2_000));
      return { code, stdout, stderr, json: () => JSON.parse(stdout) as Record<string, unknown> };
    } finally {
      process.chdir(before);
    }
  });
  last = next.catch(() => undefined);
  return next;
}

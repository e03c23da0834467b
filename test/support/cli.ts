import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MAIN = join(import.meta.dirname, '../../dist/main.js');

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
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: options.cwd ?? mkdtempSync(join(tmpdir(), 'tenant-migrate-cli-')),
      env: { PATH: process.env.PATH ?? '', ...options.env },
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

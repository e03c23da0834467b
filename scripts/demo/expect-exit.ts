import { type SpawnOptions, spawn } from 'node:child_process';
import { join } from 'node:path';

/** The built command. */
export const MAIN = join(import.meta.dirname, '../../dist/main.js');
/** No command of the demo takes so long, ms. */
const LONGEST_MS = 120_000;

/** Runs the command, whose output is the demo's. Rejects where it ends with another exit code. */
export function expectExit(code: number, args: readonly string[], options: SpawnOptions = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: LONGEST_MS,
      killSignal: 'SIGKILL',
      ...options,
    });
    child.on('error', reject);
    child.on('close', (actual, signal) =>
      actual === code ? resolve() : reject(new Error(`exit code ${actual ?? signal}, expected ${code}`)),
    );
  });
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { RunReport } from '../../src/report/report.ts';
import { projectFolder } from '../services/cache-folder.ts';

export interface CliRun {
  /** From the start of the process to its end. */
  readonly ms: number;
  /** Most memory that the process held at one time. */
  readonly peakBytes: number;
  readonly report: RunReport;
}

/**
 * Written out by the process itself as it ends. Linux tells a process's own peak in VmHWM; the resource usage of a child
 * that Node starts begins with the peak of its parent.
 */
const reportPeak = `data:text/javascript,${encodeURIComponent(`
import { readFileSync, writeFileSync } from 'node:fs';
const peak = () => {
  const own = process.platform === 'linux' ? /VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] : undefined;
  return 1024 * Number(own ?? process.resourceUsage().maxRSS);
};
process.on('exit', () => writeFileSync(process.env.BENCH_PEAK_FILE, String(peak())));
`)}`;

/** The built command. */
export const MAIN = join(projectFolder, 'dist', 'main.js');

/** Runs the built command as an operator does, by default with a new state folder. Rejects where it does not end with 0. */
export async function runCli(args: readonly string[], { stateDir }: { stateDir?: string } = {}): Promise<CliRun> {
  const folder = await mkdtemp(join(tmpdir(), 'tenant-migrate-bench-'));
  const peakFile = join(folder, 'peak');
  const command = [MAIN, ...args, '--json', '--yes', '--state-dir', stateDir ?? join(folder, 'state')];
  try {
    const begun = performance.now();
    const child = spawn(process.execPath, ['--import', reportPeak, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, BENCH_PEAK_FILE: peakFile },
    });
    const output = Promise.all([text(child.stdout), text(child.stderr)]);
    const [code] = await once(child, 'close');
    const ms = performance.now() - begun;
    const [stdout, stderr] = await output;
    if (code !== 0) throw new Error(`the command ended with ${code}:\n${stderr}\n${stdout}`);
    return { ms, peakBytes: Number(await readFile(peakFile, 'utf8')), report: JSON.parse(stdout) as RunReport };
  } finally {
    await rm(folder, { recursive: true });
  }
}

import { spawnSync } from 'node:child_process';
import { availableParallelism, loadavg } from 'node:os';

/** What starting Node takes on an idle machine with two slow cores, in milliseconds. */
const IDLE_MS = 50;
const MOST = 8;

/**
 * How many times slower than an idle machine this one is: at least 1. Measured by starting Node, which is what tests do
 * most, and by how many processes wait for a core, since a start may fall into a quiet moment.
 */
export function slowness(): number {
  const times = [1, 2, 3].map(() => {
    const begun = performance.now();
    spawnSync(process.execPath, ['-e', '0']);
    return performance.now() - begun;
  });
  const [load = 0] = loadavg();
  const factor = Math.max(1, Math.min(...times) / IDLE_MS, load / availableParallelism());
  return Math.min(MOST, Math.round(factor * 10) / 10);
}

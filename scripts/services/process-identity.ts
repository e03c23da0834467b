import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * When process `pid` was started, in the system's own words, or undefined where there is none. Pids are used again:
 * only the same pid with the same birth is the same process.
 */
export function processBirth(pid: number): string | undefined {
  return process.platform === 'linux' ? birthFromProc(pid) : birthFromPs(pid);
}

/** Kills a process at once, since what its data folder holds is thrown away; resolves when it is gone. */
export async function endProcess(pid: number, isGone = () => processBirth(pid) === undefined): Promise<void> {
  if (!isGone()) kill(pid);
  const end = performance.now() + 5_000;
  while (!isGone()) {
    if (performance.now() > end) throw new Error(`process ${pid} does not end`);
    await sleep(5);
  }
}

/** Field 22 of `/proc/<pid>/stat` (proc(5)); the name in field 2 may hold blanks, so it counts from its closing `)`. */
function birthFromProc(pid: number): string | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? [];
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

function birthFromPs(pid: number): string | undefined {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch (error) {
    if ((error as { status?: number }).status === 1) return undefined;
    throw error;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

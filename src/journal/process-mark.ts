import { readFile, readlink } from 'node:fs/promises';

/** What tells a process apart from a later one with the same pid. Members are absent where the system does not tell. */
export interface ProcessMark {
  /** New at each start of the machine. */
  readonly bootId?: string | undefined;
  /** The same over all starts of the machine. */
  readonly machineId?: string | undefined;
  /** Containers of one machine count their pids apart. */
  readonly pidNamespace?: string | undefined;
  /** In clock ticks since the machine's start: field 22 of proc_pid_stat(5). */
  readonly startTime?: string | undefined;
}

/** The marks of a process on this machine. Only Linux tells them; elsewhere there are none. */
export async function markOf(pid: number): Promise<ProcessMark> {
  const [bootId, machineId, pidNamespace, stat] = await Promise.all([
    firstLine(readFile('/proc/sys/kernel/random/boot_id', 'utf8')),
    firstLine(readFile('/etc/machine-id', 'utf8')),
    firstLine(readlink(`/proc/${pid}/ns/pid`)),
    statOf(pid),
  ]);
  return { bootId, machineId, pidNamespace, startTime: stat?.startTime };
}

/**
 * Whether a process that was once marked here may still be running. False only where it is surely gone: its pid is free,
 * belongs to a process that started at another time, or the machine was started again. What cannot be told is true,
 * such as a process of another container, whose pids cannot be seen from here.
 */
export async function mayBeAlive({ pid, mark }: { pid: number; mark: ProcessMark }): Promise<boolean> {
  const here = await markOf(process.pid);
  if (mark.bootId !== here.bootId) {
    const sameMachine = mark.machineId !== undefined && mark.machineId === here.machineId;
    return !(sameMachine && mark.bootId !== undefined && here.bootId !== undefined);
  }
  if (mark.pidNamespace !== here.pidNamespace) return true;
  if (!takesSignals(pid)) return false;
  const stat = await statOf(pid);
  // Another user's process may be hidden in /proc.
  if (stat === undefined) return true;
  // A zombie takes signals, but runs no more; without an init process in its container it stays for ever.
  if (stat.state === 'Z' || stat.state === 'X') return false;
  return mark.startTime === undefined || mark.startTime === stat.startTime;
}

function takesSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and another user's.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

async function statOf(pid: number): Promise<{ state: string; startTime: string | undefined } | undefined> {
  const line = await firstLine(readFile(`/proc/${pid}/stat`, 'utf8'));
  if (line === undefined) return undefined;
  // The second field is the program's name in parentheses, which may hold blanks and parentheses itself.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', startTime: fields[19] };
}

/** A system that does not tell is no failure: every reader of a mark allows for its absence. */
async function firstLine(reading: Promise<string>): Promise<string | undefined> {
  const text = await reading.catch(() => '');
  const line = text.split('\n')[0]?.trim();
  return line === '' ? undefined : line;
}

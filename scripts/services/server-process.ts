import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endProcess } from './process-identity.ts';
import type { Lifetime } from './service.ts';

/** What `startServerProcess` needs to know of a server. */
export interface ServerCommand {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** From `serverFolder`. */
  readonly dir: string;
  readonly lifetime: Lifetime;
  /** The file in which the server says that it is ready. Default: what it prints, `server.log`. */
  readonly readyFile?: string;
  readonly ready: RegExp;
  /** How long it may take until `ready` matches, in milliseconds. */
  readonly timeout: number;
}

export interface ServerProcess {
  readonly pid: number;
  /** The match of `ready`, with its groups. */
  readonly said: RegExpExecArray;
  /** Ends the server and removes its folder. Safe to call twice. */
  stop(): Promise<void>;
}

/**
 * Starts a server in its own session, so that Ctrl-C in the terminal reaches only the program under test, and waits
 * until it says that it is ready. Rejects with the end of its log where it does not.
 */
export async function startServerProcess(server: ServerCommand): Promise<ServerProcess> {
  const log = join(server.dir, 'server.log');
  const child = await spawnServer(server, log);
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${server.name} cannot be started: ${server.command}`);
  const stop = async (): Promise<void> => {
    await endProcess(pid, () => child.exitCode !== null || child.signalCode !== null);
    child.stdin?.destroy();
    await rm(server.dir, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    return { pid, said: await waitUntilReady(server, child, server.readyFile ?? log), stop };
  } catch (cause) {
    const said = await Promise.all([log, server.readyFile ?? ''].filter(Boolean).map(readIfThere));
    await stop();
    throw new Error(`${server.name} did not start: ${String(cause)}\n${said.join('\n').slice(-4000)}`, { cause });
  }
}

/** A new temporary folder for one server. */
export function serverFolder(name: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `tenant-migrate-server-${name}-`));
}

/**
 * Becomes the server, while a child of it waits for the end of standard input. That end comes with the parent,
 * however the parent ends: then the server is killed and its folder removed.
 */
const endWithParent =
  'exec 3<&0; dir=$1; shift; (cat <&3 >/dev/null; kill -9 $$; rm -rf "$dir") & exec "$@" 3<&- </dev/null';

async function spawnServer({ command, args, dir, lifetime }: ServerCommand, log: string): Promise<ChildProcess> {
  const file = await open(log, 'a');
  const alone = lifetime === 'detached';
  const [program, ...rest] = alone ? [command, ...args] : ['sh', '-c', endWithParent, 'sh', dir, command, ...args];
  const child = spawn(program ?? command, rest, {
    cwd: dir,
    detached: true,
    stdio: [alone ? 'ignore' : 'pipe', file.fd, file.fd],
  });
  await Promise.race([once(child, 'spawn'), once(child, 'error')]);
  await file.close();
  child.unref();
  (child.stdin as Socket | null)?.unref();
  return child;
}

async function waitUntilReady(server: ServerCommand, child: ChildProcess, file: string): Promise<RegExpExecArray> {
  const end = performance.now() + server.timeout;
  while (performance.now() < end) {
    const said = server.ready.exec(await readIfThere(file));
    if (said) return said;
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`it ended with ${child.exitCode ?? child.signalCode}`);
    await sleep(10);
  }
  throw new Error(`not ready after ${server.timeout} ms`);
}

async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

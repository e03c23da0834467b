import { execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../../scripts/services/free-port.ts';
import { needs } from './needs.ts';

const SSHD = '/usr/sbin/sshd';

/** Whether tests with a real sshd can run here; false only where no store is demanded either. */
export function hasSshd(): boolean {
  const there = existsSync(SSHD);
  if (!there && process.env.REQUIRE_SERVICES) throw new Error(`${SSHD} is not installed (Debian: openssh-server)`);
  return there;
}

export type Sshd = Awaited<ReturnType<typeof startSshd>>;

/** A real sshd of this user's own on a free port, with keys and files of its own, and further lines for its config. */
export async function startSshd(lines: readonly string[] = []) {
  await needs('sshd', 'ssh');
  const folder = mkdtempSync(join(tmpdir(), 'tenant-migrate-sshd-'));
  const at = (name: string) => join(folder, name);
  for (const name of ['host', 'user']) makeKey(at(name));
  const port = await freePort();
  const user = userInfo().username;
  // As root it wants a folder that its package's service makes.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  writeFileSync(
    at('sshd_config'),
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${at('host')}`,
      `AuthorizedKeysFile ${at('user.pub')}`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'LogLevel DEBUG1',
      ...lines,
    ].join('\n'),
  );
  writeFileSync(at('known_hosts'), `[127.0.0.1]:${port} ${publicKey(at('host'))}\n`);
  writeFileSync(
    at('config'),
    `UserKnownHostsFile ${at('known_hosts')}\nGlobalKnownHostsFile none\nIdentityAgent none\n`,
  );
  let log = '';
  let child = await start();

  async function start() {
    const started = spawn(SSHD, ['-D', '-e', '-f', at('sshd_config')], { stdio: ['ignore', 'ignore', 'pipe'] });
    started.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
    await untilOpen(port);
    return started;
  }

  async function cut(): Promise<number> {
    const pids = await childrenOf(child.pid ?? 0);
    for (const pid of pids) killIfThere(pid);
    return pids.length;
  }

  return {
    folder,
    at,
    port,
    user,
    /** `--ssh` for this server. */
    target: `${user}@127.0.0.1:${port}`,
    identity: at('user'),
    config: at('config'),
    flags: ['--ssh', `${user}@127.0.0.1:${port}`, '--ssh-identity', at('user'), '--ssh-config', at('config')],
    log: () => log,
    /** Ends all connections at the server; returns how many there were. */
    cut,
    /** How many connections there are. */
    connections: async (): Promise<number> => (await childrenOf(child.pid ?? 0)).length,
    /** Takes no connections until `resume`. */
    async pause(): Promise<void> {
      // Its children would be nobody's once it is gone.
      child.kill('SIGSTOP');
      await cut();
      child.kill('SIGKILL');
    },
    async resume(): Promise<void> {
      child = await start();
    },
    async stop(): Promise<void> {
      await cut();
      child.kill('SIGKILL');
    },
  };
}

/** Makes a key pair without a passphrase; the public one is `<path>.pub`. */
export function makeKey(path: string): void {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', path]);
}

/** Type and key alone, as known_hosts has them. */
export function publicKey(path: string): string {
  return readFileSync(`${path}.pub`, 'utf8').trim();
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=', '--ppid', String(pid)]);
    return stdout
      .split('\n')
      .map(Number)
      .filter((child) => child > 0);
  } catch (error) {
    if ((error as { code?: unknown }).code === 1) return [];
    throw error;
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function untilOpen(port: number): Promise<void> {
  for (const end = Date.now() + 10_000; Date.now() < end; await sleep(10)) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1' }, () => resolve(true)).on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (open) return;
  }
  throw new Error('sshd does not listen');
}

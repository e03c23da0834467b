import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorText, MigrateError } from '../model/errors.ts';
import { type FarEnd, farEndText } from './far-end.ts';
import type { Line } from './forward.ts';
import { forwardArguments, masterArguments, type SshSettings } from './ssh-arguments.ts';
import { sshFailure } from './ssh-failure.ts';
import { askSsh, type SshProcess, startSsh } from './ssh-process.ts';

/** What a tunnel is lent. */
export interface TunnelPorts {
  /** What ssh sees: no secrets. */
  readonly env: NodeJS.ProcessEnv;
  /** Ends the first connecting. */
  readonly signal: AbortSignal;
  /** Takes what the operator should know, such as that the link has dropped. */
  readonly tell: (text: string) => void;
}

/** An ssh that takes requests. */
interface Standing {
  readonly ssh: SshProcess;
  readonly generation: number;
}

const LOOK_MS = 20;
const FIRST_DELAY_MS = 200;
const LONGEST_DELAY_MS = 5_000;
/** A link that held for less is counted together with the drop before. */
const STEADY_MS = 60_000;
const MOST_DROPS = 50;
/** A link that keeps dropping is waited for a little longer each time, but not so long that the lease runs out. */
const MOST_DROPS_COUNTED = 3;
/** How long after ssh's end a request may still meet its socket files, ms. */
const NEWS_MS = 5_000;

/**
 * The ssh connection beneath the forwards, started anew where it ends. It listens on no port: its own ends are socket
 * files in a folder that only this user can open.
 */
export class SshLine implements Line {
  readonly #settings: SshSettings;
  readonly #ports: TunnelPorts;
  readonly #folder: string;
  /** By generation and far end. */
  readonly #paths = new Map<string, Promise<string | undefined>>();
  #standing: Promise<Standing>;
  #ssh: SshProcess | undefined;
  #generation = 0;
  /** An ssh before 8.7. */
  #isOld = false;
  #ended = 0;
  #isClosed = false;

  private constructor(settings: SshSettings, ports: TunnelPorts, folder: string) {
    this.#settings = settings;
    this.#ports = ports;
    this.#folder = folder;
    this.#standing = this.#start(ports.signal);
  }

  /** Connects once, without retries: what is wrong is told at once. Throws MigrateError. */
  static async open(settings: SshSettings, ports: TunnelPorts): Promise<SshLine> {
    const line = new SshLine(settings, ports, await mkdtemp(join(tmpdir(), 'tenant-migrate-ssh-')));
    try {
      void line.#keep(await line.#standing);
      return line;
    } catch (error) {
      await line.close();
      throw error;
    }
  }

  /** What ssh says from now on. */
  listen(): () => readonly string[] {
    const ssh = this.#ssh;
    const said = ssh?.said() ?? 0;
    return () => ssh?.linesAfter(said) ?? [];
  }

  /** How often it has dropped. */
  get drops(): number {
    return this.#ended;
  }

  async pathTo(far: FarEnd, not: string | undefined): Promise<string> {
    for (const end = performance.now() + NEWS_MS; ; await sleep(LOOK_MS)) {
      this.#refuseClosed();
      const path = await this.#socketTo(far, await this.#standing);
      if (path !== undefined && path !== not) return path;
      if (performance.now() > end) {
        const text = `the tunnel through ${this.#settings.target} leads nowhere`;
        throw new MigrateError('unreachable', text, { retryable: true });
      }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#ssh?.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** The socket file of this ssh that leads there, made where there is none; undefined where this ssh has ended. */
  #socketTo(far: FarEnd, { ssh, generation }: Standing): Promise<string | undefined> {
    const key = `${generation} ${farEndText(far)}`;
    const known = this.#paths.get(key);
    if (known !== undefined) return known;
    const path = join(this.#folder, `${generation}.${this.#paths.size}`);
    const made = askSsh(forwardArguments(this.#controlPath(generation), path, far), this.#ports.env).then((refusal) => {
      if (refusal === undefined) return path;
      this.#paths.delete(key);
      if (ssh.isEnded() || /control socket|mux_client|broken pipe/i.test(refusal)) return undefined;
      throw sshFailure(this.#settings, [refusal]);
    });
    this.#paths.set(key, made);
    return made;
  }

  #controlPath(generation: number): string {
    return join(this.#folder, `c${generation}`);
  }

  /** Starts ssh and waits until it takes requests. Throws MigrateError. */
  async #start(signal?: AbortSignal): Promise<Standing> {
    this.#generation += 1;
    const generation = this.#generation;
    const control = this.#controlPath(generation);
    const args = masterArguments(this.#settings, control, { isOld: this.#isOld });
    const ssh = startSsh(args, { folder: this.#folder, env: this.#ports.env });
    this.#ssh = ssh;
    try {
      for (const end = performance.now() + this.#settings.timeoutMs; !(await isThere(control)); await sleep(LOOK_MS)) {
        signal?.throwIfAborted();
        this.#refuseClosed();
        if (ssh.isEnded() && this.#learnsAge(await ssh.ended)) return await this.#start(signal);
        if (ssh.isEnded()) throw sshFailure(this.#settings, await ssh.ended);
        if (performance.now() > end) throw this.#tooLate(ssh);
      }
      return { ssh, generation };
    } catch (error) {
      await ssh.stop();
      throw error;
    }
  }

  /** Whether it failed for its age alone: then the same is done once more as it can. */
  #learnsAge(words: readonly string[]): boolean {
    if (this.#isOld) return false;
    this.#isOld = words.some((line) => /bad configuration option: forkafterauthentication/i.test(line));
    return this.#isOld;
  }

  /** Starts ssh again for as long as the line is open. What waits for it meanwhile waits for `#standing`. */
  async #keep(first: Standing): Promise<void> {
    let standing = first;
    for (let drops = 0, since = performance.now(); ; since = performance.now()) {
      const words = await standing.ssh.ended;
      this.#ended += 1;
      if (this.#isClosed) return;
      drops = performance.now() - since > STEADY_MS ? 1 : drops + 1;
      this.#standing = this.#again(words, drops);
      try {
        standing = await this.#standing;
      } catch (error) {
        if (!this.#isClosed) this.#ports.tell(`the tunnel is given up: ${errorText(error)}`);
        return;
      }
      this.#ports.tell(`the tunnel through ${this.#settings.target} stands again`);
    }
  }

  async #again(words: readonly string[], drops: number): Promise<Standing> {
    const end = performance.now() + this.#settings.timeoutMs;
    const said = words.at(-1) ?? 'ssh was ended';
    let text = `the tunnel through ${this.#settings.target} has dropped (${said})`;
    for (
      let failure = sshFailure(this.#settings, words), attempt = Math.min(drops, MOST_DROPS_COUNTED);
      ;
      attempt += 1
    ) {
      if (!failure.retryable || drops > MOST_DROPS || performance.now() > end) throw failure;
      const delayMs = Math.min(FIRST_DELAY_MS * 2 ** (attempt - 1), LONGEST_DELAY_MS);
      this.#ports.tell(`${text}: trying again in ${delayMs / 1_000} s`);
      await sleep(delayMs);
      this.#refuseClosed();
      try {
        return await this.#start();
      } catch (error) {
        if (!(error instanceof MigrateError)) throw error;
        failure = error;
        text = errorText(error);
      }
    }
  }

  #refuseClosed(): void {
    if (this.#isClosed) throw new MigrateError('unreachable', 'the tunnel is closed');
  }

  #tooLate(ssh: SshProcess): MigrateError {
    const last = ssh.linesAfter(0).at(-1);
    const { target, timeoutMs } = this.#settings;
    const text = `no tunnel through ${target}: ssh is not ready within ${timeoutMs / 1_000} s${last === undefined ? '' : ` (ssh: ${last})`}`;
    return new MigrateError('unreachable', text, {
      retryable: true,
      next: 'see that --ssh and --ssh-jump name hosts that are up, or wait longer with --ssh-timeout',
    });
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

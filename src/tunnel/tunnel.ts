import { setTimeout as sleep } from 'node:timers/promises';
import { MigrateError } from '../model/errors.ts';
import { type FarEnd, farEndText } from './far-end.ts';
import { Forward } from './forward.ts';
import { type Hello, proveTraffic } from './prove-traffic.ts';
import type { SshSettings } from './ssh-arguments.ts';
import { SshLine, type TunnelPorts } from './ssh-line.ts';

/** How a far end is proved to answer. */
export interface Proof {
  readonly hello: Hello;
  /** The store, as people know it. */
  readonly what: string;
  /** What to do where it does not answer. */
  readonly next: string;
}

const NEWS_MS = 300;

/** The forwards through one ssh connection. Their local ports stay the same however often ssh is started anew. */
export class Tunnel {
  /** The ssh server, as it was named. */
  readonly name: string;
  readonly #settings: SshSettings;
  readonly #ports: TunnelPorts;
  readonly #line: SshLine;
  /** Local ports that are listened to. */
  readonly #local = new Map<string, number>();
  readonly #forwards = new Map<string, { readonly forward: Forward; readonly port: Promise<number> }>();

  private constructor(settings: SshSettings, ports: TunnelPorts, line: SshLine) {
    this.name = settings.target.replace(/:22$/, '');
    this.#settings = settings;
    this.#ports = ports;
    this.#line = line;
  }

  /** Connects to the ssh server. Throws MigrateError that says what is wrong there and what to do. */
  static async open(settings: SshSettings, ports: TunnelPorts): Promise<Tunnel> {
    return new Tunnel(settings, ports, await SshLine.open(settings, ports));
  }

  /** The local address that leads there for as long as the tunnel is open. Connects nowhere yet. */
  async reach(far: FarEnd): Promise<{ readonly host: string; readonly port: number }> {
    const port = await this.#forwardTo(far).port;
    this.#local.set(keyOf(far), port);
    return { host: '127.0.0.1', port };
  }

  /** `host:port` of the local address to an end that was reached for before. */
  localTo(far: FarEnd): string {
    const port = this.#local.get(keyOf(far));
    if (port === undefined) throw new MigrateError('internal', `no forward leads to ${farEndText(far)}`);
    return `127.0.0.1:${port}`;
  }

  /**
   * Waits until the far end answers. That the local port can be connected to proves nothing: ssh takes every connection
   * and tries the far end only then. One after another, since ssh's words name no end. Throws MigrateError.
   */
  async prove(far: FarEnd, { hello, what, next }: Proof): Promise<void> {
    const lines = this.#line.listen();
    const refused = () =>
      lines()
        .map(openFailed)
        .find((reason) => reason !== undefined);
    const failure = await proveTraffic(() => this.#forwardTo(far).forward.connect(), {
      hello,
      refused,
      timeoutMs: this.#settings.timeoutMs,
      signal: this.#ports.signal,
    });
    if (failure === undefined) return;
    const text = `${what} at ${farEndText(far)}, as seen from ${this.name}, cannot be reached: ${failure}`;
    throw new MigrateError('unreachable', text, {
      store: farEndText(far),
      next: /prohibited/.test(failure)
        ? 'the ssh server forbids this forward: see AllowTcpForwarding and PermitOpen in its config'
        : next,
    });
  }

  /**
   * Does this again where it fails for a passing reason and the tunnel has dropped meanwhile. For what may be done twice,
   * such as the first connecting to a store, which its own retries leave out.
   */
  async overDrops<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      const { drops } = this.#line;
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof MigrateError && error.retryable)) throw error;
        // Its end is known a little later than that of the connections through it.
        await sleep(NEWS_MS);
        if (this.#line.drops === drops) throw error;
      }
    }
  }

  /** Ends ssh and all connections through it. */
  async close(): Promise<void> {
    for (const { forward } of this.#forwards.values()) forward.close();
    await this.#line.close();
  }

  #forwardTo(far: FarEnd) {
    const key = keyOf(far);
    const known = this.#forwards.get(key);
    if (known !== undefined) return known;
    const forward = new Forward(this.#line, far);
    const made = { forward, port: forward.listen() };
    this.#forwards.set(key, made);
    return made;
  }
}

function keyOf(far: FarEnd): string {
  return `${farEndText(far)} ${far.tlsName ?? ''}`;
}

/** ssh's reason why a connection could not be made from the server. */
function openFailed(line: string): string | undefined {
  return /open failed: (.*)/.exec(line)?.[1];
}

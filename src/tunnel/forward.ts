import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { FarEnd } from './far-end.ts';

/** The ssh connection beneath, as a forward sees it. */
export interface Line {
  /**
   * Waits until ssh stands and returns the socket file that leads to this end; `not` is one that turned out to lead
   * nowhere any more. Throws MigrateError once the tunnel is given up.
   */
  pathTo(far: FarEnd, not: string | undefined): Promise<string>;
}

/**
 * One local port on 127.0.0.1 that leads to one far end for as long as the tunnel exists. The port is this process's
 * own, and stays while ssh is away: who connects meanwhile waits, so that a store's next try is made on the new link.
 */
export class Forward {
  readonly #line: Line;
  readonly #far: FarEnd;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(line: Line, far: FarEnd) {
    this.#line = line;
    this.#far = far;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (near) => {
      void this.#join(near);
    });
  }

  /** Begins to listen; returns the port, which the system has chosen. */
  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1').unref();
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** A connection to the far end. Throws where TLS is not agreed on, or once the tunnel is given up. */
  async connect(): Promise<Socket> {
    for (let path: string | undefined; ; ) {
      path = await this.#line.pathTo(this.#far, path);
      const socket = connect({ path, allowHalfOpen: true });
      try {
        await once(socket, 'connect');
      } catch (error) {
        // Nothing was sent: ssh has just ended.
        if (['ECONNREFUSED', 'ENOENT', 'ECONNRESET', 'EPIPE'].includes(codeOf(error))) continue;
        throw error;
      }
      return this.#far.tlsName === undefined ? socket : secured(socket, this.#far.tlsName);
    }
  }

  /** Ends all connections, at both ends. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    this.cut();
  }

  async #join(near: Socket): Promise<void> {
    this.#keep(near);
    try {
      const far = await this.connect();
      this.#keep(far);
      if (near.destroyed) far.destroy();
      // An end of one side is passed on by pipe; whatever else ends a side ends the other.
      near.on('close', () => far.destroy());
      far.on('close', () => near.destroy());
      near.pipe(far).pipe(near);
    } catch {
      // The driver's own words for a lost connection follow, and the tunnel has told why.
      near.destroy();
    }
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }
}

/** TLS over the forward, the certificate checked as it would be at the address itself. */
async function secured(socket: Socket, name: string): Promise<Socket> {
  const secure = connectTls({ socket, host: name, ...(/[:]|^[\d.]+$/.test(name) ? {} : { servername: name }) });
  socket.on('error', (error) => secure.destroy(error));
  try {
    await once(secure, 'secureConnect');
    return secure;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code);
}

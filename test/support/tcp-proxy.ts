import { connect, createServer, type Server, type Socket } from 'node:net';

/** `up` is from the client to the server. */
export type Direction = 'up' | 'down';

/** A TCP proxy that can be made slow, cut or deaf. */
export interface TcpProxy {
  readonly port: number;
  /** Bytes that have been passed on, of all connections together. */
  readonly passed: Readonly<Record<Direction, number>>;
  /** Breaks every connection at once, with a reset; what is on its way is lost. */
  cutAll(): void;
  /** Passes on exactly `bytes` more in this direction, counted over all connections, and then cuts all, once. */
  cutAfterBytes(bytes: number, direction: Direction): void;
  /** While on, new connections are refused as by a server that is down. Resolves when that is so. */
  refuse(on: boolean): Promise<void>;
  /** While on, everything is taken in and nothing is passed on: a server that hangs. */
  hang(on: boolean): void;
  /** Delay of each direction in ms, from the next byte on; a round trip is twice as long. */
  setLatency(ms: number): void;
  close(): Promise<void>;
}

interface Options {
  readonly target: { readonly host: string; readonly port: number };
  /** Delay of each direction in ms; 0 by default. */
  readonly latencyMs?: number;
}

/** Bytes that may wait for a slow receiver, so that its back-pressure reaches the sender. */
const MOST_UNSENT = 4 << 20;

/** Starts a proxy on a free port of 127.0.0.1. Latency delays every byte alike: throughput and order stay. */
export async function startTcpProxy({ target, latencyMs = 0 }: Options): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const lanes = new Set<() => void>();
  const passed = { up: 0, down: 0 };
  const state = { latencyMs, hanging: false };
  let cutAt: { direction: Direction; at: number } | undefined;

  const cutAll = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };

  const pass = (chunk: Buffer, to: Socket, direction: Direction): void => {
    const left = cutAt?.direction === direction ? cutAt.at - passed[direction] : Number.POSITIVE_INFINITY;
    const allowed = chunk.subarray(0, left);
    passed[direction] += allowed.length;
    if (allowed.length < left) {
      to.write(allowed);
      return;
    }
    cutAt = undefined;
    // Written out first, since the other side shall see these bytes.
    to.write(allowed, cutAll);
  };

  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const upstream = connect({ ...target, noDelay: true, allowHalfOpen: true });
    join(client, upstream, 'up');
    join(upstream, client, 'down');
  });

  /** One direction of a connection: what comes in leaves in the same order, each piece after its delay. */
  function join(from: Socket, to: Socket, direction: Direction): void {
    const queue: { due: number; chunk: Buffer | undefined }[] = [];
    let timer: NodeJS.Timeout | undefined;
    const flush = (): void => {
      timer = undefined;
      while (!state.hanging && queue[0] !== undefined && queue[0].due <= performance.now()) {
        const { chunk } = queue.shift()!;
        if (chunk === undefined) to.end();
        else if (to.writable) pass(chunk, to, direction);
        if (to.writableLength > MOST_UNSENT && !from.isPaused()) {
          from.pause();
          to.once('drain', () => from.resume());
        }
      }
      if (!state.hanging && queue[0] !== undefined) timer = setTimeout(flush, queue[0].due - performance.now());
    };
    const take = (chunk: Buffer | undefined): void => {
      const due = Math.max(performance.now() + state.latencyMs, queue.at(-1)?.due ?? 0);
      queue.push({ due, chunk });
      if (timer === undefined) flush();
    };
    sockets.add(from);
    lanes.add(flush);
    from.on('data', take);
    from.on('end', () => take(undefined));
    from.on('error', () => to.destroy());
    from.on('close', () => {
      sockets.delete(from);
      lanes.delete(flush);
      if (from.destroyed && !from.readableEnded) to.destroy();
    });
  }

  const port = await listen(server, 0);
  return {
    port,
    passed,
    cutAll,
    cutAfterBytes: (bytes, direction) => {
      cutAt = { direction, at: passed[direction] + bytes };
    },
    refuse: async (on) => {
      if (on) server.close();
      else if (!server.listening) await listen(server, port);
    },
    hang: (on) => {
      state.hanging = on;
      if (!on) for (const flush of lanes) flush();
    },
    setLatency: (ms) => {
      state.latencyMs = ms;
    },
    close: async () => {
      cutAll();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

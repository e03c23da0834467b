import { connect, createServer, type Server, type Socket } from 'node:net';

/** `up` is from the client to the server. */
export type Direction = 'up' | 'down';

/** Where in the traffic something shall happen, counted from the moment of arming over all connections. */
export type Trigger =
  | { readonly direction: Direction; readonly bytes: number }
  /** Right before the n-th time that the client sends this text. */
  | { readonly text: string; readonly nth: number };

/** A TCP proxy that makes something happen at one point of its traffic, and waits there until it has happened. */
export interface FaultProxy {
  readonly port: number;
  /** Bytes that were passed on since the last reset. */
  readonly passed: Readonly<Record<Direction, number>>;
  /** How often the client has sent the text since the last reset; one text at a time is counted. */
  count(text: string): () => number;
  /** Once. Several may be armed; traffic of that connection waits until `action` has ended. */
  arm(trigger: Trigger, action: () => void | Promise<void>): void;
  /** Breaks every connection with a reset; what is on its way is lost. */
  cutAll(): void;
  /** While on, new connections are refused as by a server that is down. */
  refuse(on: boolean): Promise<void>;
  /** While set, nothing reaches the server: each piece that a client sends is answered with this text. */
  answer(text: ((piece: string) => string) | undefined): void;
  /** Each piece waits so long, in both directions. */
  setLatency(ms: number): void;
  /** Breaks all connections and forgets everything that was told. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

interface Armed {
  readonly trigger: Trigger;
  readonly action: () => void | Promise<void>;
  left: number;
}

export async function startFaultProxy(target: { readonly host: string; readonly port: number }): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  const passed = { up: 0, down: 0 };
  let armed: Armed[] = [];
  let counted: { readonly text: string; times: number } | undefined;
  let latencyMs = 0;
  let answering: ((piece: string) => string) | undefined;

  const cutAll = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };

  /** How many bytes of the piece come before the next thing that is to happen, and what that is. */
  const nextStop = (piece: Buffer, direction: Direction): { at: number; due?: Armed } => {
    let stop: { at: number; due?: Armed } = { at: piece.length };
    for (const entry of armed) {
      const { trigger } = entry;
      if ('text' in trigger) {
        if (direction === 'down') continue;
        const at = nthIndex(piece, trigger.text, entry.left);
        if (at.index >= 0 && at.index <= stop.at) stop = { at: at.index, due: entry };
      } else if (trigger.direction === direction && entry.left <= stop.at) stop = { at: entry.left, due: entry };
    }
    return stop;
  };

  const note = (piece: Buffer, direction: Direction): void => {
    passed[direction] += piece.length;
    if (direction === 'up' && counted !== undefined) counted.times += nthIndex(piece, counted.text, Infinity).found;
    for (const entry of armed) {
      if ('text' in entry.trigger) {
        if (direction === 'up') entry.left -= nthIndex(piece, entry.trigger.text, Infinity).found;
      } else if (entry.trigger.direction === direction) entry.left -= piece.length;
    }
  };

  const pass = async (whole: Buffer, to: Socket, direction: Direction): Promise<void> => {
    if (latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, latencyMs));
    for (let piece = whole; piece.length > 0; ) {
      const { at, due } = nextStop(piece, direction);
      const before = piece.subarray(0, at);
      if (before.length > 0 && to.writable) await new Promise<unknown>((written) => to.write(before, written));
      note(before, direction);
      piece = piece.subarray(at);
      if (due === undefined) return;
      armed = armed.filter((entry) => entry !== due);
      await due.action();
      if (!to.writable) return;
    }
  };

  const join = (from: Socket, to: Socket, direction: Direction): void => {
    let chain = Promise.resolve();
    sockets.add(from);
    from.on('data', (piece: Buffer) => {
      if (answering !== undefined) {
        if (direction === 'up') from.write(answering(piece.toString('latin1')));
        return;
      }
      from.pause();
      chain = chain.then(() => pass(piece, to, direction)).then(() => void from.resume());
    });
    from.on('end', () => {
      chain = chain.then(() => void to.end());
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      sockets.delete(from);
      if (!from.readableEnded) to.destroy();
    });
  };

  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const upstream = connect({ ...target, noDelay: true, allowHalfOpen: true });
    join(client, upstream, 'up');
    join(upstream, client, 'down');
  });
  const port = await listen(server, 0);
  const refuse = async (on: boolean): Promise<void> => {
    if (on && server.listening) server.close();
    else if (!on && !server.listening) await listen(server, port);
  };

  return {
    port,
    passed,
    count: (text) => {
      const mine = { text, times: 0 };
      counted = mine;
      return () => mine.times;
    },
    arm: (trigger, action) => {
      armed.push({ trigger, action, left: 'text' in trigger ? trigger.nth : trigger.bytes });
    },
    cutAll,
    refuse,
    answer: (text) => {
      answering = text;
    },
    setLatency: (ms) => {
      latencyMs = ms;
    },
    reset: async () => {
      armed = [];
      counted = undefined;
      latencyMs = 0;
      answering = undefined;
      cutAll();
      await refuse(false);
      passed.up = 0;
      passed.down = 0;
    },
    close: async () => {
      cutAll();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Where the n-th occurrence begins, or -1; and how many there are. */
function nthIndex(piece: Buffer, text: string, nth: number): { readonly index: number; readonly found: number } {
  let found = 0;
  for (let at = piece.indexOf(text); at >= 0; at = piece.indexOf(text, at + text.length)) {
    found += 1;
    if (found === nth) return { index: at, found };
  }
  return { index: -1, found };
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

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** A network that can lose a client and yet bring what it had sent to the server later. */
export interface LateProxy {
  readonly port: number;
  /** Resolves once bytes that hold `text` were taken in; from then on that connection's bytes wait. */
  holdFrom(text: string): Promise<void>;
  /** Ends all clients; the server is not told. New connections are served. */
  loseClients(): void;
  /** Brings the bytes that wait to the server, on the connections on which they were sent. */
  deliver(): Promise<void>;
  close(): void;
}

export async function startLateProxy(target: number): Promise<LateProxy> {
  const clients = new Set<Socket>();
  const upstreams = new Set<Socket>();
  const held: { readonly upstream: Socket; readonly chunk: Buffer }[] = [];
  let hold: { readonly text: string; readonly reached: () => void } | undefined;
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ port: target, host: '127.0.0.1', noDelay: true });
    clients.add(client);
    upstreams.add(upstream);
    let holding = false;
    client.on('data', (chunk) => {
      if (hold !== undefined && chunk.includes(hold.text)) {
        holding = true;
        hold.reached();
        hold = undefined;
      }
      if (holding) held.push({ upstream, chunk });
      else upstream.write(chunk);
    });
    upstream.on('data', (chunk) => client.writable && client.write(chunk));
    upstream.on('close', () => client.destroy());
    for (const socket of [client, upstream]) socket.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    holdFrom: (text) => new Promise((reached) => (hold = { text, reached })),
    loseClients: () => {
      for (const client of clients) client.destroy();
      clients.clear();
    },
    deliver: async () => {
      for (const { upstream, chunk } of held.splice(0)) {
        if (upstream.writable) await new Promise((done) => upstream.write(chunk, done));
      }
    },
    close: () => {
      for (const socket of [...clients, ...upstreams]) socket.destroy();
      server.close();
    },
  };
}

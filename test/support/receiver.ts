import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** What a receiver got. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly at: number;
}

/** How the next request is answered: a status with headers, or never. */
export type Answer = { readonly status: number; readonly headers?: Readonly<Record<string, string>> } | 'hang';

/** A local HTTP server that keeps what it is sent, and answers as it is told. */
export async function startReceiver(tls?: { readonly key: string | Buffer; readonly cert: string | Buffer }) {
  const received: Received[] = [];
  const answers: Answer[] = [];
  let otherwise: Answer = { status: 200 };
  const handle = async (request: IncomingMessage, response: import('node:http').ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = '', url: path = '', headers } = request;
    received.push({ method, path, headers, body: Buffer.concat(chunks).toString('utf8'), at: Date.now() });
    const answer = answers.shift() ?? otherwise;
    if (answer !== 'hang') response.writeHead(answer.status, answer.headers).end('ok');
  };
  const listener = (request: IncomingMessage, response: import('node:http').ServerResponse) =>
    void handle(request, response).catch(() => undefined);
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    received,
    /** The next requests in this order. */
    next: (...given: readonly Answer[]) => void answers.push(...given),
    /** All requests after those. */
    always: (answer: Answer) => {
      otherwise = answer;
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export type Receiver = Awaited<ReturnType<typeof startReceiver>>;

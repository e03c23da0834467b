import { createServer, type Server, type ServerResponse } from 'node:http';
import { errorText, MigrateError } from '../../model/errors.ts';

const TEXT = 'text/plain; version=0.0.4; charset=utf-8';
const OPENMETRICS = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Serves `/metrics` and `/healthz`. Throws MigrateError `refused` where the port cannot be had. Never keeps the process alive. */
export async function serveMetrics(
  { host, port }: Address,
  text: (format: 'prometheus' | 'openmetrics') => Promise<string>,
): Promise<{ close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const path = pathOf(request.url ?? '/');
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(response, 405, 'GET or HEAD\n');
    if (path === '/healthz') return answer(response, 200, 'ok\n');
    if (path !== '/metrics') return answer(response, 404, '/metrics or /healthz\n');
    const open = request.headers.accept?.includes('application/openmetrics-text') === true;
    text(open ? 'openmetrics' : 'prometheus').then(
      (body) => answer(response, 200, body, open ? OPENMETRICS : TEXT),
      (error: unknown) => answer(response, 500, `${errorText(error)}\n`),
    );
  });
  await listen(server, { host: host.replace(/^\[(.*)\]$/, '$1'), port });
  server.unref();
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Whoever reaches the port may ask for anything: what is no address is no page of ours either. */
function pathOf(asked: string): string {
  return URL.canParse(asked, 'http://localhost') ? new URL(asked, 'http://localhost').pathname : asked;
}

async function listen(server: Server, { host, port }: Address): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'another program listens there' : errorText(error);
      reject(
        new MigrateError('refused', `metrics cannot be served on ${host}:${port}: ${why}`, {
          next: 'give another --metrics-port or --metrics-host, or leave them out',
        }),
      );
    });
    server.listen({ host, port, exclusive: true }, resolve);
  });
  server.removeAllListeners('error');
  // A connection that breaks is the reader's affair.
  server.on('error', () => undefined);
}

function answer(response: ServerResponse, status: number, body: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
